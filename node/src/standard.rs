//! What `wrt-node` and `wrt` are made of: every package and every backend of this workspace.

#[cfg(feature = "age")]
use wrt_age::Age;
#[cfg(feature = "azure")]
use wrt_azure::Azure;
use wrt_blobstore::{BlobstoreDefault, WasiBlobstore};
use wrt_command::WasiCli;
use wrt_config::{ConfigDefault, WasiConfig};
use wrt_http::WasiHttp;
use wrt_http_default::HttpDefault;
use wrt_identity::{IdentityDefault, WrtIdentity};
#[cfg(feature = "kafka")]
use wrt_kafka::Kafka;
use wrt_keyvalue::{KeyValueDefault, WasiKeyValue};
use wrt_logging::WasiLogging;
use wrt_messaging::{MessagingDefault, WasiMessaging};
#[cfg(feature = "mongodb")]
use wrt_mongodb::MongoDb;
#[cfg(feature = "nats")]
use wrt_nats::Nats;
#[cfg(feature = "opentelemetry")]
use wrt_opentelemetry::OpenTelemetry;
use wrt_otel::{OtelDefault, WasiOtel};
#[cfg(feature = "postgres")]
use wrt_postgres::Postgres;
#[cfg(feature = "redis")]
use wrt_redis::Redis;
use wrt_schedule::Schedule;
use wrt_sql::{SqlDefault, WrtSql};
use wrt_vault::{VaultDefault, WrtVault};
use wrt_websocket::WrtWebSocket;

wrt_node::runtime!({
    WasiBlobstore: [BlobstoreDefault, #[cfg(feature = "nats")] Nats, #[cfg(feature = "mongodb")] MongoDb],
    WasiCli: Schedule,
    WasiConfig: [ConfigDefault, #[cfg(feature = "nats")] Nats],
    WasiHttp: HttpDefault,
    WasiKeyValue: [KeyValueDefault, #[cfg(feature = "redis")] Redis, #[cfg(feature = "nats")] Nats],
    WasiLogging: _,
    WasiMessaging: [MessagingDefault, #[cfg(feature = "nats")] Nats, #[cfg(feature = "kafka")] Kafka],
    WasiOtel: [OtelDefault, #[cfg(feature = "opentelemetry")] OpenTelemetry],
    WrtSql: [SqlDefault, #[cfg(feature = "postgres")] Postgres],
    WrtWebSocket: HttpDefault,
    WrtVault: [VaultDefault, #[cfg(feature = "age")] Age, #[cfg(feature = "azure")] Azure],
    WrtIdentity: [IdentityDefault, #[cfg(feature = "azure")] Azure],
});

#[cfg(test)]
#[path = "standard/reference.rs"]
mod reference;
