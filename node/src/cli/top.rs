//! `wrt top`

mod frame;
mod rates;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use tokio::time::{Instant, interval_at};

use super::{
    args::{Format, LatticeArgs, TopArgs},
    exit::Failure,
    output::Output,
};
use crate::lattice::Lattice;
use frame::Size;
use rates::Rates;

/// A look at the first nodes comes when all have beaten twice, so that there are rates.
const LISTEN_MIN: Duration = Duration::from_millis(1200);

/// Another screen of the terminal, without a cursor; and back.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// To the first line; and what is left of the screen goes.
const HOME: &str = "\u{1b}[H";
const CLEAR_REST: &str = "\u{1b}[J";
/// The end of a line, of which what is left goes.
const END_LINE: &str = "\u{1b}[K\r\n";

/// Until it has looked so often. Dropping the future gives the terminal back.
pub async fn top(lattice: &LatticeArgs, arguments: TopArgs, output: Output) -> Result<(), Failure> {
    let is_text = output.format() == Format::Text;
    if is_text && !io::stdout().is_terminal() {
        return Err(Failure::usage(
            "top draws on a terminal, and standard output is none: `ps` prints once what is there, and \
             `top --output json` a line for each look",
        ));
    }
    let lattice = Lattice::connect(&lattice.servers(), lattice.lattice_name.clone()).await?;
    let observer = lattice.observe().await?;
    let mut rates = Rates::default();
    let begun = Instant::now() + LISTEN_MIN;
    let mut looks = interval_at(begun, Duration::from_secs(arguments.interval));
    let _screen = is_text.then(|| Screen::enter(output));
    let mut left = arguments.count;
    while left != Some(0) {
        loop {
            tokio::select! {
                _ = looks.tick() => break,
                () = observer.heard() => rates.take(&observer.nodes()),
            }
        }
        let load = rates.load(lattice.name(), arguments.app.as_deref(), arguments.sort);
        if is_text {
            let lines = frame::lines(&load, Size::of_terminal());
            let text = lines.join(END_LINE);
            output.draw(&format!("{HOME}{text}{END_LINE}{CLEAR_REST}"))?;
        } else {
            output.result("", &load);
        }
        left = left.map(|left| left - 1);
    }
    lattice.close().await;
    Ok(())
}

/// The terminal's other screen, until it is dropped: also where the command is interrupted.
struct Screen(Output);

impl Screen {
    fn enter(output: Output) -> Self {
        let _gone = output.draw(ENTER);
        Self(output)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _gone = self.0.draw(LEAVE);
    }
}
