//! Files of a node, which no manifest names.
//!
//! Whoever writes a manifest is not who runs the node: a path in it would hand the credentials of the
//! node, or of anybody on it, to whatever address stands beside it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::SettingsError;

/// Refuses settings that name a file by themselves. `files` are those that do, and `referred` those
/// whose values came from references. A list may be a reference in part, so none is taken.
pub(super) fn refuse_named<'a>(
    files: impl IntoIterator<Item = &'a str>,
    table: &Table,
    referred: &BTreeSet<String>,
) -> Result<(), SettingsError> {
    for field in files {
        let message = match table.get(field) {
            None => continue,
            Some(Value::String(_)) if referred.contains(field) => continue,
            Some(Value::Array(_)) => {
                "a manifest names no files of a node: leave it out, and the node's operator sets its \
                 variable and lets it through (--allow-env)"
            }
            Some(_) => {
                "a manifest names no file of a node: refer to a variable with its path, \
                 { env = \"NAME\" }, that the node's operator lets through (--allow-env)"
            }
        };
        return Err(SettingsError::Value {
            field: field.to_owned(),
            message: message.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_from_the_operator() {
        for (text, referred, is_refused) in [
            ("url = 'nats://a'", "", false),
            ("key = '/etc/shadow'", "", true),
            ("key = '/run/key'", "key", false),
            ("key = '/etc/shadow'", "other", true),
            ("keys = ['/etc/shadow']", "", true),
            // One of its items may be the manifest's own.
            ("keys = ['/etc/shadow', '/run/key']", "keys", true),
        ] {
            let table: Table = text.parse().expect("TOML");
            let referred = BTreeSet::from([referred.to_owned()]);
            let refused = refuse_named(["key", "keys"], &table, &referred);
            assert_eq!(refused.is_err(), is_refused, "{text} {referred:?}");
        }
    }
}
