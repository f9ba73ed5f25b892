//! Arrays: which variant of a value has many of which other.

use super::types::PgValue;

macro_rules! arrays {
    ($($($type_name:literal)|+ => $one:ident, $many:ident;)+) => {
        /// The elements of an array; a value that is none, as it is.
        pub(super) fn apart(value: PgValue) -> Result<Vec<PgValue>, PgValue> {
            match value {
                $(PgValue::$many(all) => Ok(all.into_iter().map(PgValue::$one).collect()),)+
                other => Err(other),
            }
        }

        /// The array of values of a type; none where they are not all of one that has arrays.
        pub(super) fn together(type_name: &str, values: Vec<PgValue>) -> Option<PgValue> {
            match values.first() {
                None => match type_name {
                    $($($type_name)|+ => Some(PgValue::$many(Vec::new())),)+
                    _ => None,
                },
                $(Some(PgValue::$one(_)) => {
                    let all = values.into_iter().map(|value| match value {
                        PgValue::$one(value) => Some(value),
                        _ => None,
                    });
                    all.collect::<Option<_>>().map(PgValue::$many)
                })+
                Some(_) => None,
            }
        }
    };
}

// Two types that have one variant stand in one line.
arrays! {
    "int8" | "bigint" => Int8, Int8Array;
    "bool" | "boolean" => Bool, BoolArray;
    "float8" | "double precision" => Float8, Float8Array;
    "float4" => Float4, Float4Array;
    "int4" => Int4, Int4Array;
    "numeric" | "decimal" => Numeric, NumericArray;
    "int2" | "smallint" => Int2, Int2Array;
    "int2vector" => Int2Vector, Int2VectorArray;
    "bit" => Bit, BitArray;
    "varbit" => Varbit, VarbitArray;
    "bytea" => Bytea, ByteaArray;
    "char" | "bpchar" => Char, CharArray;
    "varchar" => Varchar, VarcharArray;
    "cidr" => Cidr, CidrArray;
    "inet" => Inet, InetArray;
    "macaddr" => Macaddr, MacaddrArray;
    "macaddr8" => Macaddr8, Macaddr8Array;
    "box" => Box, BoxArray;
    "circle" => Circle, CircleArray;
    "line" => Line, LineArray;
    "lseg" => Lseg, LsegArray;
    "path" => Path, PathArray;
    "point" => Point, PointArray;
    "polygon" => Polygon, PolygonArray;
    "date" => Date, DateArray;
    "time" => Time, TimeArray;
    "timetz" => TimeTz, TimeTzArray;
    "timestamp" => Timestamp, TimestampArray;
    "timestamptz" => TimestampTz, TimestampTzArray;
    "interval" => Interval, IntervalArray;
    "json" => Json, JsonArray;
    "jsonb" => Jsonb, JsonbArray;
    "money" => Money, MoneyArray;
    "pg_lsn" => PgLsn, PgLsnArray;
    "name" => Name, NameArray;
    "text" => Text, TextArray;
    "xml" => Xml, XmlArray;
    "uuid" => Uuid, UuidArray;
}
