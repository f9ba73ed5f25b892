//! What is refused before a database hears of it.

use crate::native::{
    scan::first_words,
    value::{check_shape, row_bytes},
};
use crate::{
    Command, Limit, Scalar, SqlError, Value,
    limits::{PARAMETER_BYTES_MAX, PARAMETERS_MAX, STATEMENT_BYTES_MAX},
};

/// Transactions, which have operations of their own.
const OF_TRANSACTIONS: &[&str] = &[
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ABORT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
];

/// What changes a session, which belongs to nobody for long, or leaves the order of question and answer.
const OF_SESSIONS: &[&str] = &[
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "DISCARD",
    "RESET",
    "LISTEN",
    "UNLISTEN",
    "COPY",
    "LOAD",
    "ATTACH",
    "DETACH",
];

/// What `SET` may say: for one transaction.
const SET_FOR_A_TRANSACTION: &[&str] = &["LOCAL", "CONSTRAINTS", "TRANSACTION"];

/// Refuses a statement that cannot be run here.
pub(crate) fn check(command: &Command) -> Result<(), SqlError> {
    check_all(std::slice::from_ref(command))
}

/// Refuses statements that cannot be run here together.
pub(crate) fn check_all(commands: &[Command]) -> Result<(), SqlError> {
    let mut bytes = 0;
    for Command { text, parameters } in commands {
        check_text(text)?;
        Limit::Parameters.check(parameters.len(), PARAMETERS_MAX)?;
        bytes += row_bytes(parameters);
        Limit::ParameterBytes.check(bytes, PARAMETER_BYTES_MAX)?;
        for parameter in parameters {
            match parameter {
                Value::Array(array) => {
                    check_shape(array)?;
                    array.elements.iter().try_for_each(check_scalar)?;
                }
                Value::Scalar(scalar) => check_scalar(scalar)?,
            }
        }
    }
    Ok(())
}

/// Not every database keeps a text with a zero byte.
fn check_scalar(scalar: &Scalar) -> Result<(), SqlError> {
    let text = match scalar {
        Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Uuid(text) | Scalar::Json(text) => {
            text
        }
        Scalar::Other(other) => &other.text,
        _ => return Ok(()),
    };
    match text.contains('\0') {
        false => Ok(()),
        true => Err(SqlError::refused("22021", "a text has no zero bytes")),
    }
}

/// Refuses a text that cannot be run here.
pub(crate) fn check_text(text: &str) -> Result<(), SqlError> {
    Limit::StatementBytes.check(text.len(), STATEMENT_BYTES_MAX)?;
    if text.contains('\0') {
        return Err(SqlError::refused("22021", "a statement has no zero bytes"));
    }
    let (first, second) = first_words(text);
    let first = first.as_str();
    if OF_TRANSACTIONS.contains(&first) {
        let words =
            format!("{first}: a transaction is begun and ended by the interface's own functions");
        return Err(SqlError::misused(&words));
    }
    let is_set = first == "SET" && !SET_FOR_A_TRANSACTION.contains(&second.as_str());
    if is_set || OF_SESSIONS.contains(&first) {
        let words = format!(
            "{first}: a connection is kept for no longer than a statement or a transaction"
        );
        return Err(SqlError::misused(&words));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_a_connection_is_refused() {
        for (text, is_legal) in [
            ("select 1", true),
            ("set local a = 1", true),
            ("SET CONSTRAINTS all deferred", true),
            ("set a = 1", false),
            ("set session a = 1", false),
            ("; begin", false),
            ("/* */ commit", false),
            ("copy a from stdin", false),
            ("listen a", false),
            ("end", false),
            ("select 'begin'", true),
            ("select '\0'", false),
        ] {
            assert_eq!(check_text(text).is_ok(), is_legal, "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let large = "x".repeat(STATEMENT_BYTES_MAX + 1);
        let many = vec![Value::from(1); PARAMETERS_MAX + 1];
        let bytes = vec![Value::from(vec![0; PARAMETER_BYTES_MAX])];
        for (command, expected) in [
            (Command::new(&large, []), Limit::StatementBytes),
            (Command::new("x", many), Limit::Parameters),
            (Command::new("x", bytes), Limit::ParameterBytes),
        ] {
            let Err(SqlError::OverLimit { limit, .. }) = check(&command) else {
                panic!("it is taken");
            };
            assert_eq!(limit, expected);
        }
    }
}
