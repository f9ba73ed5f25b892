//! Replicas through their lives, on the paused clock.

#[path = "tree/world.rs"]
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;
use world::{
    Connect, Hotel, Service, Told, assert_no_task_is_left, provider, state, until, until_state,
};
use wrt_contract::{CallContext, LocalDirectory};
use wrt_protocol::{FaultKind, heartbeat::ReplicaState};
use wrt_supervision::{OfferChange, Supervision, SupervisionOptions};

const PATIENCE: Duration = Duration::from_secs(10);

async fn tree(told: &Told) -> Supervision {
    let options = SupervisionOptions {
        jitter_seed: 42,
        ..SupervisionOptions::default()
    };
    Supervision::start_with(options, told.on_change()).await
}

#[tokio::test(start_paused = true)]
async fn a_provider_whose_service_is_away_connects_when_it_comes() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    service.is_up.store(false, Relaxed);
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    // Calls wait for it at first, and are refused when it lasts.
    let began = Instant::now();
    until("it was tried", || service.starts.load(Relaxed) >= 5).await;
    assert_eq!(state(&tree, &redis), Some(ReplicaState::Starting));
    until_state(&tree, &redis, ReplicaState::Failing).await;
    let failing_after = began.elapsed();
    assert!(
        (30..40).contains(&failing_after.as_secs()),
        "{failing_after:?}"
    );

    // An hour of it: never given up, and never faster than the longest delay halved.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let starts = service.starts.load(Relaxed);
    assert!(
        (700..1500).contains(&starts),
        "{starts} attempts in an hour"
    );
    assert_eq!(told.all(), Vec::<String>::new());

    service.is_up.store(true, Relaxed);
    let back = Instant::now();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    assert!(
        back.elapsed() <= Duration::from_secs(6),
        "{:?}",
        back.elapsed()
    );
    assert_eq!(told.all(), ["+test:bell"]);
    tree.shutdown(PATIENCE).await;
    assert_no_task_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_takes_the_offer_out_and_a_new_start_brings_it_back() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    let first = service.gate();

    service.is_up.store(false, Relaxed);
    until_state(&tree, &redis, ReplicaState::Failing).await;
    assert_eq!(told.all(), ["+test:bell", "-test:bell"]);
    let fault = first.admit(&CallContext::default()).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Draining);

    service.is_up.store(true, Relaxed);
    until_state(&tree, &redis, ReplicaState::Ready).await;
    assert_eq!(told.all(), ["+test:bell", "-test:bell", "+test:bell"]);
    assert!(service.gate().admit(&CallContext::default()).await.is_ok());
    tree.shutdown(PATIENCE).await;
    assert_no_task_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_flaps_gets_slow_restarts() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    let mut delays = Vec::new();
    for _ in 0..8 {
        service.is_up.store(true, Relaxed);
        until_state(&tree, &redis, ReplicaState::Ready).await;
        service.is_up.store(false, Relaxed);
        until_state(&tree, &redis, ReplicaState::Failing).await;
        service.is_up.store(true, Relaxed);
        let failed = Instant::now();
        until_state(&tree, &redis, ReplicaState::Ready).await;
        delays.push(failed.elapsed());
    }
    assert!(delays[0] < Duration::from_millis(110), "{delays:?}");
    assert!(delays[7] > Duration::from_secs(2), "{delays:?}");
    tree.shutdown(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_in_hand_is_drained_and_nothing_new_is_taken() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    let tree = Arc::new(tree(&told).await);
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    let gate = service.gate();
    let in_hand = gate.admit(&CallContext::default()).await.unwrap();

    let stopping = tokio::spawn({
        let (tree, redis) = (Arc::clone(&tree), redis.clone());
        async move { tree.stop(&redis, PATIENCE).await }
    });
    until_state(&tree, &redis, ReplicaState::Draining).await;
    assert_eq!(
        told.all(),
        ["+test:bell", "-test:bell"],
        "out of the links before it is idle"
    );
    assert_eq!(
        tree.status()[0].2.running,
        1,
        "its load is seen until it is gone"
    );
    assert!(gate.admit(&CallContext::default()).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!stopping.is_finished());

    drop(in_hand);
    stopping.await.unwrap();
    assert_eq!(state(&tree, &redis), None);
    Arc::into_inner(tree)
        .expect("the last handle")
        .shutdown(PATIENCE)
        .await;
    assert_no_task_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_end_holds_a_stop_no_longer_than_its_patience() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    let _for_ever = service.gate().admit(&CallContext::default()).await.unwrap();
    let asked = Instant::now();
    tree.stop(&redis, PATIENCE).await;
    assert!(asked.elapsed() >= PATIENCE && asked.elapsed() < PATIENCE + Duration::from_secs(1));
    tree.shutdown(PATIENCE).await;
    assert_no_task_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_holds_is_sent_once_its_last_call_has_ended() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    let first = service.gate();
    // One that is replaced, and then the one that is stopped.
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    until("it is replaced", || service.closes.load(Relaxed) == 1).await;
    assert!(first.is_draining());
    let permit = service.gate().admit(&CallContext::default()).await.unwrap();
    let ended = tokio::spawn(async move {
        tokio::time::sleep(PATIENCE / 2).await;
        drop(permit);
    });
    tree.stop(&redis, PATIENCE).await;
    ended.await.unwrap();
    assert_eq!(service.closes.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_hangs_is_given_up() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    service.close_hangs.store(true, Relaxed);
    let tree = tree(&told).await;
    for (patience, least, most) in [(PATIENCE, 4_999, 5_100), (Duration::ZERO, 499, 600)] {
        tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
            .unwrap();
        until_state(&tree, &redis, ReplicaState::Ready).await;
        let began = Instant::now();
        tree.stop(&redis, patience).await;
        let took = began.elapsed().as_millis();
        assert!((least..=most).contains(&took), "{took} ms of {patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_panics_or_hangs_is_contained() {
    let told = Told::default();
    let (buggy, stuck, sound) = (Service::up(), Service::up(), Service::up());
    buggy.panics.store(true, Relaxed);
    stuck.hangs.store(true, Relaxed);
    let tree = tree(&told).await;
    for (name, service) in [("buggy", &buggy), ("stuck", &stuck), ("sound", &sound)] {
        tree.run(provider(name), Arc::new(Connect(Arc::clone(service))))
            .unwrap();
    }
    until_state(&tree, &provider("sound"), ReplicaState::Ready).await;
    // For good, and at once.
    until_state(&tree, &provider("buggy"), ReplicaState::Failing).await;
    assert_eq!(
        state(&tree, &provider("stuck")),
        Some(ReplicaState::Starting)
    );
    until_state(&tree, &provider("stuck"), ReplicaState::Failing).await;

    buggy.panics.store(false, Relaxed);
    stuck.hangs.store(false, Relaxed);
    until_state(&tree, &provider("buggy"), ReplicaState::Ready).await;
    until_state(&tree, &provider("stuck"), ReplicaState::Ready).await;
    tree.shutdown(PATIENCE).await;
    assert_no_task_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_refused_is_not_made_again_soon() {
    let (told, service, redis) = (Told::default(), Service::up(), provider("redis"));
    service.refuses.store(true, Relaxed);
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(service.starts.load(Relaxed), 1);
    // But a new start is, at once.
    let other = Service::up();
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&other))))
        .unwrap();
    let asked = Instant::now();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    assert!(asked.elapsed() < Duration::from_millis(100));
    tree.shutdown(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_start_replaces_the_old_one_without_a_gap() {
    let (told, redis) = (Told::default(), provider("redis"));
    let (old, broken, new) = (Service::with_door(), Service::up(), Service::up());
    broken.is_up.store(false, Relaxed);
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&old))))
        .unwrap();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    let in_hand = old.gate().admit(&CallContext::default()).await.unwrap();

    // One that does not start leaves the old one alone.
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&broken))))
        .unwrap();
    until("the broken one was tried", || {
        broken.starts.load(Relaxed) > 3
    })
    .await;
    assert_eq!(state(&tree, &redis), Some(ReplicaState::Ready));
    assert!(!old.gate().is_draining());

    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&new))))
        .unwrap();
    until("the old one drains", || old.gate().is_draining()).await;
    assert_eq!(
        told.all(),
        ["+test:bell", "+test:door", "-test:door", "+test:bell"]
    );
    assert_eq!(old.gate().load().running, 1, "a call in hand goes on");
    drop(in_hand);
    tree.shutdown(PATIENCE).await;
    assert_no_task_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_probed_while_its_replacement_does_not_start() {
    let (told, redis) = (Told::default(), provider("redis"));
    let (old, broken) = (Service::up(), Service::up());
    broken.refuses.store(true, Relaxed);
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&old))))
        .unwrap();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&broken))))
        .unwrap();
    until("the broken one was tried", || {
        broken.starts.load(Relaxed) == 1
    })
    .await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(told.all(), ["+test:bell"]);

    old.is_up.store(false, Relaxed);
    until_state(&tree, &redis, ReplicaState::Failing).await;
    assert_eq!(told.all(), ["+test:bell", "-test:bell"]);
    broken.refuses.store(false, Relaxed);
    until_state(&tree, &redis, ReplicaState::Ready).await;
    assert_eq!(
        old.starts.load(Relaxed),
        1,
        "what is wanted now is the replacement"
    );
    tree.shutdown(PATIENCE).await;
    assert_no_task_is_left().await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_fails_itself_is_started_again_by_its_supervisor() {
    let (service, redis) = (Service::up(), provider("redis"));
    let told = Told::default();
    let (tell, panics) = (
        told.on_change(),
        Arc::new(std::sync::atomic::AtomicU32::new(3)),
    );
    let left = Arc::clone(&panics);
    let tree = Supervision::start(Arc::new(move |actor, change| {
        let panicked = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        assert!(panicked.is_err(), "a node's bug");
        tell(actor, change);
    }))
    .await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&service))))
        .unwrap();
    until("it is offered", || {
        told.all().last().is_some_and(|told| told == "+test:bell")
    })
    .await;
    assert_eq!(panics.load(Relaxed), 0);
    assert_eq!(state(&tree, &redis), Some(ReplicaState::Ready));
    tree.shutdown(PATIENCE).await;
    assert_no_task_is_left().await;
}

