//! Orders over HTTP, as messages: `POST /orders` sends one to all who want to know of orders, and
//! `GET /prices/<item>` asks whoever knows prices. `GET /handled/<who>` lists the orders that somebody
//! has handled.
//!
//! One program stands behind several components: what it does with a message is said by the topic, and who
//! it is by `NAME` in its environment. `TAKES_MS` there is what an order takes, and `TELLS` the topic of those
//! who want to know what was handled. Of an order `<customer>-<n>` the customer is in the metadata: those of
//! one customer can be handled in their order.
#![cfg(any(target_family = "wasm", wrt_guest))]

use wrt_guest::{
    keyvalue,
    messaging::{Client, Error, Message, RequestOptions, reply, request, send},
    topics::{Failure, Incoming, Topics},
    wasip2::clocks::monotonic_clock::subscribe_duration,
    web::{Problem, Request, Router, StatusCode},
};

wrt_guest::web::export!(routes);
wrt_guest::topics::export!(handlers);

fn routes() -> Router {
    Router::new()
        .post("/orders/{order}", place)
        .get("/prices/{item}", price)
        .get("/handled/{who}", handled)
}

fn handlers() -> Topics {
    Topics::new()
        .on("prices.ask", tell_price)
        .on("orders.>", handle)
}

/// What it does twice for one message does no harm: it remembers the order, and not that there is one more.
fn handle(message: &Incoming) -> Result<(), Failure> {
    let order = message.text()?;
    subscribe_duration(takes_nanos()).block();
    keyvalue::open(&name())?.set(order, b"handled")?;
    tell(order)
}

fn tell_price(message: &Incoming) -> Result<(), Failure> {
    let item = message.text()?;
    let answer = Message::new(format!("{item}: {} cents", item.len() * 10).as_bytes());
    answer.set_content_type("text/plain");
    Ok(reply(message.message(), answer)?)
}

/// Everybody who subscribes to orders gets it.
fn place(asked: &Request) -> Result<String, Problem> {
    let order: String = asked.param("order")?;
    let message = Message::new(order.as_bytes());
    message.set_content_type("text/plain");
    message.add_metadata("placed-by", &name());
    if let Some((customer, _)) = order.split_once('-') {
        message.add_metadata("customer", customer);
    }
    send(&Client::connect("default")?, "orders.placed", message)?;
    Ok(format!("placed {order}"))
}

/// Somebody who knows prices answers.
fn price(asked: &Request) -> Result<String, Problem> {
    let item: String = asked.param("item")?;
    let options = RequestOptions::new();
    options.set_timeout_ms(5000);
    options.set_expected_replies(1);
    let question = Message::new(item.as_bytes());
    let client = Client::connect("default")?;
    let replies = match request(&client, "prices.ask", &question, Some(options)) {
        Err(Error::Timeout) => {
            let why = "nobody has answered in time";
            return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, why));
        }
        replies => replies?,
    };
    let prices = replies
        .iter()
        .map(|price| String::from_utf8_lossy(&price.data()).into_owned());
    Ok(prices.collect::<Vec<_>>().join("\n"))
}

/// Whoever wants to know hears of it, if there is a topic for that.
fn tell(order: &str) -> Result<(), Failure> {
    let Ok(topic) = std::env::var("TELLS") else {
        return Ok(());
    };
    let message = Message::new(order.as_bytes());
    Ok(send(&Client::connect("default")?, &topic, message)?)
}

fn handled(asked: &Request) -> Result<String, Problem> {
    let who: String = asked.param("who")?;
    let mut orders = keyvalue::open(&who)?
        .keys()
        .collect::<Result<Vec<_>, _>>()?;
    orders.sort_unstable();
    Ok(orders.join("\n"))
}

/// What an order takes.
fn takes_nanos() -> u64 {
    let millis = std::env::var("TAKES_MS").ok();
    let millis: u64 = millis.and_then(|millis| millis.parse().ok()).unwrap_or(0);
    millis.saturating_mul(1_000_000)
}

fn name() -> String {
    std::env::var("NAME").unwrap_or_else(|_| "shop".to_owned())
}
