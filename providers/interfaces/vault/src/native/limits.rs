//! Every limit of the interface. Names and values check themselves: when they are made, and when they are
//! decoded.

/// A locker's name.
pub const LOCKER_BYTES_MAX: usize = 64;
/// A secret's name.
pub const NAME_BYTES_MAX: usize = 256;
/// A value. A vault whose service takes less says so with the same error,
/// [`Limit::ValueBytes`](crate::Limit::ValueBytes).
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// A value that every vault takes, whatever its service.
pub const VALUE_BYTES_PORTABLE: usize = 16 * 1024;
/// A version, as text.
pub const VERSION_BYTES_MAX: usize = 128;
/// A cursor, as text.
pub const CURSOR_BYTES_MAX: usize = 4096;
/// Names of a page.
pub const PAGE_NAMES_MAX: usize = 250;
/// Values of a secret that each vault keeps.
pub const VERSIONS_KEPT: usize = 16;
/// Versions of a secret that are told.
pub const VERSIONS_MAX: usize = 1000;
/// Text of an error that a service gave.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;
