//! What a node binary is made of, as a value: packages, backends, and the traits by which others add
//! theirs.
//!
//! ```text
//! interface crate ── Host ─────────────┐
//! backend crate ─── Backend, Serves ───┼──> Runtime ──> node, manifest's check, command line
//!               └── Server (calls)  ───┘
//! ```
//!
//! Invariants:
//! - there is no global table: what a program knows of packages and backends is the [`Runtime`] that
//!   it was given;
//! - settings come from the manifest, else from the part of the environment that the node's operator
//!   lets through, else from a default ([`FromEnv`]); a message never quotes a secret;
//! - one kind of provider: a backend offers interfaces, calls components, or does both.
//!
//! Start reading at [`Backend`], then [`Serves`] and [`Runtime`].

mod address;
mod backend;
mod capacity;
mod dead_letters;
mod deployments;
mod entry;
mod jobs;
mod ownership;
mod record;
mod runtime;
mod secrets;
mod server;
mod settings;
mod siblings;
mod state;
mod subscriptions;
mod value_macro;

pub use address::ServiceAddress;
pub use backend::{ADDRESS_SETTING, Backend, DEDUPLICATION_SETTING, InProcess};
pub use capacity::{Capacity, Reports, Vacancy};
pub use dead_letters::{
    DeadLetter, DeadLetterError, DeadLetterPage, DeadLetters, DeadLettersInterface, OpenedLetter,
    PAGE_LETTERS_MAX, SHOWN_BYTES_MAX, short,
};
pub use deployments::{Deployment, Deployments};
pub use entry::{
    BackendClose, BackendEntry, BackendProbe, Complaint, ConnectFailure, Connected, Entry, Facts,
    Serves, ServicePermissions, StartServing, Usage,
};
pub use jobs::{JobError, Jobs, JobsInterface};
pub use ownership::{Alone, Owned, Ownership, Term};
pub use record::{NOTE_BYTES_MAX, Note, Record, RecordError};
pub use runtime::{Bundle, Runtime, RuntimeBuilder, RuntimeError};
pub use secrets::{Secrets, SecretsError, SecretsInterface};
pub use server::{SelectionError, Server, ServerLoad, Serving, Target};
pub use settings::{
    Environment, FromEnv, NoSettings, Referred, Setting, Settings, SettingsError, check_range,
    no_environment,
};
pub use siblings::Siblings;
pub use state::{LatticeState, State};
pub use subscriptions::{Subscriptions, SubscriptionsInterface};
