//! Messages of a stream that a component handles, beside a bare consumer that calls the same component through
//! wasmtime: as many asked for at a time, a fresh instance and an acknowledgement for each.
//!
//! Each round has a stream of its own, filled before the time begins and kept in the server's memory, so that
//! no disk is measured. Both sides are in this process, on one engine with one pool.

use std::{sync::Arc, time::Duration, time::Instant};

use anyhow::Context;
use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, PullConsumer, pull::Config},
    stream::StorageType,
};
use futures::{StreamExt, future::try_join_all};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};
use wasmtime::{
    Store,
    component::{ComponentType, InstancePre, Lift, Linker, Resource, ResourceType},
};
use wrt_component::{CompiledComponent, ComponentActor, ComponentSpec, EngineOptions, Engines};
use wrt_contract::{Links, LocalDirectory, Offer};
use wrt_host::Package;
use wrt_messaging::{
    MessageComponent, MessageHandlerInterface, Subscription, TopicFilter, WasiMessaging,
};
use wrt_nats::{Nats, NatsConfig};
use wrt_protocol::{ActorAddress, ComponentLimits, Name};
use wrt_runtime::{Backend as _, LatticeState, Server as _, ServiceAddress, Target};
use wrt_test_servers::NatsServer;

use crate::{
    colocated::NoWayOut,
    rounds::{Rates, rates_in_turns},
    row::Row,
};

const WORK: &str = "messages handled by a trivial component, a fresh instance each, nats";
const BESIDE: &str = "bare consumer, and wasmtime";
const ROUNDS: u32 = 6;
/// So many that a round does not tell how soon either side begins: a subscription asks the server more before
/// it does.
const MESSAGES: u32 = 40_000;
const DATA_BYTES: usize = 128;
/// Asked for at a time, and in hand.
const BATCH: usize = 64;
/// On their way at once while a stream is filled.
const FILLING: usize = 256;
const TOPIC: &str = "handled.bench";
/// A round that takes longer has lost something.
const ROUND_MAX: Duration = Duration::from_secs(60);

const HANDLER: &str = "wasi:messaging/incoming-handler@0.2.0-draft";
const TYPES: &str = "wasi:messaging/types@0.2.0-draft";
/// Drops what it is given, and says that all is well.
const COMPONENT: &str = r#"
(component
  (import "wasi:messaging/types@0.2.0-draft" (instance $types
    (export "message" (type $message (sub resource)))
    (type $cases (variant
      (case "timeout")
      (case "connection" string)
      (case "permission-denied" string)
      (case "other" string)))
    (export "error" (type $error (eq $cases)))))
  (alias export $types "message" (type $message))
  (alias export $types "error" (type $error))
  (core func $drop (canon resource.drop $message))
  (core module $code
    (import "host" "drop" (func $drop (param i32)))
    (memory (export "memory") 1)
    (func (export "handle") (param i32) (result i32)
      (call $drop (local.get 0))
      (i32.const 16)))
  (core instance $instance (instantiate $code
    (with "host" (instance (export "drop" (func $drop))))))
  (func $handle (param "message" (own $message)) (result (result (error $error)))
    (canon lift (core func $instance "handle") (memory (core memory $instance "memory"))))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:messaging/incoming-handler@0.2.0-draft" (instance $handler)))
"#;

/// Measures both in turns.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let server = NatsServer::start()?;
    let jetstream = jetstream::new(async_nats::connect(server.url()).await?);
    let engines = Engines::new(EngineOptions::default())?;
    let compiled = engines.compile(wat::parse_str(COMPONENT)?.into()).await?;
    let ours = Ours::new(&server, compiled.clone()).await?;
    let theirs = Theirs::new(&compiled)?;
    let our_round = async || {
        let stream = fill(&jetstream).await?;
        let rate = ours.handle_all().await.context("the subscription")?;
        jetstream.delete_stream(&stream).await?;
        Ok(rate)
    };
    let their_round = async || {
        let stream = fill(&jetstream).await?;
        let rate = theirs.handle_all(&jetstream, &stream).await;
        jetstream.delete_stream(&stream).await?;
        rate.context("the bare consumer")
    };
    let Rates { ours, theirs } = rates_in_turns(ROUNDS, our_round, their_round).await?;
    let metric = format!("throughput, {BATCH} in hand");
    Ok(vec![Row::beside(
        (WORK, &metric, "1/s"),
        ours,
        (BESIDE, theirs),
    )])
}

/// A stream with all messages of a round.
async fn fill(jetstream: &jetstream::Context) -> anyhow::Result<String> {
    let name = "HANDLED".to_owned();
    let stream = jetstream::stream::Config {
        name: name.clone(),
        subjects: vec!["handled.>".to_owned()],
        storage: StorageType::Memory,
        ..Default::default()
    };
    jetstream.create_stream(stream).await?;
    let mut left = MESSAGES as usize;
    while left > 0 {
        let sends = (0..left.min(FILLING)).map(|_| async {
            let sent = jetstream.publish(TOPIC, vec![b'm'; DATA_BYTES].into());
            sent.await?.await
        });
        left -= try_join_all(sends).await?.len();
    }
    Ok(name)
}

/// A rate, of messages that were all handled since `began`.
fn rate(began: Instant) -> f64 {
    f64::from(MESSAGES) / began.elapsed().as_secs_f64()
}