/// Its gate held what its lease needed, and that the gate, until the lease ended.
#[tokio::test(start_paused = true)]
async fn what_an_actor_that_fails_itself_leaves_is_drained() {
    let (hotel, inn) = (Arc::<Hotel>::default(), provider("inn"));
    let directory = LocalDirectory::default();
    let fails = AtomicBool::new(true);
    let tree = Supervision::start(Arc::new(move |actor, change| match change {
        OfferChange::Offered { offers, .. } => {
            offers
                .iter()
                .for_each(|offer| offer.install(&directory, actor));
            assert!(!fails.swap(false, Relaxed), "a node's bug");
        }
        OfferChange::Withdrawn { offers } => {
            offers
                .iter()
                .for_each(|offer| offer.remove(&directory, actor));
        }
    }))
    .await;
    tree.run(inn.clone(), Arc::clone(&hotel) as _).unwrap();
    until("it runs again", || hotel.lodges.lock().len() == 2).await;
    until_state(&tree, &inn, ReplicaState::Ready).await;
    let first = hotel.lodges.lock()[0].clone();
    assert!(first.upgrade().is_some(), "its lease may be used");
    tokio::time::sleep(SupervisionOptions::default().replaced_patience).await;
    until("it is gone", || first.upgrade().is_none()).await;
    tree.shutdown(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn stop_and_run_in_one_breath_end_in_running() {
    let (told, redis) = (Told::default(), provider("redis"));
    let (first, second) = (Service::up(), Service::up());
    let tree = tree(&told).await;
    tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&first))))
        .unwrap();
    until_state(&tree, &redis, ReplicaState::Ready).await;
    let stopped = tree.stop(&redis, PATIENCE);
    let ran = async {
        tree.run(redis.clone(), Arc::new(Connect(Arc::clone(&second))))
            .unwrap()
    };
    tokio::join!(stopped, ran);
    until("the second one runs", || second.starts.load(Relaxed) == 1).await;
    until_state(&tree, &redis, ReplicaState::Ready).await;
    assert_eq!(told.all(), ["+test:bell", "-test:bell", "+test:bell"]);
    tree.shutdown(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_after_a_shutdown_or_a_drop() {
    let service = Service::up();
    for is_dropped in [false, true] {
        let tree = tree(&Told::default()).await;
        for number in 0..50 {
            let start = Connect(Arc::clone(&service));
            tree.run(provider(&format!("p{number}")), Arc::new(start))
                .unwrap();
        }
        until("all are ready", || {
            let status = tree.status();
            status.len() == 50
                && status
                    .iter()
                    .all(|(_, state, _)| *state == ReplicaState::Ready)
        })
        .await;
        if is_dropped {
            drop(tree);
        } else {
            tree.shutdown(PATIENCE).await;
        }
        assert_no_task_is_left().await;
        assert_eq!(
            Arc::strong_count(&service),
            1,
            "no start, probe or offer is left"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_hosts_no_more_than_it_can_report() {
    let (told, service) = (Told::default(), Service::up());
    let tree = tree(&told).await;
    let run = |number: usize| {
        tree.run(
            provider(&format!("p{number}")),
            Arc::new(Connect(Arc::clone(&service))),
        )
    };
    for number in 0..1024 {
        run(number).unwrap();
    }
    let error = run(1024).unwrap_err().to_string();
    assert!(error.contains("the 1024 that a node can host"), "{error}");
    run(7).unwrap();
    tree.shutdown(PATIENCE).await;
}
