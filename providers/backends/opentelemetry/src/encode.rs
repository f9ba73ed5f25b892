//! From the words of wasi:otel to those of OTLP.

mod logs;
mod metrics;
mod spans;

use opentelemetry_proto::tonic::{
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
    },
    resource::v1,
};
use wrt_otel::{Attribute, Decoded, Resource, Scope};

pub(crate) use logs::log;
pub(crate) use metrics::metric;
pub(crate) use spans::span;

/// Bit 0 of the flags of a trace.
const SAMPLED: u32 = 1;

fn attributes(attributes: Vec<Attribute>) -> Vec<KeyValue> {
    attributes.into_iter().map(attribute).collect()
}

fn attribute(attribute: Attribute) -> KeyValue {
    key_value(attribute.key, attribute.value.decoded())
}

fn key_value(key: String, value: Decoded) -> KeyValue {
    KeyValue {
        key,
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn any(value: Decoded) -> AnyValue {
    let value = match value {
        Decoded::Empty => None,
        Decoded::Bool(value) => Some(Any::BoolValue(value)),
        Decoded::Integer(value) => Some(Any::IntValue(value)),
        Decoded::Double(value) => Some(Any::DoubleValue(value)),
        Decoded::Text(text) => Some(Any::StringValue(text)),
        Decoded::Bytes(bytes) => Some(Any::BytesValue(bytes)),
        Decoded::List(values) => Some(Any::ArrayValue(ArrayValue {
            values: values.into_iter().map(any).collect(),
        })),
        Decoded::Map(values) => {
            let pair = |(key, value)| key_value(key, value);
            let values = values.into_iter().map(pair).collect();
            Some(Any::KvlistValue(KeyValueList { values }))
        }
    };
    AnyValue { value }
}

/// The resource, and the address of its schema, which OTLP has beside it.
pub(crate) fn resource(resource: Resource) -> (v1::Resource, String) {
    let encoded = v1::Resource {
        attributes: attributes(resource.attributes),
        ..v1::Resource::default()
    };
    (encoded, resource.schema_url.unwrap_or_default())
}

/// The scope, and the address of its schema, which OTLP has beside it.
pub(crate) fn scope(scope: Scope) -> (InstrumentationScope, String) {
    let encoded = InstrumentationScope {
        name: scope.name,
        version: scope.version.unwrap_or_default(),
        attributes: attributes(scope.attributes),
        ..InstrumentationScope::default()
    };
    (encoded, scope.schema_url.unwrap_or_default())
}

/// Empty where there is none.
fn trace_id(id: Option<u128>) -> Vec<u8> {
    id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default()
}

/// Empty where there is none.
fn span_id(id: Option<u64>) -> Vec<u8> {
    id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default()
}
