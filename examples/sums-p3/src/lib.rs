//! Sums of lists of numbers, over wasi:http 0.3: the answer is on its way while the total is still written.
#![cfg(any(target_family = "wasm", wrt_guest))]

use wrt_guest::{
    instrument, keyvalue,
    wasip3::{clocks::monotonic_clock::wait_for, spawn_local},
    web::{Json, Problem, Request, Router},
};

wrt_guest::web::export_p3!(routes);

/// A millisecond, for whoever wants to see that nobody waits for it.
const LATER_NANOS: u64 = 1_000_000;

fn routes() -> Router {
    Router::new().post("/sums", sum).body_bytes_max(1024)
}

fn sum(request: &Request) -> Result<Json<i64>, Problem> {
    let numbers: Vec<i64> = request.json()?;
    let mut numbers = numbers.into_iter();
    let sum = numbers.try_fold(0_i64, i64::checked_add);
    let sum = sum.ok_or_else(|| Problem::bad_request("the sum is too large"))?;
    spawn_local(async move {
        if let Err(error) = add_to_total(sum).await {
            eprintln!("{sum} is not in the total: {error}");
        }
    });
    Ok(Json(sum))
}

#[instrument(sum = sum)]
async fn add_to_total(sum: i64) -> Result<i64, keyvalue::Error> {
    wait_for(LATER_NANOS).await;
    let _span = wrt_guest::otel::span("write");
    keyvalue::open("sums")?.increment("total", sum)
}
