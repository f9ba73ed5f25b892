//! Greets every tick.
#![cfg(target_family = "wasm")]

use greeting::guest::{Listener, export, greeter};

struct Greets;

export!(Greets);

impl Listener for Greets {
    fn tick(count: u64) {
        match greeter::greet(&format!("tick {count}")) {
            Ok(said) => println!("{said}"),
            Err(error) => println!("tick {count} is not greeted: {error}"),
        }
    }
}
