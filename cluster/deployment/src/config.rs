//! A provider's configuration, with references in place of secrets.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use wrt_protocol::{InterfaceName, Name};

/// What a provider offers that settings can refer to as a vault.
pub const SECRETS: InterfaceName = InterfaceName::from_static("wrt:secrets");

/// A table of settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Config(pub BTreeMap<String, ConfigValue>);

/// One setting.
///
/// `{ env = "REDIS_URL" }` is a reference: a table with nothing but `env` in it. So is
/// `{ vault = "secrets", secret = "redis/url" }`, with or without a `locker`. That makes such tables
/// unavailable as plain values, in exchange for one spelling in TOML and JSON alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConfigValue {
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    // Before the reference: serde reads a struct of one field also from a list of one value.
    /// Several values.
    Array(Vec<ConfigValue>),
    /// A value that is found when the provider connects, on its node.
    Reference(Reference),
    /// Settings within settings.
    Table(Config),
}

/// Where a value is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reference {
    /// In the environment of the node that runs the provider.
    Variable(VariableReference),
    /// In a vault.
    Secret(SecretReference),
}

/// A variable of the node's environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableReference {
    /// Its name.
    pub env: String,
}

/// A secret that a provider of the same app keeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// The provider, which offers [`SECRETS`].
    pub vault: Name,
    /// In which of its lockers; none stands for that which guests get where they name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker: Option<String>,
    /// Its name.
    pub secret: String,
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vault,
            locker,
            secret,
        } = self;
        write!(f, "secret {secret:?}")?;
        if let Some(locker) = locker {
            write!(f, " of locker {locker:?}")?;
        }
        write!(f, " of vault `{vault}`")
    }
}

/// A reference to what is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingSecret {
    /// A variable that the node does not have.
    #[error(
        "{field} refers to the environment variable {variable}, which this node does not have, or \
         does not let apps see: set it where the node is started, and name it with --allow-env"
    )]
    Variable {
        /// The setting.
        field: String,
        /// The variable.
        variable: String,
    },
    /// A secret that its vault does not have.
    #[error("{field} refers to {secret}, which is not there: set it, and it is read")]
    Secret {
        /// The setting.
        field: String,
        /// Which.
        secret: SecretReference,
    },
}

impl MissingSecret {
    fn of(field: &str, reference: &Reference) -> Self {
        let field = field.to_owned();
        match reference {
            Reference::Variable(VariableReference { env }) => Self::Variable {
                field,
                variable: env.clone(),
            },
            Reference::Secret(secret) => Self::Secret {
                field,
                secret: secret.clone(),
            },
        }
    }
}

impl Config {
    /// The settings with each reference replaced by what `lookup` knows of it.
    ///
    /// # Errors
    /// The first reference of which it knows nothing.
    pub fn resolve(
        &self,
        lookup: &dyn Fn(&Reference) -> Option<String>,
    ) -> Result<toml::Table, MissingSecret> {
        resolve_table(self, "config", lookup)
    }

    /// The top-level settings that are references or have some in them, so that their values are not
    /// known yet; each with the first thing that it refers to.
    #[must_use]
    pub fn references(&self) -> BTreeMap<String, Reference> {
        let referring = |(field, value): (&String, &ConfigValue)| {
            let first = value.references().into_iter().next()?;
            Some((field.clone(), first.clone()))
        };
        self.0.iter().filter_map(referring).collect()
    }

    /// The secrets that are referred to, each with its top-level setting.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &SecretReference)> {
        self.0.iter().flat_map(|(field, value)| {
            let references = value.references().into_iter();
            references.filter_map(move |reference| match reference {
                Reference::Secret(secret) => Some((field.as_str(), secret)),
                Reference::Variable(_) => None,
            })
        })
    }
}

