//! What a deployment changes is shown first, and what changes something that is deployed is asked for.

use std::io::{self, IsTerminal as _, Write as _};

use tokio::task::spawn_blocking;
use wrt_deployment::{Change, Difference};

use super::{exit::Failure, output::Output};

/// Who says that it may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// It was given with the command.
    Given,
    /// Whoever is at the terminal is asked.
    Asked,
    /// There is nobody to ask.
    Nobody,
}

impl Consent {
    /// By `--yes`, or by whether somebody is there.
    pub fn of(is_given: bool) -> Self {
        let is_there = || io::stdin().is_terminal() && io::stderr().is_terminal();
        match is_given {
            true => Self::Given,
            false if is_there() => Self::Asked,
            false => Self::Nobody,
        }
    }
}

/// Shows what changes, and fails unless it may be done. What is all new changes nothing that is deployed,
/// and is not asked for; unless it takes the place of what this build `cannot_read`.
pub async fn ask(
    differences: &[Difference],
    cannot_read: bool,
    consent: Consent,
    output: Output,
) -> Result<(), Failure> {
    // Whoever is asked must see for what, also where a program reads the result.
    let show = |text: &str| match consent {
        Consent::Asked => output.question(text),
        Consent::Given | Consent::Nobody => output.progress(text),
    };
    for difference in differences {
        show(&difference.to_string());
    }
    if cannot_read {
        show("all of it in the place of what another version of WRT has stored");
    }
    let is_new = |difference: &Difference| difference.change == Change::Added;
    if !cannot_read && differences.iter().all(is_new) {
        return Ok(());
    }
    match consent {
        Consent::Given => Ok(()),
        Consent::Asked => {
            // On a thread of its own: whoever is asked may also interrupt.
            let answer = spawn_blocking(|| is_answered_yes(&mut io::stdin().lock()));
            match answer.await?? {
                true => Ok(()),
                false => Err(Failure::failed(anyhow::anyhow!("nothing was changed"))),
            }
        }
        Consent::Nobody => Err(Failure::usage(format!(
            "this changes what is deployed, and nobody is here to be asked: --yes does it. It would be\n{}",
            lines(differences)
        ))),
    }
}

fn lines(differences: &[Difference]) -> String {
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn is_answered_yes(input: &mut impl io::BufRead) -> io::Result<bool> {
    let mut stderr = io::stderr();
    write!(stderr, "Deploy this? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (answer, expected) in [
            ("y\n", true),
            ("yes\r\n", true),
            ("Y", true),
            ("", false),
            ("\n", false),
            ("no\n", false),
            ("yesterday\n", false),
        ] {
            let is_yes = is_answered_yes(&mut answer.as_bytes()).expect("it can be read");
            assert_eq!(is_yes, expected, "{answer:?}");
        }
    }
}
