//! Leases in a real JetStream.

#![cfg(test)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::timeout};
use wrt_deployment::{Grant, LeaseTimes, Leases, NoteWritten, Store, StoredNote};
use wrt_protocol::LatticeName;
use wrt_test_servers::NatsServer;

/// Far more than a takeover takes.
const A_WHILE: Duration = Duration::from_secs(20);

async fn leases(server: &NatsServer) -> Leases {
    let client = async_nats::connect(server.url()).await.unwrap();
    let lattice = LatticeName::new("test").unwrap();
    let store = Store::make(client, &lattice, 1).await.unwrap();
    store.leases().await.unwrap().expect("it is made")
}

/// One who wants a lease, and what it is told.
struct One {
    grants: watch::Receiver<Option<Grant>>,
    keeper: JoinSet<()>,
}

impl One {
    fn new(leases: &Leases, name: &str) -> Self {
        let (told, grants) = watch::channel(None);
        let (leases, name) = (leases.clone(), name.to_owned());
        let mut keeper = JoinSet::new();
        keeper.spawn(async move { leases.keep("work", &name, LeaseTimes::DEFAULT, &told).await });
        Self { grants, keeper }
    }

    fn has_it(&self) -> bool {
        self.grants
            .borrow()
            .is_some_and(|grant| grant.ends_at > Instant::now())
    }

    async fn epoch(&mut self) -> u64 {
        let granted = timeout(A_WHILE, self.grants.wait_for(Option::is_some)).await;
        granted
            .expect("in time")
            .expect("it is kept")
            .expect("it is some")
            .epoch
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_has_it_and_another_follows_when_it_is_gone() {
    let server = NatsServer::start().unwrap();
    let leases = leases(&server).await;
    let mut first = One::new(&leases, "first");
    let epoch = first.epoch().await;
    let mut second = One::new(&leases, "second");
    let since = Instant::now();
    while since.elapsed() < LeaseTimes::DEFAULT.lasts * 5 / 4 {
        assert!(first.has_it() && !second.has_it(), "it is renewed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // As if it were killed: nothing is said to anybody.
    let ended = first.grants.borrow().expect("it has it").ends_at;
    first.keeper.shutdown().await;
    let gone = Instant::now();
    let next = second.epoch().await;
    assert!(next > epoch, "{next} after {epoch}");
    assert!(Instant::now() >= ended, "the first one's time was not over");
    assert!(
        gone.elapsed() < Duration::from_secs(5),
        "{:?}",
        gone.elapsed()
    );

    // Given back, it is taken without a wait.
    let mut third = One::new(&leases, "third");
    second.keeper.shutdown().await;
    let given_back = Instant::now();
    leases.give_back("work", "second").await;
    assert!(third.epoch().await > next);
    assert!(
        given_back.elapsed() < LeaseTimes::DEFAULT.lasts,
        "{:?}",
        given_back.elapsed()
    );
}

/// Two go on from the same note: one of them does.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_written_by_one_of_two() {
    let server = NatsServer::start().unwrap();
    let leases = leases(&server).await;
    let nothing = leases.note("work").await;
    assert_eq!(nothing, Some(StoredNote::default()));
    let written = |text: &'static str, instead_of| {
        let leases = leases.clone();
        async move { leases.write_note("work", text, instead_of).await }
    };
    let NoteWritten::As(first) = written("first", None).await else {
        panic!("nobody else has written");
    };
    assert_eq!(written("other", None).await, NoteWritten::TooLate);
    // As if its answer had been lost.
    assert_eq!(written("first", None).await, NoteWritten::As(first));
    let two = tokio::join!(
        written("second", Some(first)),
        written("third", Some(first))
    );
    let is_written = |it: &NoteWritten| matches!(it, NoteWritten::As(_));
    assert_eq!([two.0, two.1].iter().filter(|it| is_written(it)).count(), 1);
    assert!([two.0, two.1].contains(&NoteWritten::TooLate), "{two:?}");
    let last = if is_written(&two.0) {
        "second"
    } else {
        "third"
    };
    let stored = leases.note("work").await.and_then(|note| note.text);
    assert_eq!(stored.as_deref(), Some(last));
}

/// It stops before its time is over, and has another epoch afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_renew_has_it_no_more() {
    let server = NatsServer::start().unwrap();
    let leases = leases(&server).await;
    let mut one = One::new(&leases, "one");
    let epoch = one.epoch().await;
    let server = Arc::new(server);
    server.pause().unwrap();
    let lost = timeout(A_WHILE, one.grants.wait_for(Option::is_none)).await;
    lost.expect("in time").expect("it is kept");
    server.resume().unwrap();
    assert!(one.epoch().await > epoch);
}
