//! The glue as a guest meets it, without a guest.

use std::sync::Arc;

use wasmtime::{
    Engine,
    component::{Linker, Resource},
};
use wrt_contract::CallContext;
use wrt_host::{Host, InstanceState};
use wrt_protocol::FaultKind;
use wrt_test_kit::{linked_instance, unreachable};

use super::{
    call::BucketHandle,
    draft, draft2,
    error::{HostError, Words},
};
use crate::{
    Bucket, Key, KeyValue, KeyValueDefault, KeyValueError, KeyValueInterface, Limit, WasiKeyValue,
    limits::{BATCH_KEYS_MAX, SWAP_HANDLES_MAX},
};

fn instance(links: &[(&str, &Arc<dyn KeyValue>)]) -> InstanceState {
    linked_instance::<KeyValueInterface>(links)
}

fn memory() -> Arc<dyn KeyValue> {
    Arc::new(KeyValueDefault::default())
}

async fn open(state: &mut InstanceState, identifier: &str) -> Resource<BucketHandle> {
    let opened = draft2::store::Host::open(state, identifier.to_owned()).await;
    opened.expect("a bucket")
}

fn told<T>(outcome: Result<T, HostError>) -> KeyValueError {
    match outcome {
        Err(HostError::Told(error)) => error,
        Err(HostError::Trap(trap)) => panic!("a trap: {trap}"),
        Ok(_) => panic!("it succeeded"),
    }
}

#[test]
fn both_drafts_fit_into_one_linker() {
    let mut linker = Linker::<InstanceState>::new(&Engine::default());
    WasiKeyValue::add_to_linker(&mut linker).expect("no collision");
}

#[tokio::test]
async fn without_a_link_there_is_no_store() {
    let mut state = instance(&[]);
    let opened = draft2::store::Host::open(&mut state, "default".to_owned()).await;
    assert_eq!(told(opened), KeyValueError::NoSuchStore);
    let opened = draft::store::Host::open(&mut state, String::new()).await;
    assert_eq!(told(opened), KeyValueError::NoSuchStore);
}

#[tokio::test]
async fn an_identifier_names_a_link_and_a_bucket() {
    use draft2::store::HostBucket;

    let (default, sessions) = (memory(), memory());
    let mut state = instance(&[("default", &default), ("sessions", &sessions)]);
    for identifier in ["sessions", "other", ""] {
        let bucket = open(&mut state, identifier).await;
        let value = identifier.as_bytes().to_vec();
        state
            .set(bucket, "key".to_owned(), value)
            .await
            .expect("set");
    }
    let key = Key::new("key").expect("a legal key");
    let context = CallContext::default();
    let places = [
        (&sessions, "sessions", "sessions"),
        (&default, "other", "other"),
        (&default, "default", ""),
    ];
    for (store, bucket, value) in places {
        let bucket = Bucket::new(bucket).expect("a legal bucket");
        let found = store.get(&context, &bucket, &key).await.expect("get");
        assert_eq!(found.as_deref(), Some(value.as_bytes()), "{bucket:?}");
    }
}

#[tokio::test]
async fn a_fault_is_the_guests_error_and_no_trap() {
    use draft2::{atomics::Host as _, store::HostBucket};

    for (kind, denied) in [(FaultKind::Unavailable, false), (FaultKind::Denied, true)] {
        let mut state = instance(&[("default", &unreachable::<KeyValueInterface>(kind))]);
        let bucket = open(&mut state, "default").await;
        let again = Resource::new_borrow(bucket.rep());
        let get = state
            .get(bucket, "key".to_owned())
            .await
            .expect_err("nobody is there");
        match get.into_words().expect("no trap") {
            Words::AccessDenied => assert!(denied),
            Words::Other(text) => assert!(!denied && text.contains("not executed"), "{text}"),
            Words::NoSuchStore => panic!("there is a link"),
        }
        let sum = state.increment(again, "key".to_owned(), 1).await;
        assert!(matches!(told(sum), KeyValueError::Fault(_)));
    }
}

