//! `wrt top`

mod frame;
mod rates;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use tokio::time::{Instant, interval_at, sleep};
use wrt_protocol::subject::Role;

use super::{
    args::{Format, LatticeArgs, TopArgs},
    exit::Failure,
    output::Output,
};
use crate::Observer;
use frame::Size;
use rates::Rates;

/// How long is listened until all nodes are known.
const LISTEN_MIN: Duration = Duration::from_millis(750);
/// How long nodes have to say all that they have to say.
const ANSWERED_WITHIN: Duration = Duration::from_millis(250);
/// Between the first two looks, of which only the second has rates and is shown.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

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
    let lattice = lattice.connect(Role::Observer).await?;
    let observer = lattice.observe().await?;
    let mut rates = Rates::default();
    observer.settle(LISTEN_MIN).await;
    look(&observer, &mut rates).await;
    let second = Instant::now() + FIRST_INTERVAL;
    let mut looks = interval_at(second, Duration::from_secs(arguments.interval));
    let _screen = is_text.then(|| Screen::enter(output));
    let mut left = arguments.count;
    while left != Some(0) {
        looks.tick().await;
        look(&observer, &mut rates).await;
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

async fn look(observer: &Observer, rates: &mut Rates) {
    observer.ask_all();
    sleep(ANSWERED_WITHIN).await;
    rates.take(&observer.nodes(), Instant::now());
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
