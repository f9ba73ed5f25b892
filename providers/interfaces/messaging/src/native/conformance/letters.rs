//! What a provider does with dead letters.

use std::sync::Arc;

use wrt_contract::CallContext;
use wrt_runtime::{DeadLetter, DeadLetterError, DeadLetters, PAGE_LETTERS_MAX};

use super::{
    Fixture,
    recorder::{ATTEMPTS_MAX, FAILS},
};
use crate::{Message, Topic};

const COMPONENT: &str = "handler";

/// What every provider that keeps dead letters does, with `letters` as the way to those of the provider that
/// `fixture` sends by. Nobody else may make any meanwhile.
///
/// # Panics
/// Where it does something else.
pub async fn dead_letters(fixture: Fixture, letters: Arc<dyn DeadLetters>) {
    let context = CallContext::default;
    let (again, gone) = (fixture.topic("replayed"), fixture.topic("dropped"));
    for (topic, fails) in [(&again, ATTEMPTS_MAX + 1), (&gone, u32::MAX)] {
        fixture.give_up(topic, fails).await;
    }
    let is_both = |it: &DeadLetter| [again.as_str(), gone.as_str()].contains(&it.subject.as_str());
    let all = loop {
        // One is stored a moment after its last attempt.
        let all = all(&*letters).await;
        if all.iter().filter(|it| is_both(it)).count() >= 2 {
            break all;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let of = |topic: &Topic| {
        let mut letters = all.iter().filter(|it| it.subject == topic.as_str());
        let letter = letters.next().expect("it is listed").clone();
        assert!(letters.next().is_none(), "it is listed once");
        letter
    };
    let (first, second) = (of(&again), of(&gone));
    assert_eq!(
        (first.attempts, first.reason.as_str(), first.bytes),
        (ATTEMPTS_MAX, "on purpose", 6)
    );
    let opened = letters.open(&context(), COMPONENT, &first.id).await;
    let opened = opened.expect("it is there");
    assert_eq!((&opened.letter, &opened.data[..]), (&first, &b"poison"[..]));
    let entry = (FAILS.to_owned(), (ATTEMPTS_MAX + 1).to_string());
    assert!(opened.metadata.contains(&entry), "{opened:?}");

    // It fails once more, and stays.
    let replayed = letters.replay(&context(), COMPONENT, &first.id).await;
    assert_eq!(
        replayed,
        Err(DeadLetterError::NotHandled("on purpose".to_owned()))
    );
    let replayed = letters.replay(&context(), COMPONENT, &first.id).await;
    assert_eq!(replayed, Ok(()));
    let [handled] = fixture.recorder.handled(&again).await;
    assert_eq!(
        (&handled.data[..], handled.topic),
        (&b"poison"[..], Some(again.clone()))
    );
    assert_eq!(fixture.recorder.calls(&again), ATTEMPTS_MAX + 2);

    let dropped = letters.discard(&context(), COMPONENT, &second.id).await;
    assert_eq!(dropped, Ok(()));
    for id in [first.id.as_str(), &second.id, "none", ""] {
        let gone = Err(DeadLetterError::NoSuchLetter(id.to_owned()));
        let opened = letters.open(&context(), COMPONENT, id).await;
        assert_eq!(opened.map(drop), gone);
        assert_eq!(letters.replay(&context(), COMPONENT, id).await, gone);
        assert_eq!(letters.discard(&context(), COMPONENT, id).await, gone);
    }
    let nobody = letters.list(&context(), "nobody", None).await;
    assert_eq!(
        nobody,
        Err(DeadLetterError::NoSuchComponent("nobody".to_owned()))
    );
    many(&fixture, &*letters).await;
}

/// More than one page of them.
async fn many(fixture: &Fixture, letters: &dyn DeadLetters) {
    let context = CallContext::default;
    let before = all(letters).await.len();
    let topic = fixture.topic("many");
    for _ in 0..=PAGE_LETTERS_MAX {
        fixture.send(&topic, &poison(u32::MAX)).await;
    }
    let calls = u32::try_from(PAGE_LETTERS_MAX + 1).expect("a few") * ATTEMPTS_MAX;
    fixture.recorder.called(&topic, calls).await;
    let listed = fixture
        .until_listed(letters, before + PAGE_LETTERS_MAX + 1)
        .await;
    for letter in listed {
        if letter.subject == topic.as_str() {
            let dropped = letters.discard(&context(), COMPONENT, &letter.id).await;
            assert_eq!(dropped, Ok(()));
        }
    }
    assert_eq!(all(letters).await.len(), before);
}

fn poison(fails: u32) -> Message {
    let mut message = Message::new("poison");
    message.metadata = vec![(FAILS.to_owned(), fails.to_string())];
    message
}

async fn all(letters: &dyn DeadLetters) -> Vec<DeadLetter> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let context = CallContext::default();
        let page = letters.list(&context, COMPONENT, after).await;
        let page = page.expect("a page");
        assert!(page.letters.len() <= PAGE_LETTERS_MAX);
        all.extend(page.letters);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

impl Fixture {
    /// Has a message of a topic given up.
    async fn give_up(&self, topic: &Topic, fails: u32) {
        self.send(topic, &poison(fails)).await;
        self.recorder.called(topic, ATTEMPTS_MAX).await;
    }

    /// The dead letters, as soon as there are so many: one is stored a moment after its last attempt.
    async fn until_listed(&self, letters: &dyn DeadLetters, count: usize) -> Vec<DeadLetter> {
        let listed = async {
            loop {
                let listed = all(letters).await;
                if listed.len() >= count {
                    return listed;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let listed = tokio::time::timeout(super::recorder::COMES_WITHIN, listed).await;
        listed.unwrap_or_else(|_elapsed| panic!("not {count} dead letters"))
    }
}
