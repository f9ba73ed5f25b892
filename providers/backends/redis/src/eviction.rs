//! Whether the server may throw away first answers before their time.
//!
//! Answers are the only keys with a time to live, so a server that is short of memory and evicts such
//! keys (`volatile-*`), or any, takes them first or as well; a call that arrives again would then be
//! executed twice, without a word.

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, aio::ConnectionLike};
use tokio::time::timeout;

use crate::{ConnectError, RedisConfig};

/// Refuses a server that evicts keys, where first answers are to be kept. One that does not say
/// whether it does is taken, with a warning.
pub(crate) async fn check(
    config: &RedisConfig,
    connection: &mut impl ConnectionLike,
) -> Result<(), ConnectError> {
    if config.deduplicate_for_ms.is_none() {
        return Ok(());
    }
    let url = &config.url;
    let mut info = redis::cmd("INFO");
    info.arg("memory");
    let asked = timeout(config.connect_timeout(), info.query_async(connection)).await;
    let asked: RedisResult<String> = asked.unwrap_or_else(|_elapsed| {
        let late = (ErrorKind::Io, "it did not say how it is set up");
        Err(RedisError::from(late))
    });
    let policy = match asked {
        Ok(info) => policy(&info),
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => Policy::Unknown,
        Err(source) => {
            let url = url.clone();
            return Err(ConnectError::Unreachable { url, source });
        }
    };
    match policy {
        Policy::Keeps => Ok(()),
        Policy::Evicts(policy) => Err(ConnectError::Evicts {
            url: url.clone(),
            policy,
        }),
        Policy::Unknown => {
            tracing::warn!(
                %url,
                "the server does not say whether it evicts keys: if its maxmemory-policy is not \
                 noeviction, it may forget first answers, and what is repeated is done twice"
            );
            Ok(())
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Policy {
    Keeps,
    Evicts(String),
    Unknown,
}

/// What the section `memory` of INFO says.
fn policy(info: &str) -> Policy {
    let value = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    match (value("maxmemory"), value("maxmemory_policy")) {
        (_, Some("noeviction")) | (Some("0"), Some(_)) => Policy::Keeps,
        (Some(_), Some(policy)) => Policy::Evicts(policy.to_owned()),
        (None, _) | (_, None) => Policy::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_a_limit_and_a_policy_evicts() {
        let evicts = |policy: &str| Policy::Evicts(policy.to_owned());
        for (limit, name, expected) in [
            ("0", "allkeys-lru", Policy::Keeps),
            ("1048576", "noeviction", Policy::Keeps),
            ("1048576", "volatile-ttl", evicts("volatile-ttl")),
            ("1048576", "allkeys-lru", evicts("allkeys-lru")),
        ] {
            let info = format!(
                "# Memory\r\nmaxmemory:{limit}\r\nmaxmemory_human:1M\r\nmaxmemory_policy:{name}\r\n"
            );
            assert_eq!(policy(&info), expected, "{info}");
        }
        assert_eq!(policy("# Memory\r\n"), Policy::Unknown);
    }
}
