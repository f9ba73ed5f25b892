//! A node that knows `example:greeting` beside two packages of everybody's.

use greeting::ExampleGreeting;
use polite::Polite;
use ticker::Ticker;
use wrt_http::WasiHttp;
use wrt_http_default::HttpDefault;
use wrt_keyvalue::WasiKeyValue;
use wrt_redis::Redis;

wrt_node::runtime!({
    ExampleGreeting: [Polite, Ticker],
    WasiHttp: HttpDefault,
    WasiKeyValue: Redis,
});