impl ConfigValue {
    fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Reference(reference) => vec![reference],
            Self::Array(values) => values.iter().flat_map(Self::references).collect(),
            Self::Table(table) => table.0.values().flat_map(Self::references).collect(),
            Self::Boolean(_) | Self::Integer(_) | Self::Float(_) | Self::Text(_) => Vec::new(),
        }
    }
}

fn resolve_table(
    config: &Config,
    field: &str,
    lookup: &dyn Fn(&Reference) -> Option<String>,
) -> Result<toml::Table, MissingSecret> {
    let resolve_entry = |(key, value): (&String, &ConfigValue)| {
        let value = resolve_value(value, &format!("{field}.{key}"), lookup)?;
        Ok((key.clone(), value))
    };
    config.0.iter().map(resolve_entry).collect()
}

fn resolve_value(
    value: &ConfigValue,
    field: &str,
    lookup: &dyn Fn(&Reference) -> Option<String>,
) -> Result<toml::Value, MissingSecret> {
    Ok(match value {
        ConfigValue::Boolean(value) => toml::Value::Boolean(*value),
        ConfigValue::Integer(value) => toml::Value::Integer(*value),
        ConfigValue::Float(value) => toml::Value::Float(*value),
        ConfigValue::Text(value) => toml::Value::String(value.clone()),
        ConfigValue::Reference(reference) => {
            let missing = || MissingSecret::of(field, reference);
            toml::Value::String(lookup(reference).ok_or_else(missing)?)
        }
        ConfigValue::Array(values) => {
            let resolved = values
                .iter()
                .map(|value| resolve_value(value, field, lookup));
            toml::Value::Array(resolved.collect::<Result<_, _>>()?)
        }
        ConfigValue::Table(table) => toml::Value::Table(resolve_table(table, field, lookup)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    fn variable(name: &str) -> Reference {
        Reference::Variable(VariableReference {
            env: name.to_owned(),
        })
    }

    #[test]
    fn references_stay_references_until_they_are_resolved() {
        let text = r#"{"pool":{"size":3},"urls":["a",{"env":"B"}],"ratio":0.5,"tls":true}"#;
        let config = config(text);
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"pool":{"size":3},"ratio":0.5,"tls":true,"urls":["a",{"env":"B"}]}"#
        );
        let resolved = config
            .resolve(&|reference| (*reference == variable("B")).then(|| "b".to_owned()))
            .unwrap();
        assert_eq!(resolved["urls"].to_string(), r#"["a", "b"]"#);
    }

    #[test]
    fn a_secret_is_told_by_its_vault_its_locker_and_its_name() {
        let text = r#"{"auth":[{"secret":"a/b","vault":"v"},{"env":"X"}],"plain":{"vault":"v"}}"#;
        let config = config(text);
        assert_eq!(
            config
                .secrets()
                .map(|it| it.1.to_string())
                .collect::<Vec<_>>(),
            [r#"secret "a/b" of vault `v`"#]
        );
        assert_eq!(
            config.references().len(),
            1,
            "what is no reference is a table"
        );
        let missing = config.resolve(&|_| None).unwrap_err();
        assert_eq!(
            missing.to_string(),
            r#"config.auth refers to secret "a/b" of vault `v`, which is not there: set it, and it is read"#
        );
        let stored = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&stored).unwrap(), config);
    }

    /// It was read as the reference to a variable of that name, and the node's value went to the
    /// provider in its place.
    #[test]
    fn a_list_of_one_text_is_no_reference() {
        let config = config(r#"{"allow":["HOME"]}"#);
        let resolved = config.resolve(&|_| Some("/root".to_owned())).unwrap();
        assert_eq!(resolved["allow"].to_string(), r#"["HOME"]"#);
    }

    #[test]
    fn a_missing_variable_is_named_with_its_field() {
        let config = config(r#"{"auth":{"password":{"env":"PASSWORD"}}}"#);
        let missing = config.resolve(&|_| None).unwrap_err();
        let expected = MissingSecret::of("config.auth.password", &variable("PASSWORD"));
        assert_eq!(missing, expected);
    }
}