#[tokio::test]
async fn a_cas_handle_holds_what_it_read_and_a_failed_swap_gives_a_new_one() {
    use draft2::{
        atomics::{CasError, Host, HostCas},
        store::HostBucket,
    };

    let mut state = instance(&[("default", &memory())]);
    let bucket = open(&mut state, "default").await;
    let borrow = || Resource::new_borrow(bucket.rep());
    let cas = HostCas::new(&mut state, borrow(), "key".to_owned())
        .await
        .expect("cas");
    state
        .set(borrow(), "key".to_owned(), b"one".to_vec())
        .await
        .expect("set");
    let current = state
        .current(Resource::new_borrow(cas.rep()))
        .await
        .expect("current");
    assert_eq!(current, None, "as it was when the handle was made");
    let swap = state.swap(cas, b"two".to_vec()).await.expect("no trap");
    let Err(CasError::CasFailed(cas)) = swap else {
        panic!("{swap:?}");
    };
    let current = state
        .current(Resource::new_borrow(cas.rep()))
        .await
        .expect("current");
    assert_eq!(current.as_deref(), Some(&b"one"[..]));
    let swap = state.swap(cas, b"two".to_vec()).await.expect("no trap");
    assert!(swap.is_ok(), "{swap:?}");
    let value = state.get(borrow(), "key".to_owned()).await.expect("get");
    assert_eq!(value.as_deref(), Some(&b"two"[..]));
}

#[tokio::test]
async fn an_instance_holds_a_bounded_number_of_cas_handles() {
    use draft2::atomics::HostCas;

    let mut state = instance(&[("default", &memory())]);
    let bucket = open(&mut state, "default").await;
    for _handle in 0..SWAP_HANDLES_MAX {
        let borrow = Resource::new_borrow(bucket.rep());
        HostCas::new(&mut state, borrow, "key".to_owned())
            .await
            .expect("cas");
    }
    let borrow = Resource::new_borrow(bucket.rep());
    let error = told(HostCas::new(&mut state, borrow, "key".to_owned()).await);
    assert!(matches!(
        error,
        KeyValueError::OverLimit {
            limit: Limit::SwapHandles,
            ..
        }
    ));
}

#[tokio::test]
async fn unsigned_counters_never_wrap() {
    use draft::atomics::Host;

    let store = memory();
    let mut state = instance(&[("default", &store)]);
    let bucket = open(&mut state, "default").await;
    let borrow = || Resource::new_borrow(bucket.rep());
    let sum = state
        .increment(borrow(), "counter".to_owned(), u64::MAX)
        .await;
    assert_eq!(told(sum), KeyValueError::CounterOverflow);
    let max = i64::MAX.unsigned_abs();
    let sum = state.increment(borrow(), "counter".to_owned(), max).await;
    assert_eq!(sum.expect("it fits"), max);
    let sum = state.increment(borrow(), "counter".to_owned(), 1).await;
    assert_eq!(told(sum), KeyValueError::CounterOverflow);
    let (context, key) = (
        CallContext::default(),
        Key::new("negative").expect("a legal key"),
    );
    store
        .increment(&context, &Bucket::default(), &key, -5)
        .await
        .expect("increment");
    let sum = state.increment(borrow(), "negative".to_owned(), 2).await;
    assert_eq!(told(sum), KeyValueError::NegativeCounter);
}

#[tokio::test]
async fn the_drafts_spell_batches_and_cursors_differently() {
    let mut state = instance(&[("default", &memory())]);
    let bucket = open(&mut state, "default").await;
    let borrow = || Resource::new_borrow(bucket.rep());
    let key = |name: &str| name.to_owned();
    draft::batch::Host::set_many(&mut state, borrow(), vec![(key("a"), b"1".to_vec())])
        .await
        .expect("set many");
    let keys = vec![key("b"), key("a")];
    let older = draft::batch::Host::get_many(&mut state, borrow(), keys.clone()).await;
    assert_eq!(
        older.expect("get many"),
        [None, Some((key("a"), b"1".to_vec()))]
    );
    let newer = draft2::batch::Host::get_many(&mut state, borrow(), keys).await;
    let expected = [(key("b"), None), (key("a"), Some(b"1".to_vec()))];
    assert_eq!(newer.expect("get many"), expected);

    let bad = draft2::store::HostBucket::list_keys(&mut state, borrow(), Some(key("x"))).await;
    assert_eq!(told(bad), KeyValueError::BadCursor);
    let page = draft::store::HostBucket::list_keys(&mut state, borrow(), Some(0)).await;
    assert_eq!(page.expect("a page").keys, ["a"]);
    let many = vec![key("a"); BATCH_KEYS_MAX + 1];
    let error = told(draft2::batch::Host::delete_many(&mut state, borrow(), many).await);
    assert!(matches!(
        error,
        KeyValueError::OverLimit {
            limit: Limit::BatchKeys,
            ..
        }
    ));
    let error = told(draft2::store::HostBucket::get(&mut state, borrow(), String::new()).await);
    assert_eq!(error, KeyValueError::EmptyName);
}
