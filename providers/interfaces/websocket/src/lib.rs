//! `wrt:websocket` on the lattice: peers that come in by a server's routes, or that a component connects to, the
//! components that answer them, and messages to peers from any node.
//!
//! ```text
//! peer ──ws── listener ── PeerHandler ──> component      wrt:websocket/handler: the component exports it
//!                 ^                           |
//!                 +──── Peers, pinned ────────+          wrt:websocket: any component imports it
//!                 +──── PeersHere, pinned ──── the listener that was asked for all of a route
//! ```
//!
//! Who opens connections is a listener like one that peers come to: it has them in the same table, serves them with
//! the same [`Peer`] under the same settings, and calls the component of their route. Two things are different.
//! Nobody asks `open` whether such a peer comes in, and `Peers::connect`, which is not pinned, is answered by any
//! replica of the provider: that one has the socket from then on.
//!
//! A peer hangs on its listener: on the node that has its socket, and in that incarnation of it. Its id says so
//! ([`PeerId`]), and what is sent to it is pinned there. So it outlives the component, its restarts and its
//! node; and a listener that dies takes its peers along, of which nobody is told: what is sent to them is *gone*.
//! A listener that is only not heard may have been stopped, or cut off, and have its peers still: what is sent to
//! them meanwhile is *not sent*, or *maybe sent* where it was on its way, until that node has started anew or the
//! others have forgotten it, after a minute.
//!
//! | what | is promised |
//! |---|---|
//! | messages of a peer | handed over one at a time, in their order; of other peers at once |
//! | what follows a message | is looked at when the message has been handled, and what the handler has answered was sent; or after a second, so that an end, or a ping, does not wait for a slow handler |
//! | one that was *not executed* (full, starting, its node lost before it began) | handed over again, for `handler_patience_ms`; then the peer is closed with 1013 |
//! | one that ran and failed, or may have run | not handed over again; it is counted, and the peer stays |
//! | a peer whose component is slow | is not read from: that holds up nobody else |
//! | messages to a peer | in the order in which one caller queued them; *queued* says nothing of the peer's having them |
//! | a peer that reads slowly | has a queue, bounded in messages and bytes; when it is full the peer is closed with 1013 (try again later), and what was queued is dropped and counted |
//! | a peer that is silent | is pinged; without a sign of life after `ping_timeout_ms` its connection is dropped (1006) |
//! | a message that is too large | closes the peer that sent it with 1009 |
//! | a listener that stops, or is changed | closes its peers with 1012 (service restart) |
//! | a connection that is asked for | is open when the answer comes, and its peer can be sent to; or nothing is left of it, but where the provider's node was lost meanwhile |
//! | a peer that leaves while it is asked for | takes its request back: `open` is stopped, no `close` follows, and what is sent to it is *gone* |
//! | the end of a peer | `close` is called once as a rule, after its last message; again where a node was lost meanwhile; and not at all where the listener's own node died, or the component did not come back within `handler_patience_ms`, or within three seconds where the listener stops |
//!
//! Invariants:
//! - nobody waits for a peer: what cannot be queued at once ends the peer that has no room;
//! - nobody but the listener knows sockets, and no component keeps anything for a peer to stay;
//! - each limit is in [`limits`], and each drop has a counter ([`PeerCounts`]);
//! - a failure of the lattice never traps a guest;
//! - nobody connects again but the component: it alone knows what was said before, and what is to be said first.
//!
//! Start reading at [`PeerHandler`] and [`Peers`], then [`PeerTable`].
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
