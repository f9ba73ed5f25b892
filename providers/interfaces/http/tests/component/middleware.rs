//! A component that stands in front of another one: the import `wasi:http/handler`.

use wasmtime::component::{Component, Linker};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;
use wrt_host::{InstanceState, Package};
use wrt_http::WasiHttp;

use crate::guests::engine;

/// What `handler` uses of `wasi:http/types`, in our own words; the errors are all of them, because the
/// types must be equal to be linked.
const WIT: &str = "
package wasi:http@0.3.0;

interface types {
    resource request {}
    resource response {}
    record DNS-error-payload { rcode: option<string>, info-code: option<u16> }
    record TLS-alert-received-payload { alert-id: option<u8>, alert-message: option<string> }
    record field-size-payload { field-name: option<string>, field-size: option<u32> }
    variant error-code {
        DNS-timeout, DNS-error(DNS-error-payload), destination-not-found,
        destination-unavailable, destination-IP-prohibited, destination-IP-unroutable,
        connection-refused, connection-terminated, connection-timeout, connection-read-timeout,
        connection-write-timeout, connection-limit-reached, TLS-protocol-error,
        TLS-certificate-error, TLS-alert-received(TLS-alert-received-payload),
        HTTP-request-denied, HTTP-request-length-required, HTTP-request-body-size(option<u64>),
        HTTP-request-method-invalid, HTTP-request-URI-invalid, HTTP-request-URI-too-long,
        HTTP-request-header-section-size(option<u32>),
        HTTP-request-header-size(option<field-size-payload>),
        HTTP-request-trailer-section-size(option<u32>),
        HTTP-request-trailer-size(field-size-payload), HTTP-response-incomplete,
        HTTP-response-header-section-size(option<u32>),
        HTTP-response-header-size(field-size-payload), HTTP-response-body-size(option<u64>),
        HTTP-response-trailer-section-size(option<u32>),
        HTTP-response-trailer-size(field-size-payload),
        HTTP-response-transfer-coding(option<string>),
        HTTP-response-content-coding(option<string>), HTTP-response-timeout,
        HTTP-upgrade-failed, HTTP-protocol-error, loop-detected, configuration-error,
        internal-error(option<string>),
    }
}

interface handler {
    use types.{request, response, error-code};
    handle: async func(request: request) -> result<response, error-code>;
}

world middleware {
    import handler;
}
";

/// A guest that could call it.
const MODULE: &str = r#"
(module
    (import "wasi:http/handler@0.3.0" "[async-lower]handle" (func (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))
"#;

#[test]
fn the_next_handler_can_be_imported() {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("middleware.wit", WIT).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(MODULE).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default().module(&module).unwrap();
    let component = Component::new(engine(), encoder.encode().unwrap()).unwrap();

    let mut linker: Linker<InstanceState> = Linker::new(engine());
    let package = Package::of::<WasiHttp>();
    let types = |wit: &str| wit == "wasi:http/types@0.3.0";
    package.add_to_linker(&mut linker, types).unwrap();
    let missing = linker.instantiate_pre(&component).map(drop).unwrap_err();
    assert!(
        format!("{missing:?}").contains("wasi:http/handler"),
        "{missing:?}"
    );
    let handler = |wit: &str| wit.starts_with("wasi:http/handler");
    package.add_to_linker(&mut linker, handler).unwrap();
    linker.instantiate_pre(&component).unwrap();
}
