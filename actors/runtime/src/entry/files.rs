//! Files of a node, which no manifest names.
//!
//! Whoever writes a manifest is not who runs the node: a path in it would hand the credentials of the
//! node, or of anybody on it, to whatever address stands beside it.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{Referred, SettingsError};

/// Refuses settings that name a file by themselves. `files` are those that do, and `referred` those
/// whose values come from references. A list may be a reference in part, so none is taken; and a vault is
/// filled by those who write manifests.
pub(super) fn refuse_named<'a>(
    files: impl IntoIterator<Item = &'a str>,
    table: &Table,
    referred: &BTreeMap<String, Referred>,
) -> Result<(), SettingsError> {
    for field in files {
        let message = match (table.get(field), referred.get(field)) {
            (None, None | Some(Referred::Variable(_)))
            | (Some(Value::String(_)), Some(Referred::Variable(_))) => continue,
            (Some(Value::Array(_)), _) => {
                "a manifest names no files of a node: leave it out, and the node's operator sets its \
                 variable and lets it through (--allow-env)"
            }
            (None | Some(_), _) => {
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
        let variable = || Referred::Variable("PATH".to_owned());
        let secret = || Referred::Secret("a secret".to_owned());
        for (text, (referred, source), is_refused) in [
            ("url = 'nats://a'", ("", variable()), false),
            ("key = '/etc/shadow'", ("", variable()), true),
            ("key = '/run/key'", ("key", variable()), false),
            ("key = '/etc/shadow'", ("other", variable()), true),
            ("keys = ['/etc/shadow']", ("", variable()), true),
            // One of its items may be the manifest's own.
            (
                "keys = ['/etc/shadow', '/run/key']",
                ("keys", variable()),
                true,
            ),
            ("key = '/run/key'", ("key", secret()), true),
            // As when a manifest is checked: its value is not known.
            ("", ("key", variable()), false),
            ("", ("key", secret()), true),
        ] {
            let table: Table = text.parse().expect("TOML");
            let referred = BTreeMap::from([(referred.to_owned(), source)]);
            let refused = refuse_named(["key", "keys"], &table, &referred);
            assert_eq!(refused.is_err(), is_refused, "{text} {referred:?}");
        }
    }
}
