//! What `wrt-node` and `wrt` are made of: every package and every backend of this workspace.

use wrt_age::Age;
use wrt_azure::Azure;
use wrt_blobstore::{BlobstoreDefault, WasiBlobstore};
use wrt_command::WasiCli;
use wrt_config::{ConfigDefault, WasiConfig};
use wrt_http::WasiHttp;
use wrt_http_default::HttpDefault;
use wrt_identity::{IdentityDefault, WrtIdentity};
use wrt_kafka::Kafka;
use wrt_keyvalue::{KeyValueDefault, WasiKeyValue};
use wrt_logging::WasiLogging;
use wrt_messaging::{MessagingDefault, WasiMessaging};
use wrt_mongodb::MongoDb;
use wrt_nats::Nats;
use wrt_opentelemetry::OpenTelemetry;
use wrt_otel::{OtelDefault, WasiOtel};
use wrt_postgres::Postgres;
use wrt_redis::Redis;
use wrt_schedule::Schedule;
use wrt_sql::{SqlDefault, WrtSql};
use wrt_vault::{VaultDefault, WrtVault};
use wrt_websocket::WrtWebSocket;

wrt_node::runtime!({
    WasiBlobstore: [BlobstoreDefault, Nats, MongoDb],
    WasiCli: Schedule,
    WasiConfig: [ConfigDefault, Nats],
    WasiHttp: HttpDefault,
    WasiKeyValue: [KeyValueDefault, Redis, Nats],
    WasiLogging: _,
    WasiMessaging: [MessagingDefault, Nats, Kafka],
    WasiOtel: [OtelDefault, OpenTelemetry],
    WrtSql: [SqlDefault, Postgres],
    WrtWebSocket: HttpDefault,
    WrtVault: [VaultDefault, Age, Azure],
    WrtIdentity: [IdentityDefault, Azure],
});
