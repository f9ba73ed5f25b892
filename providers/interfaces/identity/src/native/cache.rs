//! Tokens that were given, for as long as they are good; and who waits for the same one.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use tokio::time::Instant;
use wrt_contract::CallContext;
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{
    IdentityError, IdentityName, Scopes, Token, TokenValue,
    limits::{
        LIFE_MAX, LIFE_UNTOLD, REFRESH_BEFORE_END, REFRESH_WAIT_MAX, REQUEST_TIMEOUT,
        TOKENS_KEPT_MAX,
    },
};

/// Tokens by identity and scopes. Cheap to clone; clones are one cache.
///
/// ```text
/// asked for            refreshed from here on      ends
///     |--------------------------|---------------------|
///       given as it is             given if no new one
///                                  comes in time
/// ```
///
/// One request at a time is on its way for an identity and its scopes. It goes on for as long as anybody waits
/// for it, within [`REQUEST_TIMEOUT`], whoever has begun it.
#[derive(Clone, Default)]
pub struct TokenCache(Arc<Mutex<Kept>>);

/// What a request for a token has brought.
#[derive(Debug)]
pub struct NewToken {
    /// The token.
    pub value: TokenValue,
    /// For how long it is good, from when it was asked for; [`LIFE_UNTOLD`] if nobody says.
    pub life: Option<Duration>,
}

type Key = (IdentityName, Scopes);
type Request = Shared<BoxFuture<'static, Result<Held, IdentityError>>>;

#[derive(Default)]
struct Kept(HashMap<Key, Entry>);

#[derive(Default)]
struct Entry {
    held: Option<Held>,
    /// The last one that a service has refused: who gives it again gives nothing.
    refused: Option<TokenValue>,
    request: Option<WeakShared<BoxFuture<'static, Result<Held, IdentityError>>>>,
}

#[derive(Clone)]
struct Held {
    value: TokenValue,
    refresh_at: Instant,
    ends_at: Instant,
}

impl TokenCache {
    /// The token that is kept, or one that is asked for with `request`; never the one that was `refused`.
    ///
    /// # Errors
    /// What `request` has, and [`IdentityError::Fault`] where the call's time is over before.
    ///
    /// # Cancel safety
    /// The request is given up when the last one who waits for it leaves.
    pub async fn token<F>(
        &self,
        context: &CallContext,
        (identity, scopes): (&IdentityName, &Scopes),
        refused: Option<&TokenValue>,
        request: impl FnOnce() -> F,
    ) -> Result<Token, IdentityError>
    where
        F: Future<Output = Result<NewToken, IdentityError>> + Send + 'static,
    {
        let key = (identity.clone(), scopes.clone());
        let (old, pending) = {
            let (mut kept, now) = (self.0.lock(), Instant::now());
            let entry = kept.entry(&key);
            if let Some(refused) = refused {
                entry.refuse(refused);
            }
            let old = entry.held.clone().filter(|held| now < held.ends_at);
            if let Some(held) = old.as_ref().filter(|held| now < held.refresh_at) {
                return Ok(held.token(now));
            }
            let begun = entry.request.as_ref().and_then(WeakShared::upgrade);
            let pending = begun.unwrap_or_else(|| {
                let begun = self.ask(key, request());
                entry.request = begun.downgrade();
                begun
            });
            (old, pending)
        };
        let Some(old) = old else {
            let held = context.bound(Hop::Backend, pending).await??;
            return Ok(held.token(Instant::now()));
        };
        let soon = context.narrowed(REFRESH_WAIT_MAX);
        let held = match soon.bound(Hop::Backend, pending).await {
            Ok(Ok(new)) => new,
            Ok(Err(error)) => {
                tracing::warn!(%identity, %error, "no new token yet: the old one is given for as long as it is good");
                old
            }
            Err(_late) => old,
        };
        Ok(held.token(Instant::now()))
    }

    fn ask(
        &self,
        key: Key,
        request: impl Future<Output = Result<NewToken, IdentityError>> + Send + 'static,
    ) -> Request {
        let kept = Arc::clone(&self.0);
        let asking = async move {
            let asked_at = Instant::now();
            let answer = tokio::time::timeout(REQUEST_TIMEOUT, request).await;
            let answer = answer.unwrap_or_else(|_late| {
                let detail = "who gives tokens does not answer";
                Err(Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail).into())
            });
            kept.lock().settle(&key, asked_at, answer)
        };
        asking.boxed().shared()
    }
}

impl Kept {
    /// What is known of a key; room is made for one of which nothing is.
    fn entry(&mut self, key: &Key) -> &mut Entry {
        if self.0.len() >= TOKENS_KEPT_MAX && !self.0.contains_key(key) {
            let ends_first = |(_, entry): &(&Key, &Entry)| {
                let held = entry.held.as_ref();
                held.map(|held| held.ends_at)
            };
            let first = self.0.iter().min_by_key(ends_first);
            if let Some(first) = first.map(|(key, _)| key.clone()) {
                self.0.remove(&first);
            }
        }
        match self.0.entry(key.clone()) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(new) => new.insert(Entry::default()),
        }
    }

    fn settle(
        &mut self,
        key: &Key,
        asked_at: Instant,
        answer: Result<NewToken, IdentityError>,
    ) -> Result<Held, IdentityError> {
        let entry = self.entry(key);
        entry.request = None;
        let NewToken { value, life } = answer?;
        if entry.refused.as_ref() == Some(&value) {
            return Err(IdentityError::other(
                "the token was given once more that a service has refused",
            ));
        }
        let life = life.unwrap_or(LIFE_UNTOLD).min(LIFE_MAX);
        let held = Held {
            value,
            refresh_at: asked_at + life - REFRESH_BEFORE_END.min(life / 4),
            ends_at: asked_at + life,
        };
        entry.held = Some(held.clone());
        Ok(held)
    }
}

impl Entry {
    fn refuse(&mut self, refused: &TokenValue) {
        if self.held.as_ref().map(|held| &held.value) == Some(refused) {
            self.held = None;
            self.refused = Some(refused.clone());
        }
    }
}

impl Held {
    fn token(&self, now: Instant) -> Token {
        Token {
            value: self.value.clone(),
            good_for: self.ends_at.saturating_duration_since(now),
        }
    }
}
