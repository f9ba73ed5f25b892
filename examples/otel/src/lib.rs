//! An order, and what is known of it afterwards: `POST /<item>` orders one. The spans `order` and `reserve`
//! are a part of the request, the store's calls a part of `reserve`; a log says what was ordered, and a metric how
//! many orders there were.
//!
//! The answer is the trace's id, by which all of it is found.
#![cfg(any(target_family = "wasm", wrt_guest))]

use wrt_guest::{
    instrument,
    keyvalue::{self, Bucket},
    otel::{self, pair},
    wasip2::clocks::wall_clock::Datetime,
    web::{Problem, Request, Router, StatusCode},
};

wrt_guest::web::export!(routes);

/// Of each item there are so many.
const STOCK: i64 = 3;
/// `INFO`, as OpenTelemetry counts.
const INFO: u8 = 9;

fn routes() -> Router {
    Router::new().post("/{item}", order)
}

/// A span that is begun by hand: what it says is known only on the way.
fn order(request: &Request) -> Result<(StatusCode, String), Problem> {
    let item: String = request.param("item")?;
    let mut span = otel::span("order");
    span.set("order.item", item.as_str());
    let trace = span.context().trace_id;
    match reserve(&item) {
        Ok(left) => {
            span.set("order.left", left);
            span.ok();
            otel::log(INFO, "an order", [pair("order.item", item)]);
            Ok((StatusCode::OK, trace))
        }
        Err(why) => {
            span.error(&why);
            Ok((StatusCode::CONFLICT, format!("{trace} {why}")))
        }
    }
}

/// Takes one of an item; how many are left. Its span is the function's: it begins and ends with it, and says what
/// error there was.
#[instrument(order.item = item)]
fn reserve(item: &str) -> Result<i64, String> {
    let failed = |error: keyvalue::Error| error.to_string();
    let store = keyvalue::open("stock").map_err(failed)?;
    let taken = store.increment(item, 1).map_err(failed)?;
    if taken > STOCK {
        return Err("sold out".to_owned());
    }
    // An order is an order, counted or not.
    let _ = count_order(&store);
    Ok(STOCK - taken)
}

fn count_order(store: &Bucket) -> Result<(), String> {
    let orders = store.increment("orders", 1);
    let orders = orders.map_err(|error| error.to_string())?;
    let since = Datetime {
        seconds: 0,
        nanoseconds: 0,
    };
    otel::count("shop.orders", "{order}", orders.unsigned_abs(), since)
}
