//! Where a backend's settings come from: the manifest, the environment, a default; in that order.

mod described;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use confique::{
    Config, Layer,
    meta::{Expr, Field, FieldKind, LeafKind, Meta},
};
use toml::{Table, Value};

pub use described::Setting;

/// What is known of a variable of the environment; `None` where it is not set, or not for this reader.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Nobody's environment: what a manifest leaves out gets its default.
pub fn no_environment() -> Environment<'static> {
    &|_variable| None
}

/// Where the value of a field comes from that the manifest does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referred {
    /// This variable of the environment of the node that runs the provider, which its operator lets through.
    Variable(String),
    /// A secret that a vault of the app keeps: which one, in words.
    Secret(String),
}

impl fmt::Display for Referred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable) => write!(f, "env {variable}"),
            Self::Secret(secret) => f.write_str(secret),
        }
    }
}

/// A backend's settings as they were given, before they have types.
pub struct Settings<'a> {
    /// What the manifest says, references resolved.
    pub table: Table,
    /// Those of its fields whose values came from references: no message quotes them.
    pub referred: BTreeMap<String, Referred>,
    /// What fills in for fields that the manifest leaves out and that name a variable.
    pub environment: Environment<'a>,
    /// The app whose provider it is: what `{app}` stands for in a default. Nothing where there is none.
    pub app: &'a str,
}

impl<'a> Settings<'a> {
    /// Settings of the environment alone, as a node without a manifest has them.
    #[must_use]
    pub fn of_environment(environment: Environment<'a>) -> Self {
        Self {
            table: Table::new(),
            referred: BTreeMap::new(),
            environment,
            app: "",
        }
    }

    /// Settings of a manifest alone.
    #[must_use]
    pub fn of_table(table: Table) -> Self {
        Self {
            table,
            referred: BTreeMap::new(),
            environment: no_environment(),
            app: "",
        }
    }
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self::of_table(Table::new())
    }
}

/// Why settings are refused. Never holds a value that came from a reference or from the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A field that the backend does not have.
    #[error("there is no setting `{field}`; {help}")]
    Unknown {
        /// The field.
        field: String,
        /// Which there are.
        help: String,
    },
    /// A value of another type.
    #[error("`{field}`: {message}")]
    Value {
        /// The field.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// A variable whose text is no value of its field.
    #[error("the environment variable {variable} is set to what `{field}` cannot be")]
    Variable {
        /// The field.
        field: String,
        /// The variable.
        variable: String,
    },
    /// A field that must be given and is not.
    #[error("`{field}` is missing{}", or_variable(.variable.as_deref()))]
    Missing {
        /// The field.
        field: String,
        /// The variable that may give it where the environment counts.
        variable: Option<String>,
    },
    /// A value that others must know, and that comes from a variable of this node alone.
    #[error(
        "`{field}` comes from {variable}, which only this node knows: write {help} in the manifest"
    )]
    OnlyHere {
        /// The field.
        field: String,
        /// The variable.
        variable: String,
        /// What makes it known.
        help: String,
    },
    /// Values of which each is legal, and that do not go together.
    #[error("{message}")]
    Together {
        /// What is wrong.
        message: String,
    },
}

impl SettingsError {
    /// The field that it is about, if it is about one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Unknown { field, .. }
            | Self::Value { field, .. }
            | Self::Variable { field, .. }
            | Self::Missing { field, .. }
            | Self::OnlyHere { field, .. } => Some(field),
            Self::Together { .. } => None,
        }
    }
}

/// Holds a number of a field to its range.
///
/// # Errors
/// [`SettingsError::Value`] with the range.
pub fn check_range(
    field: &str,
    value: impl Into<u64>,
    range: RangeInclusive<u64>,
) -> Result<(), SettingsError> {
    let value = value.into();
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(SettingsError::Value {
        field: field.to_owned(),
        message: format!("{value} is out of range: {least} to {most}"),
    })
}

fn or_variable(variable: Option<&str>) -> String {
    variable.map_or_else(String::new, |variable| format!(": set it, or {variable}"))
}

