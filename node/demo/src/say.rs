//! What the demo tells its reader: plain lines on stdout, bold titles on a terminal.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

/// Prints a line. A reader that has gone away (a closed pipe) is not an error of the demo.
pub fn line(text: fmt::Arguments<'_>) {
    let _closed_pipe = writeln!(io::stdout(), "{text}");
}

/// Prints a title.
pub fn heading(text: fmt::Arguments<'_>) {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        line(format_args!("\n\x1b[1m{text}\x1b[0m"));
    } else {
        line(format_args!("\n== {text}"));
    }
}

macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}

macro_rules! title {
    ($($text:tt)*) => { $crate::say::heading(format_args!($($text)*)) };
}

pub(crate) use {say, title};
