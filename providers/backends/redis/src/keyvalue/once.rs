//! Operations that are executed once under their idempotency key.
//!
//! One script runs the operation and keeps its answer, so there is no moment at which the one is done
//! and the other is not: the server runs a script as a whole, and hands it on to its replicas and its
//! log as a whole.

use bytes::Bytes;
use redis::{Cmd, cmd};
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, FirstAnswer, Key, KeyValueError, SwapOutcome, Version};
use wrt_protocol::IdempotencyKey;

use crate::{Redis, layout::answer_key};

/// Adds, once. Lua's numbers are floats, so the sum is read as text. Errors that say how the key was
/// are answers too; any other one changes nothing and is not kept.
const INCREMENT: &str = r"
local first = redis.call('GET', KEYS[2])
if first then return first end
local sum, answer = redis.pcall('INCRBY', KEYS[1], ARGV[2]), nil
if type(sum) ~= 'table' then answer = redis.call('GET', KEYS[1])
elseif string.find(sum.err, 'would overflow', 1, true) then answer = 'counter-overflow'
elseif string.find(sum.err, 'not an integer', 1, true) or string.find(sum.err, 'WRONGTYPE', 1, true)
then answer = 'not-an-integer'
else return sum end
redis.call('SET', KEYS[2], answer, 'PX', ARGV[1])
return answer";

/// Compares and sets, once; versions as in the script without a key.
const SWAP: &str = r"
local first = redis.call('GET', KEYS[2])
if first then return first end
local value = redis.call('GET', KEYS[1])
local version = value and ('\1' .. value) or '\0'
local answer = 'failed'
if version == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[3])
  answer = 'swapped'
end
redis.call('SET', KEYS[2], answer, 'PX', ARGV[1])
return answer";

/// How an operation is recognised, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Once {
    key: IdempotencyKey,
    millis: u64,
}

impl Redis {
    /// Whether an operation is to be executed once.
    pub(super) fn once(&self, context: &CallContext) -> Option<Once> {
        let (key, millis) = (context.key()?, self.deduplicate_for_ms()?);
        Some(Once { key, millis })
    }

    pub(super) async fn increment_once(
        &self,
        context: &CallContext,
        once: Once,
        bucket: &Bucket,
        key: &Key,
        delta: i64,
    ) -> Result<i64, KeyValueError> {
        let mut script = script(INCREMENT, once, self.layout().key(bucket, key));
        self.first_answer(context, script.arg(delta))
            .await?
            .into_increment()
    }

    pub(super) async fn swap_once(
        &self,
        context: &CallContext,
        once: Once,
        (bucket, key): (&Bucket, &Key),
        expected: &Version,
        value: Bytes,
    ) -> Result<SwapOutcome, KeyValueError> {
        let mut script = script(SWAP, once, self.layout().key(bucket, key));
        script.arg(&*expected.0).arg(&*value);
        self.first_answer(context, &script).await?.into_swap()
    }

    async fn first_answer(
        &self,
        context: &CallContext,
        script: &Cmd,
    ) -> Result<FirstAnswer, KeyValueError> {
        let text: String = self.run(context, script).await?;
        text.parse()
            .map_err(|_error| KeyValueError::other(format!("redis: {text:?} is no answer")))
    }
}

fn script(script: &str, once: Once, place: Vec<u8>) -> Cmd {
    let mut command = cmd("EVAL");
    command
        .arg(script)
        .arg(2)
        .arg(place)
        .arg(answer_key(once.key))
        .arg(once.millis);
    command
}
