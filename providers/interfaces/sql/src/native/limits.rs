//! Every limit of the interface.

/// The text of a statement.
pub const STATEMENT_BYTES_MAX: usize = 256 * 1024;
/// Parameters of a statement.
pub const PARAMETERS_MAX: usize = 32_766;
/// What the parameters of a statement take, or those of a batch together.
pub const PARAMETER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Statements of a batch.
pub const BATCH_COMMANDS_MAX: usize = 1000;
/// What the rows take that are answered at once; more goes as a stream.
pub const RESULT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What the names of columns take in all, where a package has them in each row.
pub const NAMES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What one row of a stream takes.
pub const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;
/// After which a piece of a stream is sent.
pub const PIECE_BYTES: usize = 32 * 1024;
/// Rows of a stream that a guest is given at once, however many it asks for.
pub const READ_ROWS_MAX: usize = 10_000;
/// The name of a savepoint.
pub const SAVEPOINT_BYTES_MAX: usize = 63;
/// Databases, statements, streams and transactions that one instance holds as resources.
pub const HANDLES_MAX: usize = 256;
/// Each text of an error that a database gave.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;
/// How long a transaction that nobody holds any more waits to be rolled back, before its time does it.
pub const ABANDONED_ROLLBACK_MAX: std::time::Duration = std::time::Duration::from_secs(5);
