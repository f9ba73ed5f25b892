//! A program: it does what its arguments say, and ends. A Rust `main` for wasm32-wasip2 exports `wasi:cli/run`.

use std::{
    io::{self, Read as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use wrt_guest::{keyvalue, wasip2::cli::exit::exit_with_code};

const USAGE: &str = "what a job can do:
  add NAME [NUMBER]   add to a number in the store, and print it
  count               count the lines of standard input
  env NAME            print a variable
  wait MILLISECONDS
  exit CODE
  trap";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["add", name] => add(name, "1"),
        ["add", name, number] => add(name, number),
        ["count"] => count(),
        ["env", name] => {
            println!("{}", std::env::var(name).unwrap_or_default());
            Ok(())
        }
        ["wait", milliseconds] => wait(milliseconds),
        ["exit", code] => exit(code),
        ["trap"] => panic!("asked to trap"),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn add(name: &str, number: &str) -> Result<(), String> {
    let number = number.parse().map_err(no_number)?;
    let bucket = keyvalue::open("default").map_err(|error| error.to_string())?;
    let sum = bucket.increment(name, number);
    println!("{name} {}", sum.map_err(|error| error.to_string())?);
    Ok(())
}

fn count() -> Result<(), String> {
    let mut text = String::new();
    let read = io::stdin().read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    println!("{}", text.lines().count());
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program has its instance for itself, and waits for nothing that it could ask for"
)]
fn wait(milliseconds: &str) -> Result<(), String> {
    let milliseconds = milliseconds.parse().map_err(no_number)?;
    println!("waits");
    thread::sleep(Duration::from_millis(milliseconds));
    println!("has waited");
    Ok(())
}

/// `std::process::exit` of some standard libraries knows well and badly only.
fn exit(code: &str) -> Result<(), String> {
    exit_with_code(code.parse().map_err(no_number)?);
    Ok(())
}

fn no_number(error: std::num::ParseIntError) -> String {
    error.to_string()
}
