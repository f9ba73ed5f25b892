//! Every limit of the interface. Names, scopes and tokens check themselves: when they are made, and when they
//! are decoded.

use std::time::Duration;

/// An identity's name.
pub const IDENTITY_BYTES_MAX: usize = 64;
/// A scope.
pub const SCOPE_BYTES_MAX: usize = 512;
/// Scopes of one token.
pub const SCOPES_MAX: usize = 32;
/// A token.
pub const TOKEN_BYTES_MAX: usize = 32 * 1024;
/// Tokens that a provider keeps; beyond it the one that ends first is forgotten.
pub const TOKENS_KEPT_MAX: usize = 1024;
/// A token is asked for anew when it is good for no longer than that, or than a quarter of its life.
pub const REFRESH_BEFORE_END: Duration = Duration::from_secs(300);
/// How long a caller waits for the new token while the old one is still good.
pub const REFRESH_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long one request for a token may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The life of a token of which nobody says how long it is good.
pub const LIFE_UNTOLD: Duration = Duration::from_secs(60);
/// An answer of who gives tokens.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Text of an error that a service gave.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;
/// The longest life of a token that is believed; one that is good for longer is asked for anew.
pub const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
