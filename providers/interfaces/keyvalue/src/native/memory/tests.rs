use wrt_protocol::{Epoch, Execution, Fault, FaultKind, Fence, LeaseName};

use super::*;

#[tokio::test]
async fn a_full_store_refuses_and_frees_again() {
    let store = KeyValueDefault::new(MemoryConfig {
        bytes_max: 2 * (ENTRY_OVERHEAD_BYTES + 11),
        ..MemoryConfig::default()
    });
    let (context, bucket) = (CallContext::default(), Bucket::default());
    let [a, b, c] = ["a", "b", "c"].map(|name| Key::new(name).unwrap());
    let ten = Bytes::from_static(b"0123456789");
    store.set(&context, &bucket, &a, ten.clone()).await.unwrap();
    store.set(&context, &bucket, &b, ten.clone()).await.unwrap();
    let full = store.set(&context, &bucket, &c, ten.clone()).await;
    assert_eq!(full, Err(KeyValueError::Full));
    store
        .set(&context, &bucket, &a, ten.clone())
        .await
        .expect("it replaces as much");
    store.delete(&context, &bucket, &b).await.unwrap();
    store
        .set(&context, &bucket, &c, ten)
        .await
        .expect("there is room again");
    for key in [&a, &c] {
        store.delete(&context, &bucket, key).await.unwrap();
    }
    assert_eq!(store.lock().bytes, 0);
    assert!(store.lock().buckets.is_empty());
}

#[tokio::test(start_paused = true)]
async fn first_answers_take_room_for_their_time() {
    let store = KeyValueDefault::new(MemoryConfig {
        bytes_max: 4 * ENTRY_OVERHEAD_BYTES,
        deduplicate_for_ms: Some(1000),
    });
    let (bucket, key) = (Bucket::default(), Key::new("n").unwrap());
    let increment = || {
        let context = CallContext::default().for_operation();
        let (store, bucket, key) = (&store, &bucket, &key);
        async move { store.increment(&context, bucket, key, 1).await }
    };
    for sum in 1..=2 {
        assert_eq!(increment().await, Ok(sum));
    }
    assert_eq!(increment().await, Err(KeyValueError::Full));
    tokio::time::advance(Duration::from_millis(1000)).await;
    assert_eq!(increment().await, Ok(3), "what was refused has not run");
    assert_eq!(store.lock().answers.count(), 1);
}

/// The bug: answers whose time was up took room until somebody incremented.
#[tokio::test(start_paused = true)]
async fn a_set_finds_the_room_of_old_answers() {
    let store = KeyValueDefault::new(MemoryConfig {
        bytes_max: 5 * ENTRY_OVERHEAD_BYTES,
        deduplicate_for_ms: Some(1000),
    });
    let (bucket, [n, other]) = (
        Bucket::default(),
        ["n", "other"].map(|name| Key::new(name).unwrap()),
    );
    for sum in 1..=3 {
        let context = CallContext::default().for_operation();
        assert_eq!(store.increment(&context, &bucket, &n, 1).await, Ok(sum));
    }
    let (context, value) = (CallContext::default(), Bytes::from_static(b"1"));
    let set = store.set(&context, &bucket, &other, value.clone()).await;
    assert_eq!(set, Err(KeyValueError::Full));
    tokio::time::advance(Duration::from_millis(1000)).await;
    let set = store.set(&context, &bucket, &other, value).await;
    assert_eq!(set, Ok(()));
}

/// Fails when the gate alone looks at it: a call that it has let in may write behind one that came later.
#[tokio::test]
async fn no_write_of_an_earlier_holder_follows_one_of_a_later() {
    let store = KeyValueDefault::default();
    let (bucket, key) = (Bucket::default(), Key::new("n").unwrap());
    let under = |epoch| {
        let fence = Fence::new(LeaseName::new("work").unwrap(), Epoch(epoch));
        CallContext::default().with_fence(Some(fence))
    };
    let (old, new, value) = (under(7), under(8), Bytes::from_static(b"1"));
    store.set(&old, &bucket, &key, value.clone()).await.unwrap();
    assert_eq!(store.increment(&new, &bucket, &key, 1).await, Ok(2));
    let version = store.read_for_swap(&old, &bucket, &key).await.unwrap();
    let (version, entry) = (version.version, [(key.clone(), value.clone())]);
    let refused = [
        store.set(&old, &bucket, &key, value.clone()).await,
        store.delete(&old, &bucket, &key).await,
        store.increment(&old, &bucket, &key, 1).await.map(drop),
        store
            .swap(&old, &bucket, &key, &version, value)
            .await
            .map(drop),
        store.set_many(&old, &bucket, &entry).await,
        store
            .delete_many(&old, &bucket, std::slice::from_ref(&key))
            .await,
    ];
    for refused in refused {
        let KeyValueError::Fault(fault) = refused.unwrap_err() else {
            panic!("a fault");
        };
        let what = |fault: &Fault| (fault.kind(), fault.execution(), fault.hop());
        let expected = (FaultKind::Fenced, Execution::NotExecuted, Hop::Backend);
        assert_eq!(what(&fault), expected);
    }
    let now = store.get(&old, &bucket, &key).await;
    assert_eq!(now, Ok(Some(Bytes::from_static(b"2"))), "it may read");
}
