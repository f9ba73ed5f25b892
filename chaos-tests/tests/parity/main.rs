//! HTTP, the same on every path.
//!
//! Each behaviour is a case, written once: a request, what the guest does with it, and what its client
//! gets. It runs over HTTP/1.1 and HTTP/2, on a guest of wasi:http 0.2, one of 0.3, and one of 0.3 whose instances
//! serve several requests at once; in the node that has the port and in another one, with bodies that are here at once and with bodies that are not; so
//! they travel inside their messages between the nodes, and as streams. Every answer must be the one of
//! the case: status, fields, body, trailers, and how it ends.
//!
//! Three things are no part of an answer. `date` is one. Framing is another, as far as the guest has not
//! announced a length: whether the server knows it depends on how soon the body is whole, so it is checked
//! for being right, and not for being there. And HTTP/2 has no field for either version's framing.
//!
//! A node that gets no time from its machine for as long as makes it suspect is taken for one that is lost, and
//! calls and bodies that it has in hand end by that. So where one of the two nodes says that it has not heard the other
//! one meanwhile, the exchange says nothing of its path, and is made once more.
//!
//! What needs a connection of raw bytes, or a client that leaves, is in [`sockets`]; what is asked of a
//! component that is still being compiled, in [`starting`]; of a component whose objects are in another
//! node, or in its own, in [`objects`]; and what peers say and hear, in [`websockets`].

#![cfg(test)]

mod answer;
mod case;
mod cases;
mod lattice;
mod objects;
mod paths;
mod sockets;
mod starting;
mod websockets;

use futures::{StreamExt, stream};

use case::Case;
use lattice::Lattice;
use paths::{Path, Place};

/// Exchanges at a time: two cores have enough to do with them.
const AT_A_TIME: usize = 12;
/// How often an exchange is made once more.
const AGAIN_MAX: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_has_one_answer_on_every_path() -> anyhow::Result<()> {
    let lattice = Lattice::shared().await?;
    let cases = cases::all();
    let runs = cases
        .iter()
        .flat_map(|case| Path::all().map(move |path| (case, path)))
        .filter(|(case, path)| case.is_for(path.guest));
    let lattice = &*lattice;
    let outcomes: Vec<_> = stream::iter(runs)
        .map(|(case, path)| async move {
            let outcome = checked(lattice, case, path).await;
            outcome.map_err(|told| format!("{}, {path}: {told}", case.name))
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let total = outcomes.len();
    let again: usize = outcomes.iter().flatten().sum();
    let mut wrong: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    println!(
        "{} cases, {total} exchanges, {} wrong; {again} were made once more, as a node was silent",
        cases.len(),
        wrong.len()
    );
    wrong.sort_unstable();
    let logs = lattice.logs().join("\n");
    let broken = logs.lines().filter(|line| line.contains("broke off"));
    anyhow::ensure!(
        wrong.is_empty(),
        "{}\n{}",
        wrong.join("\n"),
        broken.collect::<Vec<_>>().join("\n")
    );
    Ok(())
}

/// Runs a case on a path; how often it was made once more.
async fn checked(lattice: &Lattice, case: &Case, path: Path) -> Result<usize, String> {
    let mut again = 0;
    loop {
        let before = lattice.hearing();
        let Err(told) = case.check(lattice, path).await else {
            return Ok(again);
        };
        let is_lost = path.place == Place::There && lattice.was_silent_since(&before).await;
        if !is_lost || again == AGAIN_MAX {
            return Err(told);
        }
        again += 1;
    }
}
