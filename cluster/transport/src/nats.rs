//! The bus between machines. Follows in the next commit.

/// Options of [`Nats`].
#[derive(Debug)]
pub struct NatsOptions;

/// A connection to NATS.
#[derive(Debug)]
pub struct Nats;
