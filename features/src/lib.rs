//! One set of features for the whole workspace; there is no code here.
//!
//! Cargo decides the features of a crate from outside anew for each set of packages that it is told to
//! build. What `cargo build --workspace` has built would then not do for `cargo test -p wrt-keyvalue`,
//! which needs, say, a `log` without `std` and so a wasmtime of its own: minutes, for each of our
//! crates. Those at the bottom of the workspace depend on this one, and so all ask for the same.
//!
//! Invariants:
//! - what is listed is in the node's tree without this crate too;
//! - for wasm32 nothing is listed.
