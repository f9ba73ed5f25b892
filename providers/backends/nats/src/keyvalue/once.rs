//! Operations that are executed once under their idempotency key.
//!
//! A message of a bucket carries, beside its value, the key and the first answer of the operation
//! that wrote it. One message is one step, so no operation takes effect without its answer being
//! there. The answers of operations that were overwritten are in a bucket of their own, which forgets
//! each after the stated time. Every writer of the provider, `set` and `delete` included, does this:
//!
//! ```text
//! 1. read the record          its revision r, its value, and the pair (k', a') that it carries
//! 2. k' is the own key?       a' is the answer
//! 3. look for the own key in the bucket of answers, and keep (k', a') there
//! 4. found?                   that is the answer
//! 5. write value and own pair, on condition that the revision still is r; if not: from 1.
//! ```
//!
//! **Claim**: of all attempts under one key at most one takes effect, and the others give its answer.
//! *An answer is always to be found*: a message with a pair is replaced only in step 5 of somebody
//! who has kept that very pair in step 3, because revision r names the message that he read.
//! *The order finds it*: let an operation under our key take effect at revision e, and let us have
//! read revision r. With e = r step 2 finds it. With e < r its message had been replaced when we read,
//! so its pair had been kept before we looked in step 3, which finds it. Were 3 done before 1, it could
//! miss what is kept between the two. With e > r, also by a message that is still under way while we
//! write, the revision is not r any more, or will not be once ours is written: one of the two fails
//! in step 5, and starts again.
//!
//! A write that fails with its answer lost is looked for in the same way. An increment that answers an
//! error writes the same value again with its pair: otherwise a late first attempt could still add,
//! after the caller was told by a second one that nothing was. That changes the key's revision, so a
//! swap that was read before may fail without need. A swap that failed writes nothing: revisions only
//! grow, so whoever repeats it fails again.

use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join;
use wrt_contract::CallContext;
use wrt_keyvalue::{
    Bucket, FirstAnswer, Key, KeyValueError, SwapOutcome, Version, counter_add, counter_bytes,
};
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{
    ROUNDS_MAX,
    record::{First, Record, Write},
    revision,
};
use crate::Nats;

/// What an operation makes of a record.
struct Executed {
    answer: FirstAnswer,
    /// What the key holds from then on; none where nothing is to be written.
    value: Option<Bytes>,
}

impl Nats {
    /// For how long first answers are kept, if they are.
    pub(super) fn deduplicates_for(&self) -> Option<Duration> {
        self.config().deduplicate_for_ms.map(Duration::from_millis)
    }

    pub(super) async fn increment_once(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
    ) -> Result<i64, KeyValueError> {
        let answer = self.once(context, bucket, key, |record| {
            let sum = counter_add(record.value.as_deref(), delta);
            let value = match &sum {
                Ok(sum) => Some(counter_bytes(*sum)),
                Err(_) => record.value.clone(),
            };
            let answer = FirstAnswer::of_increment(&sum);
            let answer = answer.expect("a sum, and both errors of one, are first answers");
            Executed { answer, value }
        });
        answer.await?.into_increment()
    }

    pub(super) async fn swap_once(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        expected: &Version,
        value: &Bytes,
    ) -> Result<SwapOutcome, KeyValueError> {
        let expected = revision(expected)?;
        let answer = self.once(context, bucket, key, |record| {
            if record.revision == expected {
                let value = Some(value.clone());
                let answer = FirstAnswer::Swapped;
                Executed { answer, value }
            } else {
                let (answer, value) = (FirstAnswer::Failed, None);
                Executed { answer, value }
            }
        });
        answer.await?.into_swap()
    }

    async fn once(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        run: impl Fn(&Record) -> Executed,
    ) -> Result<FirstAnswer, KeyValueError> {
        let _turn = self.turn(context, bucket, key).await?;
        for _round in 0..ROUNDS_MAX {
            let record = self.read(context, bucket, key).await?;
            if let Some(answer) = self.first_answer(context, &record).await? {
                return Ok(answer);
            }
            let Executed { answer, value } = run(&record);
            let Some(value) = value else {
                return Ok(answer);
            };
            let write = Write {
                value,
                entry: 0,
                expected: Some(record.revision),
                first: context.key().map(|key| First { key, answer }),
            };
            if self.write(context, bucket, key, write).await? == SwapOutcome::Swapped {
                return Ok(answer);
            }
        }
        Err(contended(context))
    }

    /// The first answer of the operation, if it has been given; the one that the record carries is
    /// kept meanwhile, so that the record may be replaced.
    async fn first_answer(
        &self,
        context: &CallContext,
        record: &Record,
    ) -> Result<Option<FirstAnswer>, KeyValueError> {
        if let (Some(first), Some(key)) = (&record.first, context.key())
            && first.key == key
        {
            return Ok(Some(first.answer));
        }
        let look = self.find_answer(context);
        let (found, ()) = try_join(look, self.keep_answer(context, record)).await?;
        Ok(found)
    }

    /// Sets a key, and loses no answer by it.
    pub(super) async fn set_over(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        key: &Key,
        value: Bytes,
        entry: usize,
    ) -> Result<(), KeyValueError> {
        let _turn = self.turn(context, bucket, key).await?;
        for _round in 0..ROUNDS_MAX {
            let record = self.read(context, bucket, key).await?;
            self.keep_answer(context, &record).await?;
            let write = Write {
                value: value.clone(),
                entry,
                expected: Some(record.revision),
                first: None,
            };
            if self.write(context, bucket, key, write).await? == SwapOutcome::Swapped {
                return Ok(());
            }
        }
        Err(contended(context))
    }

    /// Removes a key, and loses no answer by it.
    pub(super) async fn remove_over(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        (entry, key): (usize, &Key),
    ) -> Result<(), KeyValueError> {
        let _turn = self.turn(context, bucket, key).await?;
        for _round in 0..ROUNDS_MAX {
            let record = self.read(context, bucket, key).await?;
            if record.value.is_none() {
                return Ok(());
            }
            self.keep_answer(context, &record).await?;
            let expected = Some(record.revision);
            if self.mark(context, bucket, (entry, key), expected).await? == SwapOutcome::Swapped {
                return Ok(());
            }
        }
        Err(contended(context))
    }
}

/// What has changed nothing in so many rounds.
pub(super) fn contended(context: &CallContext) -> KeyValueError {
    let kind = FaultKind::Overloaded { retry_after_ms: 0 };
    let detail = "nats: too many others change the key";
    let fault = Fault::not_executed(kind, Hop::Backend, detail);
    fault.after(context.elapsed()).into()
}
