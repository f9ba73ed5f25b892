//! An order, and what is known of it afterwards: `POST /<item>` orders one. The spans `order` and `reserve`
//! are a part of the request, the store's calls a part of `reserve`; a log says what was ordered, and a metric how
//! many orders there were.
//!
//! The answer is the trace's id, by which all of it is found.

use wrt_guest::{
    http::respond,
    keyvalue,
    otel::{self, pair},
    wasip2::{
        self,
        clocks::wall_clock::Datetime,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

/// Of each item there are so many.
const STOCK: i64 = 3;
/// `INFO`, as OpenTelemetry counts.
const INFO: u8 = 9;

struct Orders;

wasip2::http::proxy::export!(Orders);

impl wasip2::exports::http::incoming_handler::Guest for Orders {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let item = target.trim_start_matches('/');
        let (status, text) = match request.method() {
            Method::Post if !item.is_empty() => order(item),
            _ => (404, "use POST /<item>".to_owned()),
        };
        respond(out, status, &text);
    }
}

fn order(item: &str) -> (u16, String) {
    let mut span = otel::span("order");
    span.set("order.item", item);
    let trace = span.context().trace_id;
    match reserve(item) {
        Ok(left) => {
            span.set("order.left", left);
            span.ok();
            otel::log(INFO, "an order", [pair("order.item", item)]);
            (200, trace)
        }
        Err(why) => {
            span.error(&why);
            (409, format!("{trace} {why}"))
        }
    }
}

/// Takes one of an item; how many are left.
fn reserve(item: &str) -> Result<i64, String> {
    let mut span = otel::span("reserve");
    let store = keyvalue::open("stock").map_err(|error| format!("{error:?}"))?;
    let taken = store
        .increment(item, 1)
        .map_err(|error| format!("{error:?}"))?;
    span.event_with("taken", [pair("stock.taken", taken)]);
    if taken > STOCK {
        span.error("sold out");
        return Err("sold out".to_owned());
    }
    let orders = store
        .increment("orders", 1)
        .map_err(|error| format!("{error:?}"))?;
    let since = Datetime {
        seconds: 0,
        nanoseconds: 0,
    };
    // An order is an order, counted or not.
    let counted = otel::count("shop.orders", "{order}", orders.unsigned_abs(), since);
    if let Err(why) = counted {
        span.event_with("not counted", [pair("why", why)]);
    }
    Ok(STOCK - taken)
}
