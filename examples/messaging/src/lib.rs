//! Orders over HTTP, as messages: `POST /orders` sends one to all who want to know of orders, and
//! `GET /prices/<item>` asks whoever knows prices. `GET /handled/<who>` lists the orders that somebody
//! has handled.
//!
//! One program stands behind several components: what it does with a message is said by the topic, and who
//! it is by `NAME` in its environment. `TAKES_MS` there is what an order takes, and `TELLS` the topic of those
//! who want to know what was handled. Of an order `<customer>-<n>` the customer is in the metadata: those of
//! one customer can be handled in their order.

use wrt_guest::{
    http::respond,
    keyvalue,
    messaging::{self, Client, Error, Message, RequestOptions, reply, request, send},
    wasip2::{
        self,
        clocks::monotonic_clock::subscribe_duration,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

struct Shop;

wasip2::http::proxy::export!(Shop);
messaging::export!(Shop);

impl wasip2::exports::http::incoming_handler::Guest for Shop {
    fn handle(asked: IncomingRequest, out: ResponseOutparam) {
        let path = asked.path_with_query().unwrap_or_default();
        let (status, text) = match (asked.method(), path.trim_start_matches('/').split_once('/')) {
            (Method::Post, Some(("orders", order))) => told(place(order)),
            (Method::Get, Some(("prices", item))) => told(price(item)),
            (Method::Get, Some(("handled", who))) => handled(who),
            _ => (
                404,
                "POST /orders/<order>, GET /prices/<item>, GET /handled/<who>".to_owned(),
            ),
        };
        respond(out, status, &text);
    }
}

impl messaging::Guest for Shop {
    /// What it does twice for one message does no harm: it remembers the order, and not that there is one
    /// more.
    fn handle(message: Message) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&message.data()).into_owned();
        match message.topic().as_deref() {
            Some("prices.ask") => {
                let answer = Message::new(format!("{text}: {} cents", text.len() * 10).as_bytes());
                answer.set_content_type("text/plain");
                reply(&message, answer)
            }
            Some(topic) if topic.starts_with("orders.") => {
                subscribe_duration(takes_nanos()).block();
                remember(&text)?;
                tell(&text)
            }
            topic => Err(Error::Other(format!("nobody handles {topic:?} here"))),
        }
    }
}

/// Everybody who subscribes to orders gets it.
fn place(order: &str) -> Result<String, Error> {
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
fn price(item: &str) -> Result<String, Error> {
    let options = RequestOptions::new();
    options.set_timeout_ms(5000);
    options.set_expected_replies(1);
    let question = Message::new(item.as_bytes());
    let client = Client::connect("default")?;
    let replies = request(&client, "prices.ask", &question, Some(options))?;
    let prices = replies
        .iter()
        .map(|price| String::from_utf8_lossy(&price.data()).into_owned());
    Ok(prices.collect::<Vec<_>>().join("\n"))
}

fn remember(order: &str) -> Result<(), Error> {
    let kept = keyvalue::open(&name()).and_then(|orders| orders.set(order, b"handled"));
    kept.map_err(|error| Error::Other(error.to_string()))
}

/// Whoever wants to know hears of it, if there is a topic for that.
fn tell(order: &str) -> Result<(), Error> {
    let Ok(topic) = std::env::var("TELLS") else {
        return Ok(());
    };
    send(
        &Client::connect("default")?,
        &topic,
        Message::new(order.as_bytes()),
    )
}

fn handled(who: &str) -> (u16, String) {
    let known = keyvalue::open(who).and_then(|orders| orders.keys().collect::<Result<Vec<_>, _>>());
    match known {
        Ok(mut orders) => {
            orders.sort_unstable();
            (200, orders.join("\n"))
        }
        Err(error) => (503, error.to_string()),
    }
}

fn told(outcome: Result<String, Error>) -> (u16, String) {
    match outcome {
        Ok(text) => (200, text),
        Err(Error::Timeout) => (504, "nobody has answered in time".to_owned()),
        Err(error) => (503, format!("{error:?}")),
    }
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