/// Settings with types. Every `struct` under `#[derive(confique::Config)]` has it: doc comments
/// become its reference, `#[config(env = "REDIS_URL", default = "...")]` says the rest. In a default
/// `{app}` stands for the name of the app whose provider it is.
///
/// ```
/// use wrt_runtime::{FromEnv, Settings};
///
/// /// How to reach the service.
/// #[derive(Debug, confique::Config)]
/// struct ConnectOptions {
///     /// Where it is.
///     #[config(env = "GREETER_URL", default = "greeter://127.0.0.1")]
///     url: String,
///     /// Attempts before it is given up.
///     #[config(env = "GREETER_RETRIES", default = 3)]
///     retries: u32,
/// }
///
/// let environment = |variable: &str| (variable == "GREETER_RETRIES").then(|| "5".to_owned());
/// let table = toml::toml! { url = "greeter://elsewhere" };
/// let settings = Settings { table, environment: &environment, ..Settings::default() };
/// let options = ConnectOptions::load(settings)?;
/// assert_eq!((options.url.as_str(), options.retries), ("greeter://elsewhere", 5));
/// # Ok::<(), wrt_runtime::SettingsError>(())
/// ```
pub trait FromEnv: Sized + Send + 'static {
    /// Gives the settings their types: the manifest's value, else the environment's, else the default.
    ///
    /// # Errors
    /// The first field that is wrong or missing.
    fn load(settings: Settings<'_>) -> Result<Self, SettingsError>;

    /// Looks at what is known before references are resolved: names and types of the fields that are
    /// there. Absent ones may still come from elsewhere.
    ///
    /// # Errors
    /// The first field that is wrong.
    fn look_over(table: &Table) -> Result<(), SettingsError>;

    /// The names of its fields.
    fn fields() -> Vec<&'static str>;

    /// Its fields in words, in the order of the `struct`.
    fn described() -> Vec<Setting>;

    /// The variable that fills a field, if one does.
    fn variable(field: &str) -> Option<&'static str>;

    /// Reads the whole environment of this process; nothing else.
    ///
    /// # Errors
    /// As [`FromEnv::load`].
    fn from_env() -> Result<Self, SettingsError> {
        let environment = |variable: &str| std::env::var(variable).ok();
        Self::load(Settings::of_environment(&environment))
    }
}

/// The settings of a backend that has none.
#[derive(Debug, Config)]
pub struct NoSettings {}

impl<C: Config + Send + 'static> FromEnv for C {
    fn load(settings: Settings<'_>) -> Result<Self, SettingsError> {
        let Settings {
            table,
            referred,
            environment,
            app,
        } = settings;
        let meta = &C::META;
        let mut layer = layer_of::<C::Layer>(meta, &table, &referred)?;
        layer = layer.with_fallback(from_environment::<C::Layer>(meta, environment)?);
        layer = layer.with_fallback(of_the_app::<C::Layer>(meta, app)?);
        layer = layer.with_fallback(C::Layer::default_values());
        C::from_layer(layer).map_err(|error| explain(meta, &error))
    }

    fn look_over(table: &Table) -> Result<(), SettingsError> {
        layer_of::<C::Layer>(&C::META, table, &BTreeMap::new()).map(drop)
    }

    fn fields() -> Vec<&'static str> {
        C::META.fields.iter().map(|field| field.name).collect()
    }

    fn described() -> Vec<Setting> {
        C::META.fields.iter().map(Setting::of).collect()
    }

    fn variable(field: &str) -> Option<&'static str> {
        variable(&C::META, field)
    }
}

/// The fields of a table, one by one, so that each mistake has its field.
fn layer_of<L: Layer>(
    meta: &Meta,
    table: &Table,
    referred: &BTreeMap<String, Referred>,
) -> Result<L, SettingsError> {
    let mut layer = L::empty();
    for (field, value) in table {
        if !meta.fields.iter().any(|known| known.name == field) {
            return Err(unknown(meta, field));
        }
        let one = Table::from_iter([(field.clone(), value.clone())]);
        let one = L::deserialize(Value::Table(one)).map_err(|error| SettingsError::Value {
            field: field.clone(),
            message: match referred.contains_key(field) {
                true => "what the reference stands for is not of its type".to_owned(),
                false => error.message().to_owned(),
            },
        })?;
        layer = layer.with_fallback(one);
    }
    Ok(layer)
}

