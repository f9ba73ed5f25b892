//! `wasi:blobstore` on the lattice: objects of any length, in containers, read and written as streams.
//!
//! ```text
//! guest's stream ── OutgoingValue ──> Body ── write_data ──> provider
//! guest's stream <── IncomingValue <── Body <── get_data ─── provider
//! ```
//!
//! What the WIT leaves open, and every provider here does:
//! - a container that is made and is there already stays as it is, with all that is in it;
//! - removing what is not there is no error, neither of objects nor of containers; whatever else is asked
//!   of a container that is not there is one;
//! - a range is two offsets, both included; it ends where the object ends, and of bytes behind the object
//!   there are none. A range that ends before it begins is an error;
//! - an object is what it was before until a new one is complete, whoever reads meanwhile reads the one
//!   that was there when its reading began, and nothing else is ever read. How long bytes that were
//!   replaced or removed are kept for who still reads them is the provider's to say; where they are gone, the
//!   reading ends with an error;
//! - a write is complete when the guest has finished its value: a guest that drops it or traps, a writer
//!   whose node dies or stands still, a call whose time is over leave nothing behind that can be seen;
//! - a listing names each object that is there from its beginning to its end, and may name others that
//!   were there at some time meanwhile; an object that is replaced meanwhile may be named twice;
//! - an object that is copied or moved to where it is stays what it is.
//!
//! What is each provider's own:
//!
//! | | `memory` | `nats` | `mongodb` |
//! |---|---|---|---|
//! | bytes that were replaced or removed stay for who reads them | until they are read | for `unnamed_bytes_kept_for_ms` | for `unnamed_bytes_kept_for_ms`, the last 256 that an object had |
//! | bounded by | `object_bytes_max`, what is being read among it | the server's room, and `buckets_max` containers | the server's room |
//! | a copy | shares its bytes | shares its bytes within a container, and takes as much room again in another | takes as much room again, and time |
//! | a listing goes | by when objects came to be: each once | by when they were written: one that is replaced meanwhile may come twice | by numbers that they got when they came to be: each once |
//! | a container that is removed | is still read to the end by who reads of it | breaks off for who reads of it | is still read for `unnamed_bytes_kept_for_ms` |
//! | others see its objects | - | as an object store of NATS, `nats object ls`; who removes an object by such tools takes the bytes of its copies along | as files of GridFS, `<container>/<object>`, what they were lately among them; to remove and to write is the provider's alone |
//!
//! Invariants:
//! - bytes are never gathered, neither on the guest's node nor on the provider's: a body's own bounds
//!   hold all the way, but for a guest that asks for all at once (`incoming-value-consume-sync`);
//! - names are any text within their limits, and none is special; the empty name is an error;
//! - each limit is in [`limits`], and every provider refuses the same things with the same error;
//! - a failure of the lattice never traps a guest.
//!
//! Start reading at [`Blobstore`].
//!
//! Built for `wasm32` the crate is the other side: what a guest calls, and none of the above.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
mod guest;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
mod native;

#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use guest::*;
#[cfg(not(any(target_arch = "wasm32", wrt_guest)))]
pub use native::*;
