//! What a column was declared as. SQLite keeps the word, and takes any value.

/// A type that a value may be read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Declared {
    /// As SQLite has it.
    Any,
    Boolean,
    Int16,
    Int32,
    Float32,
    Float64,
    Decimal,
    Date,
    Time,
    Timestamp,
    Instant,
    Interval,
    Uuid,
    Json,
    Array(Box<Self>),
}

impl Declared {
    /// Of a declaration in small letters: `int4`, `numeric(10,2)`, `text[]`.
    pub(super) fn of(declaration: &str) -> Self {
        let declaration = declaration.trim();
        if let Some(element) = declaration.strip_suffix("[]") {
            return match Self::of(element) {
                array @ Self::Array(_) => array,
                element => Self::Array(Box::new(element)),
            };
        }
        let name = declaration.split('(').next().unwrap_or_default().trim();
        let has_zone = declaration.ends_with("with time zone");
        match name {
            "bool" | "boolean" => Self::Boolean,
            "int2" | "smallint" => Self::Int16,
            "int4" => Self::Int32,
            "float4" => Self::Float32,
            "float8" | "real" | "double" | "double precision" | "float" => Self::Float64,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timestamptz" | "timestamp with time zone" => Self::Instant,
            "timestamp" if has_zone => Self::Instant,
            "timestamp" | "datetime" | "timestamp without time zone" => Self::Timestamp,
            "interval" => Self::Interval,
            "uuid" => Self::Uuid,
            "json" | "jsonb" => Self::Json,
            _ if name.contains("numeric") || name.contains("decimal") => Self::Decimal,
            _ => Self::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_known_by_its_words() {
        for (text, expected) in [
            ("int4", Declared::Int32),
            ("integer", Declared::Any),
            ("numeric(10,2)", Declared::Decimal),
            ("decimal_text", Declared::Decimal),
            ("timestamp(3) with time zone", Declared::Instant),
            ("timestamp", Declared::Timestamp),
            ("text[]", Declared::Array(Box::new(Declared::Any))),
            ("int2 []", Declared::Array(Box::new(Declared::Int16))),
            ("bool[][]", Declared::Array(Box::new(Declared::Boolean))),
            ("", Declared::Any),
        ] {
            assert_eq!(Declared::of(text), expected, "{text}");
        }
    }
}
