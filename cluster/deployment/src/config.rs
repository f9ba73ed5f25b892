//! A provider's configuration, with references in place of secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A table of settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Config(pub BTreeMap<String, ConfigValue>);

/// One setting.
///
/// `{ env = "REDIS_URL" }` is a reference: a table with nothing but `env` in it. That makes such a
/// table unavailable as a plain value, in exchange for one spelling in TOML and JSON alike.
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
    /// The value of a variable in the environment of the node that runs the provider.
    Reference(Reference),
    /// Settings within settings.
    Table(Config),
}

/// Where a value is found at the node that needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// A variable of the node's environment.
    pub env: String,
}

/// A reference to a variable that the node does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{field} refers to the environment variable {variable}, which this node does not have, or does \
     not let apps see: set it where the node is started, and name it with --allow-env"
)]
pub struct MissingSecret {
    /// The setting.
    pub field: String,
    /// The variable.
    pub variable: String,
}

impl Config {
    /// The settings with each reference replaced by what `lookup` knows of it.
    ///
    /// # Errors
    /// The first reference of which it knows nothing.
    pub fn resolve(
        &self,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<toml::Table, MissingSecret> {
        resolve_table(self, "config", lookup)
    }

    /// The top-level settings that are references or have some in them, so that their values are not
    /// known yet; each with the first variable that it refers to.
    #[must_use]
    pub fn references(&self) -> BTreeMap<String, String> {
        let referring = |(field, value): (&String, &ConfigValue)| {
            Some((field.clone(), value.first_reference()?.to_owned()))
        };
        self.0.iter().filter_map(referring).collect()
    }
}

impl ConfigValue {
    fn first_reference(&self) -> Option<&str> {
        match self {
            Self::Reference(reference) => Some(&reference.env),
            Self::Array(values) => values.iter().find_map(Self::first_reference),
            Self::Table(table) => table.0.values().find_map(Self::first_reference),
            Self::Boolean(_) | Self::Integer(_) | Self::Float(_) | Self::Text(_) => None,
        }
    }
}

fn resolve_table(
    config: &Config,
    field: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
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
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<toml::Value, MissingSecret> {
    Ok(match value {
        ConfigValue::Boolean(value) => toml::Value::Boolean(*value),
        ConfigValue::Integer(value) => toml::Value::Integer(*value),
        ConfigValue::Float(value) => toml::Value::Float(*value),
        ConfigValue::Text(value) => toml::Value::String(value.clone()),
        ConfigValue::Reference(Reference { env }) => {
            let missing = || MissingSecret {
                field: field.to_owned(),
                variable: env.clone(),
            };
            toml::Value::String(lookup(env).ok_or_else(missing)?)
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

    #[test]
    fn references_stay_references_until_they_are_resolved() {
        let text = r#"{"pool":{"size":3},"urls":["a",{"env":"B"}],"ratio":0.5,"tls":true}"#;
        let config = config(text);
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"pool":{"size":3},"ratio":0.5,"tls":true,"urls":["a",{"env":"B"}]}"#
        );
        let resolved = config
            .resolve(&|name| (name == "B").then(|| "b".to_owned()))
            .unwrap();
        assert_eq!(resolved["urls"].to_string(), r#"["a", "b"]"#);
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
        assert_eq!(missing.field, "config.auth.password");
        assert_eq!(missing.variable, "PASSWORD");
    }
}