fn unknown(meta: &Meta, field: &str) -> SettingsError {
    let similarity = |known: &&Field| strsim::jaro_winkler(known.name, field);
    let nearest = meta
        .fields
        .iter()
        .filter(|known| similarity(known) > 0.8)
        .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    let names: Vec<&str> = meta.fields.iter().map(|known| known.name).collect();
    let help = match nearest {
        Some(nearest) => format!("did you mean `{}`?", nearest.name),
        None if names.is_empty() => "there are none".to_owned(),
        None => format!("there are: {}", names.join(", ")),
    };
    SettingsError::Unknown {
        field: field.to_owned(),
        help,
    }
}

fn from_environment<L: Layer>(
    meta: &Meta,
    environment: Environment<'_>,
) -> Result<L, SettingsError> {
    let mut layer = L::empty();
    for field in meta.fields {
        let FieldKind::Leaf {
            env: Some(variable),
            ..
        } = field.kind
        else {
            continue;
        };
        let Some(text) = environment(variable).filter(|text| !text.is_empty()) else {
            continue;
        };
        let readings = readings(&text).into_iter();
        let one = readings
            .map(|value| Table::from_iter([(field.name.to_owned(), value)]))
            .find_map(|table| L::deserialize(Value::Table(table)).ok())
            .ok_or_else(|| SettingsError::Variable {
                field: field.name.to_owned(),
                variable: variable.to_owned(),
            })?;
        layer = layer.with_fallback(one);
    }
    Ok(layer)
}

/// What `{app}` stands for in a default.
const APP: &str = "{app}";

/// The defaults that name the app.
fn of_the_app<L: Layer>(meta: &Meta, app: &str) -> Result<L, SettingsError> {
    let mut layer = L::empty();
    for field in meta.fields {
        let FieldKind::Leaf {
            kind:
                LeafKind::Required {
                    default: Some(Expr::Str(default)),
                },
            ..
        } = field.kind
        else {
            continue;
        };
        if default.contains(APP) {
            let value = Value::String(default.replace(APP, app));
            let one = Table::from_iter([(field.name.to_owned(), value)]);
            let one = L::deserialize(Value::Table(one));
            layer = layer.with_fallback(one.map_err(|error| SettingsError::Value {
                field: field.name.to_owned(),
                message: error.message().to_owned(),
            })?);
        }
    }
    Ok(layer)
}

/// What a variable's text may mean. A text comes after the numbers: a field that takes a number would
/// refuse it, and a field of text refuses the number.
fn readings(text: &str) -> Vec<Value> {
    let mut readings = Vec::new();
    readings.extend(text.parse().ok().map(Value::Integer));
    readings.extend(text.parse().ok().map(Value::Boolean));
    readings.extend(text.parse().ok().map(Value::Float));
    readings.push(Value::String(text.to_owned()));
    let items = || text.split(',').map(str::trim);
    let numbers: Result<Vec<i64>, _> = items().map(str::parse).collect();
    readings.extend(numbers.ok().map(Value::from));
    readings.push(Value::Array(items().map(Value::from).collect()));
    readings
}

/// The library names a missing field in its text alone, and what is not missing did not go together.
fn explain(meta: &Meta, error: &confique::Error) -> SettingsError {
    let text = error.to_string();
    let missing = text
        .strip_prefix("required configuration value is missing: '")
        .and_then(|rest| rest.strip_suffix('\''));
    let Some(field) = missing else {
        return SettingsError::Together { message: text };
    };
    SettingsError::Missing {
        field: field.to_owned(),
        variable: variable(meta, field).map(str::to_owned),
    }
}

fn variable(meta: &Meta, field: &str) -> Option<&'static str> {
    meta.fields.iter().find_map(|known| match known.kind {
        FieldKind::Leaf { env, .. } if known.name == field => env,
        _ => None,
    })
}