/// A provider with its component beside it, as on a node.
struct Ours {
    provider: Arc<Nats>,
    state: LatticeState,
    component: Name,
}

impl Ours {
    async fn new(server: &NatsServer, compiled: CompiledComponent) -> anyhow::Result<Self> {
        let (app, component) = (Name::new("bench")?, Name::new("handler")?);
        let actor = ActorAddress::component(app.clone(), component.clone());
        let spec = ComponentSpec {
            actor: actor.clone(),
            compiled,
            environment: Vec::new(),
            limits: ComponentLimits::default(),
            links: Arc::new(Links::default()),
        };
        let instances = ComponentActor::new(spec, &[Package::of::<WasiMessaging>()])?;
        let gate = Arc::clone(instances.gate());
        let handler = MessageComponent::new(instances)?.context("it handles messages")?;
        let directory = Arc::new(LocalDirectory::default());
        let offer = Offer::new::<MessageHandlerInterface>(Arc::new(handler), &gate);
        offer.install(&directory, &actor);
        let config = NatsConfig {
            url: ServiceAddress::new(server.url()),
            ..NatsConfig::default()
        };
        Ok(Self {
            provider: Arc::new(Nats::connect_with(config).await?),
            state: LatticeState::new(app, directory, Arc::new(NoWayOut)),
            component,
        })
    }

    async fn handle_all(&self) -> anyhow::Result<f64> {
        let before = self.provider.delivery_counts();
        let target = Target {
            component: self.component.clone(),
            selection: Subscription {
                topics: vec![TopicFilter::new("handled.>")?],
                in_hand_max: u32::try_from(BATCH)?,
                ..Subscription::default()
            },
        };
        let began = Instant::now();
        let serving = Arc::clone(&self.provider).serve(&self.state, vec![target]);
        let serving = serving.await?;
        let handled = || self.provider.delivery_counts().handled - before.handled;
        while handled() < u64::from(MESSAGES) {
            anyhow::ensure!(began.elapsed() < ROUND_MAX, "{} are handled", handled());
            sleep(Duration::from_millis(1)).await;
        }
        let rate = rate(began);
        anyhow::ensure!(serving.drain(ROUND_MAX).await, "it does not end");
        let counts = self.provider.delivery_counts();
        anyhow::ensure!(
            (counts.put_back, counts.redelivered) == (before.put_back, before.redelivered),
            "some came twice: {counts:?}"
        );
        Ok(rate)
    }
}

/// What a guest may answer.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum Answer {
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "connection")]
    Connection(String),
    #[component(name = "permission-denied")]
    PermissionDenied(String),
    #[component(name = "other")]
    Other(String),
}

impl Answer {
    fn words(self) -> String {
        match self {
            Self::Timeout => "timeout".to_owned(),
            Self::Connection(text) | Self::PermissionDenied(text) | Self::Other(text) => text,
        }
    }
}

/// A message, to the host of the bare consumer.
struct Handle;

/// The component, linked by hand.
struct Theirs(InstancePre<()>);

impl Theirs {
    fn new(compiled: &CompiledComponent) -> anyhow::Result<Self> {
        let component = compiled.component();
        let mut linker = Linker::new(component.engine());
        let mut types = linker.instance(TYPES)?;
        types.resource("message", ResourceType::host::<Handle>(), |_, _| Ok(()))?;
        Ok(Self(linker.instantiate_pre(component)?))
    }

    async fn handle_all(
        &self,
        jetstream: &jetstream::Context,
        stream: &str,
    ) -> anyhow::Result<f64> {
        let began = Instant::now();
        let stream = jetstream.get_stream(stream).await?;
        let consumer: PullConsumer = stream
            .create_consumer(Config {
                durable_name: Some("bare".to_owned()),
                ack_policy: AckPolicy::Explicit,
                ..Config::default()
            })
            .await?;
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(BATCH)
            .messages()
            .await?;
        let (in_hand, mut tasks) = (Arc::new(Semaphore::new(BATCH)), JoinSet::new());
        for _ in 0..MESSAGES {
            let permit = Arc::clone(&in_hand).acquire_owned().await?;
            let message = messages.next().await.context("the stream ends")??;
            let pre = self.0.clone();
            tasks.spawn(async move {
                call(&pre).await?;
                let acknowledged = message.ack().await;
                drop(permit);
                acknowledged.map_err(|error| anyhow::anyhow!("{error}"))
            });
            while let Some(done) = tasks.try_join_next() {
                done??;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(rate(began))
    }
}

/// One message, by an instance of its own.
async fn call(pre: &InstancePre<()>) -> anyhow::Result<()> {
    let mut store = Store::new(pre.engine(), ());
    // The engine's clock goes on.
    store.set_epoch_deadline(1_000_000);
    let instance = pre.instantiate_async(&mut store).await?;
    let exported = instance.get_export_index(&mut store, None, HANDLER);
    let handle = instance.get_export_index(&mut store, exported.as_ref(), "handle");
    let handle = handle.context("it has a handler")?;
    let handle = instance
        .get_typed_func::<(Resource<Handle>,), (Result<(), Answer>,)>(&mut store, handle)?;
    let (answer,) = handle
        .call_async(&mut store, (Resource::new_own(0),))
        .await?;
    answer.map_err(|answer| anyhow::anyhow!(answer.words()))
}
