//! `wrt letters`

mod desk;

use std::time::Duration;

use comfy_table::{Table, presets};
use serde::Serialize;
use wrt_host::Printable;
use wrt_protocol::{FaultKind, subject::Role};
use wrt_runtime::{DeadLetter, DeadLetterError, OpenedLetter, Runtime};

use super::{
    args::{LatticeArgs, LettersCommand, SeveralArgs},
    exit::Failure,
    output::Output,
};
use crate::lattice::Lattice;
use desk::{Desk, Found};

/// How long a provider may take to list or show what it keeps.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub async fn letters(
    runtime: &Runtime,
    lattice: &LatticeArgs,
    command: LettersCommand,
    output: Output,
) -> Result<(), Failure> {
    let lattice = lattice.connect(Role::Operator).await?;
    let done = work(runtime, &lattice, command, output).await;
    lattice.close().await;
    done
}

async fn work(
    runtime: &Runtime,
    lattice: &Lattice,
    command: LettersCommand,
    output: Output,
) -> Result<(), Failure> {
    match command {
        LettersCommand::List(arguments) => {
            let desk = Desk::of(runtime, lattice, &arguments.whose).await?;
            let (letters, more) = desk.list(arguments.limit).await?;
            let shown: Vec<_> = letters.iter().map(Shown::of).collect();
            let json = serde_json::json!({ "letters": shown, "more": more });
            output.result(&table(&letters, more), &json);
            Ok(())
        }
        LettersCommand::Show(arguments) => {
            let desk = Desk::of(runtime, lattice, &arguments.whose).await?;
            let (found, letter) = desk.open(&arguments.letter).await?;
            let text = text(&found, &letter);
            output.result(&text, &opened(&found, &letter));
            Ok(())
        }
        LettersCommand::Replay(arguments) => {
            let desk = Desk::of(runtime, lattice, &arguments.whose).await?;
            each(&desk, &arguments, Deed::Replay, output).await
        }
        LettersCommand::Drop(arguments) => {
            let desk = Desk::of(runtime, lattice, &arguments.whose).await?;
            each(&desk, &arguments, Deed::Drop, output).await
        }
    }
}

/// What is done with a letter.
#[derive(Clone, Copy)]
pub enum Deed {
    /// Its component gets it once more.
    Replay,
    /// It goes.
    Drop,
}

/// Does it with one letter after the other. One that fails does not hold up those behind it.
async fn each(
    desk: &Desk<'_>,
    arguments: &SeveralArgs,
    deed: Deed,
    output: Output,
) -> Result<(), Failure> {
    let patience = Duration::from_secs(arguments.timeout);
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let mut is_late = false;
    let letters = match arguments.all {
        true => desk.all().await?,
        false => arguments.letters.clone(),
    };
    for id in letters {
        match desk.deal_with(&id, deed, patience).await {
            Ok(()) => done.push(id),
            Err(error) => {
                is_late |= matches!(&error, DeadLetterError::Fault(fault)
                    if fault.kind() == FaultKind::DeadlineExceeded);
                failed.push((id, error.to_string()));
            }
        }
    }
    let word = match deed {
        Deed::Replay => "handled",
        Deed::Drop => "dropped",
    };
    let failures: Vec<_> = failed
        .iter()
        .map(|(id, error)| serde_json::json!({ "id": id, "error": error }))
        .collect();
    let json = serde_json::json!({ word: done, "failed": failures });
    let mut text = format!("{word}: {}", list_of(&done));
    for (id, error) in &failed {
        text += &format!("\nnot {word}: {}: {}", Printable(id), Printable(error));
    }
    output.result(&text, &json);
    let count = failed.len();
    match (count, is_late) {
        (0, _) => Ok(()),
        (_, true) => Err(Failure::too_late(format!(
            "{count} of the letters are not {word}; some did not end in {} s",
            patience.as_secs()
        ))),
        (_, false) => Err(Failure::failed(anyhow::anyhow!(
            "{count} of the letters are not {word}"
        ))),
    }
}

fn list_of(ids: &[String]) -> String {
    match ids {
        [] => "none".to_owned(),
        ids => ids.join(", "),
    }
}

/// A letter in a list, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    provider: &'a str,
    topic: &'a str,
    reason: &'a str,
    attempts: u32,
    origin: &'a str,
    bytes: u64,
}

impl<'a> Shown<'a> {
    fn of(found: &'a Found) -> Self {
        let DeadLetter {
            id,
            subject,
            reason,
            attempts,
            origin,
            bytes,
        } = &found.letter;
        Self {
            id,
            provider: found.provider.as_str(),
            topic: subject,
            reason,
            attempts: *attempts,
            origin,
            bytes: *bytes,
        }
    }
}

fn table(letters: &[Found], more: bool) -> String {
    if letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LETTER", "PROVIDER", "TOPIC", "ATTEMPTS", "BYTES", "REASON"]);
    for found in letters {
        let letter = &found.letter;
        table.add_row([
            Printable(&letter.id).to_string(),
            found.provider.to_string(),
            Printable(&letter.subject).to_string(),
            letter.attempts.to_string(),
            letter.bytes.to_string(),
            Printable(&letter.reason).to_string(),
        ]);
    }
    let lines = table.to_string();
    let lines: Vec<_> = lines.lines().map(str::trim_end).collect();
    match more {
        true => format!("{}\nand more: --limit says how many", lines.join("\n")),
        false => lines.join("\n"),
    }
}

fn opened(found: &Found, opened: &OpenedLetter) -> serde_json::Value {
    let text = std::str::from_utf8(&opened.data).ok();
    let hex = text.is_none().then(|| hex(&opened.data));
    serde_json::json!({
        "letter": Shown::of(found),
        "metadata": opened.metadata,
        "data": text,
        "data_hex": hex,
        "data_is_whole": opened.data.len() as u64 == opened.letter.bytes,
    })
}

fn text(found: &Found, opened: &OpenedLetter) -> String {
    let letter = &opened.letter;
    let mut lines = vec![
        format!("letter    {}", Printable(&letter.id)),
        format!("provider  {}", found.provider),
        format!("topic     {}", Printable(&letter.subject)),
        format!("origin    {}", Printable(&letter.origin)),
        format!("attempts  {}", letter.attempts),
        format!("reason    {}", Printable(&letter.reason)),
    ];
    for (name, value) in &opened.metadata {
        lines.push(format!(
            "metadata  {}: {}",
            Printable(name),
            Printable(value)
        ));
    }
    let shown = match std::str::from_utf8(&opened.data) {
        Ok(text) => Printable(text).to_string(),
        Err(_not_text) => hex(&opened.data),
    };
    let cut = match opened.data.len() as u64 == letter.bytes {
        true => "",
        false => ", the beginning",
    };
    lines.push(format!("data      {} bytes{cut}: {shown}", letter.bytes));
    lines.join("\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
