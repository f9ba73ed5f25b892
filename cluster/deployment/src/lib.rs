//! What shall run, and where: manifests, placement, and the desired state in JetStream.
//!
//! ```text
//! app.toml ── Manifest::read ──> Manifest ── check(Catalog) ──> DesiredApp ── Store ──> every node
//!                                                                   │
//!                             members, cordons ── place() <────────┘ each node, for itself
//! ```
//!
//! Invariants:
//! - this crate starts nothing and reads no file and no environment: whoever calls it does;
//! - a manifest is checked as a whole, and every problem is told with its place and what to do;
//! - what a provider is set to and what it calls components for is its backend's business: this crate
//!   passes it on, untouched, and believes what the backend tells of it ([`ProviderFacts`]);
//! - [`place`] is pure: from the same desired state and members every node works out the same shares;
//! - a stored app carries no secret: a reference to the environment stays a reference until the node
//!   that runs the provider resolves it;
//! - silence is no order: a bucket that is lost, empty, unreadable or behind changes nothing that runs
//!   ([`Known`]);
//! - nothing waits for JetStream without a limit.
//!
//! How limits and settings are spelled, here and wherever else a number is written by a user or stored:
//! what may be taken is what it bounds, then its unit, then `max`: `memory_bytes_max`, `wall_time_ms_max`;
//! a count has no unit: `concurrency_max`. How long another is waited for is a timeout:
//! `connect_timeout_ms`. Every other number ends with its unit: `deduplicate_for_ms`. Times are whole
//! milliseconds, sizes are bytes. In code a time is a `Duration`, whose name has no unit. A test of the
//! house rules knows the ways in which this has been spelled otherwise.
//!
//! Start reading at [`Manifest`], then [`DesiredApp`], [`place`] and [`Store`].

mod catalog;
mod check;
mod config;
mod desired;
mod difference;
mod digest;
mod known;
mod lease;
pub mod limits;
mod linked;
mod manifest;
mod permissions;
mod placement;
mod problem;
mod store;
mod suggestion;

pub use catalog::{
    BackendInfo, Catalog, ComplaintAbout, ComponentSource, ImportServer, ProviderComplaint,
    ProviderFacts, SourceComplaint,
};
pub use check::{Checked, Scope, addresses_clash};
pub use config::{
    Config, ConfigValue, MissingSecret, Reference, SECRETS, SecretReference, VariableReference,
};
pub use desired::{
    DESIRED_VERSION, DESIRED_VERSION_MAX, DesiredApp, DesiredComponent, DesiredError,
    DesiredProvider, DesiredTarget, LinkEnd, LinkTable,
};
pub use difference::{Change, Difference, differences};
pub use digest::{Digest, DigestError};
pub use known::{Known, Snapshot, node_of_key};
pub use lease::{Lease, LeaseRecord, LeaseTimes, Step as LeaseStep, Stored as StoredLease};
pub use linked::missing_link;
pub use manifest::{
    ComponentManifest, LinkManifest, Manifest, ProviderManifest, SettingsManifest, TargetManifest,
};
pub use permissions::{Permissions, PermissionsOf};
pub use placement::{
    Capacity, Cordon, Cordons, Drain, Explanation, Lack, OWN_LABELS, PlacedMember, Placement,
    PlacementRule, Refusal, Resource, Room, Shortage, Standing, TurnedDown, Verdict, cordoned,
    drained, explain, next_for, place,
};
pub use problem::{Problem, ProblemKind, Problems, Span};
pub use store::{
    BucketId, Collected, Download, Entry, Grant, Leases, NoteWritten, PastApp, Pushed, Reading,
    Removed, Revision, Sight, Store, StoreError, StoredApp, StoredAt, StoredCordon, StoredNote,
};
pub use suggestion::nearest;
