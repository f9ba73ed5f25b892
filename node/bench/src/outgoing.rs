//! A component's request to a server outside: through a co-located link, beside a bare hyper client
//! with the same settings; and from another node, beside a bare NATS request and a bare hyper request
//! in series. The server is in the other process in every case, so that nobody shares its caller's
//! threads with it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use wrt_contract::{Body, CallContext};
use wrt_http::{HttpClient, HttpClientInterface, RequestHead, RequestOptions};

use crate::{
    colocated::linked,
    http_provider::{client, config},
    rounds::{Figures, in_turns, in_turns_on_tasks},
    row::Row,
    serving::{BARE_SUBJECT, Pair, VALUE_BYTES},
};

const COLOCATED: &str = "outgoing HTTP, co-located link";
const BARE: &str = "bare hyper client";
const ACROSS: &str = "outgoing HTTP, provider on another node";
const IN_SERIES: &str = "bare NATS request, then bare hyper request";
const IN_FLIGHT: u32 = 64;

type BareClient = Client<HttpConnector, Empty<Bytes>>;

fn bare() -> anyhow::Result<BareClient> {
    let config = config()?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_millis(config.idle_timeout_ms))
        .pool_max_idle_per_host(config.idle_connections_per_host_max as usize)
        .http1_max_buf_size(config.head_bytes_max as usize)
        .http1_max_headers(config.headers_max as usize)
        .build(connector))
}

fn get<B>(server: SocketAddr, body: B) -> anyhow::Result<http::Request<B>> {
    let uri = format!("http://{server}/");
    Ok(http::Request::get(uri).body(body)?)
}

async fn send_bare(client: BareClient, server: SocketAddr) -> anyhow::Result<()> {
    let response = client.request(get(server, Empty::new())?).await?;
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(body.len() == VALUE_BYTES, "the answer is not whole");
    Ok(())
}

async fn send(
    client: Arc<dyn HttpClient>,
    context: CallContext,
    server: SocketAddr,
) -> anyhow::Result<()> {
    let (head, ()) = RequestHead::split(get(server, ())?);
    let options = RequestOptions::default();
    let (_head, body) = client.send(&context, head, options, Body::empty()).await?;
    let body = body.collect(VALUE_BYTES).await?;
    anyhow::ensure!(body.len() == VALUE_BYTES, "the answer is not whole");
    Ok(())
}

/// Measures both at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let pair = Pair::start().await?;
    let nats = async_nats::connect(pair.nats.url()).await?;
    let bare = bare()?;
    let server = pair.http_server().await?;

    let linked = linked::<HttpClientInterface>(client().await?)?;
    let ours = move || send(Arc::clone(&linked), CallContext::default(), server);
    let without = bare.clone();
    let theirs = move || send_bare(without.clone(), server);
    let mut rows = rows(COLOCATED, BARE, ours, theirs).await?;

    let remote = pair.remote::<HttpClientInterface>()?;
    let payload = Bytes::from(vec![b'k'; VALUE_BYTES]);
    let ours = move || {
        // As a link makes it for each operation of a guest.
        let context = CallContext::default().for_operation();
        send(Arc::clone(&remote), context, server)
    };
    let theirs = move || {
        let (nats, payload, bare) = (nats.clone(), payload.clone(), bare.clone());
        async move {
            nats.request(BARE_SUBJECT, payload).await?;
            send_bare(bare, server).await
        }
    };
    rows.extend(self::rows(ACROSS, IN_SERIES, ours, theirs).await?);
    Ok(rows)
}

async fn rows<Ours, Theirs>(
    work: &str,
    beside: &str,
    ours: impl Fn() -> Ours + Clone + Send + 'static,
    theirs: impl Fn() -> Theirs + Clone + Send + 'static,
) -> anyhow::Result<Vec<Row>>
where
    Ours: Future<Output = anyhow::Result<()>> + Send + 'static,
    Theirs: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let one = in_turns(20, 1_000, 1, async || ours().await, async || theirs().await);
    let (our_one, their_one) = one.await?;
    let many = in_turns_on_tasks(20, 12_800, IN_FLIGHT, ours, theirs);
    let (our_many, their_many) = many.await?;
    let row = |metric, unit, figure: fn(&Figures) -> f64, ours, theirs| {
        Row::beside((work, metric, unit), figure(ours), (beside, figure(theirs)))
    };
    Ok(vec![
        row(
            "p50, 1 in flight",
            "us",
            |it| it.p50_micros,
            &our_one,
            &their_one,
        ),
        row(
            "p50, 64 in flight",
            "us",
            |it| it.p50_micros,
            &our_many,
            &their_many,
        ),
        row(
            "throughput, 64 in flight",
            "1/s",
            |it| it.per_second,
            &our_many,
            &their_many,
        ),
    ])
}
