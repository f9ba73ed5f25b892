//! What every provider of the interface does, as code: one suite, run over the in-memory provider, over
//! the generated client and dispatcher, over each backend, and over a backend behind the bus.
//!
//! ```no_run
//! # async fn connect() -> wrt_blobstore::BlobstoreDefault { Default::default() }
//! # async fn example() {
//! wrt_blobstore::conformance::run(std::sync::Arc::new(connect().await)).await;
//! # }
//! ```
//!
//! Each case has containers of its own, with a random part in their names, and removes them when it has
//! passed; so the suite may run several times at once on a service that others use. Its largest object has
//! 16 MiB; for more there is [`round_trip`].

mod containers;
mod copies;
mod fixture;
mod listings;
mod names;
mod objects;
mod ranges;
mod writers;

use std::sync::Arc;

use wrt_conformance::run_cases;
use wrt_contract::CallContext;

use self::fixture::Fixture;
use crate::{Blobstore, ObjectId};

/// One thing that a provider does.
type Case = wrt_conformance::Case<Fixture>;

/// Runs every case, one after the other.
///
/// # Panics
/// When one has failed, after all have run: with the name and the reason of each that did.
pub async fn run(store: Arc<dyn Blobstore>) {
    run_without(store, &[]).await;
}

/// Runs every case but those of these names: what a service is known not to do, or to take too long for.
///
/// # Panics
/// As [`run`], and when there is no case of one of these names.
pub async fn run_without(store: Arc<dyn Blobstore>, without: &[&str]) {
    let cases = [
        containers::CASES,
        objects::CASES,
        ranges::CASES,
        copies::CASES,
        names::CASES,
        listings::CASES,
        writers::CASES,
    ];
    let cases = cases.into_iter().flatten();
    for name in without {
        let is_known = cases.clone().any(|case| case.name == *name);
        assert!(is_known, "there is no case {name}");
    }
    let cases = cases.filter(|case| !without.contains(&case.name));
    let fixture = |case| Fixture::new(case, Arc::clone(&store));
    run_cases(cases, fixture).await;
}

/// Writes an object of any size and reads it back, every byte compared and nothing gathered.
///
/// # Panics
/// When something fails, or a byte is another one.
pub async fn round_trip(
    store: Arc<dyn Blobstore>,
    context: &CallContext,
    object: &ObjectId,
    size_bytes: u64,
) {
    let body = fixture::pattern(size_bytes);
    let written = store.write_data(context, object, body).await;
    written.unwrap_or_else(|error| panic!("write {object}: {error}"));
    let read = store
        .get_data(context, object, crate::ByteRange::WHOLE)
        .await;
    let read = read.unwrap_or_else(|error| panic!("read {object}: {error}"));
    assert_eq!(read.length(), Some(size_bytes));
    fixture::compare(read, 0..size_bytes).await;
}
