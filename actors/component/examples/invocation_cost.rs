//! What one invocation costs beside the guest's own work: `cargo run --release --example
//! invocation_cost -p wrt-component`.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{sync::Arc, time::Instant};

use wrt_component::{ComponentActor, ComponentSpec, EngineOptions, Engines};
use wrt_contract::{CallContext, Links};
use wrt_host::Instances;
use wrt_protocol::{ActorAddress, ComponentLimits, Name};

#[path = "../tests/component/guest.rs"]
mod guest;

const ROUNDS: u32 = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let engines = Engines::new(EngineOptions::default())?;
    for (what, bytes) in [
        ("plain", guest::calculator()),
        ("concurrent", guest::sleeper()),
    ] {
        let compiled = engines.compile(bytes.into()).await?;
        let spec = ComponentSpec {
            actor: ActorAddress::component(Name::new("bench")?, Name::new(what)?),
            compiled,
            environment: vec![("GREETING".into(), "hello".into()); 4],
            limits: ComponentLimits::default(),
            links: Arc::new(Links::default()),
        };
        let actor = ComponentActor::new(spec, &[])?;
        let context = CallContext::default();
        for part in ["prepare", "and instantiate", "and call"] {
            for _ in 0..ROUNDS / 10 {
                invoke(&actor, &context, part).await?;
            }
            let started = Instant::now();
            for _ in 0..ROUNDS {
                invoke(&actor, &context, part).await?;
            }
            println!(
                "{what:>10} {part:<16} {:>7.2} us",
                micros(started) / f64::from(ROUNDS)
            );
        }
    }
    Ok(())
}

async fn invoke(actor: &ComponentActor, context: &CallContext, part: &str) -> anyhow::Result<()> {
    let prepared = actor.prepare(context);
    if part == "prepare" {
        return Ok(());
    }
    let pre = actor.instance_pre().clone();
    let calls = part == "and call";
    let called = prepared.call(move |mut lent| async move {
        let instance = lent.instance(&pre).await?;
        if !calls {
            return Ok(5);
        }
        let add = instance.get_typed_func::<(u32, u32), (u32,)>(&mut lent, "add")?;
        let (sum,) = add.call_async(&mut lent, (2, 3)).await?;
        lent.keep();
        Ok(sum)
    });
    let sum = called.await.map_err(|error: wasmtime::Error| error);
    anyhow::ensure!(sum? == 5);
    Ok(())
}

fn micros(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e6
}
