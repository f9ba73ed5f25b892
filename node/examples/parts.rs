//! A program of a few parts, each under the name that its authors know it by. `cargo run --example parts -- run
//! component.wasm` is a node with these and no others.

use wrt_azure::Azure;
use wrt_http::WasiHttp;
use wrt_http_default::HttpDefault;
use wrt_kafka::Kafka;
use wrt_keyvalue::WasiKeyValue;
use wrt_messaging::WasiMessaging;
use wrt_opentelemetry::OpenTelemetry;
use wrt_otel::WasiOtel;
use wrt_redis::Redis;
use wrt_vault::WrtVault as WasiVault;

/// Where the macro comes from is the program's own business.
mod buildgen {
    pub use wrt_node::runtime;
}

use buildgen::runtime;

runtime!({
    WasiHttp: HttpDefault,
    WasiOtel: OpenTelemetry,
    WasiKeyValue: Redis,
    WasiMessaging: Kafka,
    WasiVault: Azure,
});
