//! The suite over stores that are components: `examples/namespace`, in front of the memory.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use wasmparser::{Parser, Validator};
use wrt_component::{ComponentActor, ComponentSpec, EngineKind, EngineOptions, Engines};
use wrt_contract::{CallContext, Gate, GateLimits, Interface, Links};
use wrt_host::Package;
use wrt_protocol::{ActorAddress, ComponentLimits, FaultKind};
use wrt_test_kit::{everywhere, name, unreachable};

use super::{Export, KeyValueComponent};
use crate::{
    Bucket, Key, KeyValue, KeyValueDefault, KeyValueError, KeyValueInterface, MemoryConfig,
    WasiKeyValue, conformance,
};

fn namespace() -> Bytes {
    let file = "../../../examples/target/wasm32-wasip2/release/namespace.wasm";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let bytes = std::fs::read(&file);
    let missing = |error| panic!("{}: {error}: run `cargo xtask guests`", file.display());
    bytes.unwrap_or_else(missing).into()
}

/// The same component with an import of 0.3 at its end, so that it runs on the engine for those.
fn of_0_3(bytes: &Bytes) -> Bytes {
    let mut validator = Validator::new();
    let (mut depth, mut types) = (0, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.unwrap();
        match payload {
            wasmparser::Payload::Version { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        validator.payload(&payload).unwrap();
        if depth == 1 {
            types = validator.types(0).unwrap().component_type_count();
        }
    }
    let name = b"wasi:random/insecure-seed@0.3.0";
    // An instance type without exports, and an import of that type.
    let instance_type = [7, 3, 1, 0x42, 0];
    let mut import = vec![1, 0, u8::try_from(name.len()).unwrap()];
    import.extend(name);
    import.push(5);
    assert!(types < 1 << 14, "two bytes cannot say {types}");
    import.extend([(types & 0x7f | 0x80) as u8, (types >> 7) as u8]);
    let mut whole = bytes.to_vec();
    whole.extend(instance_type);
    whole.extend([10, u8::try_from(import.len()).unwrap()]);
    whole.extend(import);
    whole.into()
}

fn memory() -> Arc<dyn KeyValue> {
    let bytes_max = 512 * 1024 * 1024;
    Arc::new(KeyValueDefault::new(MemoryConfig {
        bytes_max,
        ..MemoryConfig::default()
    }))
}

struct Stores(Engines);

impl Stores {
    fn new() -> Self {
        Self(Engines::new(EngineOptions::default()).unwrap())
    }

    /// The component of `bytes` as a store in front of `next`.
    async fn component(&self, bytes: Bytes, next: Option<Arc<dyn KeyValue>>) -> KeyValueComponent {
        let mut links = Links::default();
        if let Some(next) = next {
            links.insert::<KeyValueInterface>(name("default"), next);
        }
        let spec = ComponentSpec {
            actor: ActorAddress::component(name("test"), name("namespace")),
            compiled: self.0.compile(bytes).await.unwrap(),
            environment: Vec::new(),
            limits: ComponentLimits::default(),
            links: Arc::new(links),
        };
        let actor = ComponentActor::new(spec, &[Package::of::<WasiKeyValue>()]).unwrap();
        KeyValueComponent::new(actor).unwrap().expect("a store")
    }
}

/// As if the component exported nothing but `interfaces`.
fn with_only(component: KeyValueComponent, interfaces: &[&str]) -> Arc<dyn KeyValue> {
    let pre = component.instances.instance_pre();
    let export = Export::of(pre, |interface| interfaces.contains(&interface));
    Arc::new(KeyValueComponent {
        export: Arc::new(export.unwrap().expect("a store")),
        ..component
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_conforms() {
    let component = Stores::new().component(namespace(), Some(memory())).await;
    everywhere::<KeyValueInterface>(Arc::new(component), conformance::run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_without_batches_conforms() {
    let component = Stores::new().component(namespace(), Some(memory())).await;
    conformance::run(with_only(component, &["store", "atomics"])).await;
}

/// Each operation is called from within the event loop of the guest before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_of_0_3_in_a_row_conform() {
    let stores = Stores::new();
    let mut store = memory();
    for _ in 0..2 {
        let component = stores.component(of_0_3(&namespace()), Some(store)).await;
        let engine = component.instances.instance_pre().engine();
        let expected = stores.0.engine(EngineKind::Concurrent).unwrap();
        assert!(wasmtime::Engine::same(engine, expected));
        let gate = Gate::new(GateLimits::default());
        store = KeyValueInterface::guarded(Arc::new(component), gate);
    }
    conformance::run(store).await;
}

#[tokio::test]
async fn what_a_component_does_not_export_is_an_error_of_its_own() {
    let component = Stores::new().component(namespace(), Some(memory())).await;
    let store = with_only(component, &["store"]);
    let context = CallContext::default();
    let (bucket, key) = (Bucket::default(), Key::new("key").unwrap());
    let lacks = |error: KeyValueError| {
        let told = error.to_string();
        assert!(
            told.contains("does not export wasi:keyvalue/atomics"),
            "{told}"
        );
    };
    lacks(
        store
            .increment(&context, &bucket, &key, 1)
            .await
            .unwrap_err(),
    );
    let read = store.read_for_swap(&context, &bucket, &key).await.unwrap();
    let swap = store.swap(&context, &bucket, &key, &read.version, Bytes::new());
    lacks(swap.await.unwrap_err());
}

/// A fault behind the component is told in words; the component itself has not failed.
#[tokio::test]
async fn whoever_is_missing_behind_a_component_is_told_by_it() {
    let stores = Stores::new();
    let context = CallContext::default();
    let (bucket, key) = (Bucket::default(), Key::new("key").unwrap());
    let unlinked = stores.component(namespace(), None).await;
    let got = unlinked.get(&context, &bucket, &key).await;
    assert_eq!(got, Err(KeyValueError::NoSuchStore));
    let nobody = unreachable::<KeyValueInterface>(FaultKind::Unavailable);
    let cut_off = stores.component(namespace(), Some(nobody)).await;
    let error = cut_off.get(&context, &bucket, &key).await.unwrap_err();
    assert!(
        matches!(&error, KeyValueError::Other(told) if told.contains("nobody is there")),
        "{error}"
    );
}
