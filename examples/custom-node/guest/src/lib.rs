//! Greets every tick, and then at length.
#![cfg(target_family = "wasm")]

use greeting::guest::{Listener, StreamError, export, greeter};

struct Greets;

export!(Greets);

impl Listener for Greets {
    fn tick(count: u64) {
        match greeter::greet(&format!("tick {count}")) {
            Ok(said) => println!("{said}"),
            Err(error) => println!("tick {count} is not greeted: {error}"),
        }
        // Each time: whoever is deployed while time goes on does not hear the first tick.
        match recital() {
            Ok(bytes) => println!("a recital of {bytes} bytes"),
            Err(error) => println!("tick {count} has no recital: {error}"),
        }
    }
}

/// More than is ever in one piece, on its way or here.
fn recital() -> Result<usize, greeter::Error> {
    let recital = greeter::recite(&"la ".repeat(5_000), 20)?;
    let mut bytes = 0;
    loop {
        match recital.blocking_read(64 * 1024) {
            Ok(piece) => bytes += piece.len(),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(broken) => return Err(greeter::Error::Unavailable(broken.to_string())),
        }
    }
}
