//! What is in the vault. Its names know no case; what was deleted keeps its name until it is purged.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use http::Method;
use serde_json::{Map, Value, json};

use super::{Answer, Asked, answer, refusal};

/// Values of a secret, the oldest first.
type Values = Vec<Kept>;

#[derive(Default)]
pub struct Contents {
    live: BTreeMap<String, Values>,
    deleted: BTreeMap<String, (Values, u64)>,
    /// For so many more requests what is deleted, purged or recovered is neither here nor there.
    busy: BTreeMap<String, u32>,
    /// How many those are.
    pub slow: u32,
    /// Whether nobody may purge.
    pub keeps: bool,
}

struct Kept {
    version: String,
    value: String,
    created: u64,
    enabled: bool,
    content_type: Value,
    tags: Value,
}

/// What the services tell of times is by the wall clock.
#[expect(clippy::disallowed_methods, reason = "what is told is a date")]
pub fn seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is after 1970").as_secs()
}

fn not_found() -> Answer {
    refusal(404, "SecretNotFound", None)
}

impl Contents {
    /// The names that it has.
    pub fn names(&self) -> Vec<String> {
        self.live.keys().cloned().collect()
    }

    /// The value of a secret that somebody else has set, or reads.
    pub fn newest(&self, name: &str) -> Option<&str> {
        let kept = self.live.get(name)?.last()?;
        Some(&kept.value)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        let kept = Kept::new(value, &Map::new());
        self.live.entry(name.to_owned()).or_default().push(kept);
    }

    pub fn serve(&mut self, base: &str, asked: &Asked) -> Answer {
        // The SDK ends the path of a newest value with a slash.
        let path: Vec<_> = asked.path.trim_matches('/').split('/').collect();
        let name = path.get(1).map(|name| name.to_ascii_lowercase());
        if let Some(name) = &name {
            let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if name.len() > 127 || !name.chars().all(is_legal) {
                return refusal(400, "BadParameter", None);
            }
            if self.is_busy(name) {
                return match (&asked.method, path[0]) {
                    (&Method::PUT, _) => refusal(409, "Conflict", Some("ObjectIsBeingDeleted")),
                    _ => not_found(),
                };
            }
        }
        let name = name.as_deref().unwrap_or_default();
        match (asked.method.as_str(), path.as_slice()) {
            ("GET", ["secrets"]) => {
                let listed = self.live.iter().map(|(name, values)| {
                    let newest = values.last().expect("a secret has a value");
                    newest.told(&format!("{base}/secrets/{name}"), false)
                });
                page(base, asked, listed.collect())
            }
            ("GET", ["secrets", _, "versions"]) => {
                let values = self.live.get(name).into_iter().flatten();
                let listed = values.map(|kept| {
                    kept.told(&format!("{base}/secrets/{name}/{}", kept.version), false)
                });
                page(base, asked, listed.collect())
            }
            ("GET", ["secrets", _, version @ ..]) => self.get(base, name, version.first()),
            ("PUT", ["secrets", _]) => self.put(base, name, &asked.body),
            ("PATCH", ["secrets", _, version @ ..]) => {
                self.patch(base, name, version.first(), &asked.body)
            }
            ("DELETE", ["secrets", _]) => self.delete(base, name),
            ("GET", ["deletedsecrets", _]) => match self.deleted.get(name) {
                Some(_) => answer(200, &self.told_deleted(base, name)),
                None => not_found(),
            },
            ("DELETE", ["deletedsecrets", _]) => {
                if self.keeps {
                    return refusal(403, "Forbidden", Some("ForbiddenByPolicy"));
                }
                match self.deleted.remove(name) {
                    Some(_) => {
                        self.begin(name);
                        let mut gone = answer(204, &json!(null));
                        *gone.body_mut() = http_body_util::Full::default();
                        gone
                    }
                    None => not_found(),
                }
            }
            ("POST", ["deletedsecrets", _, "recover"]) => match self.deleted.remove(name) {
                Some((values, _)) => {
                    let newest = values.last().expect("a secret has a value");
                    let told = newest.told(&format!("{base}/secrets/{name}"), false);
                    self.live.insert(name.to_owned(), values);
                    self.begin(name);
                    answer(200, &told)
                }
                None => not_found(),
            },
            _ => refusal(404, "NotFound", None),
        }
    }

    fn begin(&mut self, name: &str) {
        if self.slow > 0 {
            self.busy.insert(name.to_owned(), self.slow);
        }
    }

    fn is_busy(&mut self, name: &str) -> bool {
        match self.busy.get_mut(name) {
            Some(0) | None => {
                self.busy.remove(name);
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn get(&self, base: &str, name: &str, version: Option<&&str>) -> Answer {
        let values = self.live.get(name);
        let kept = values.and_then(|values| match version {
            Some(version) => values.iter().find(|kept| kept.version == **version),
            None => values.last(),
        });
        match kept {
            Some(kept) if !kept.enabled => refusal(403, "Forbidden", Some("SecretDisabled")),
            Some(kept) => {
                let id = format!("{base}/secrets/{name}/{}", kept.version);
                answer(200, &kept.told(&id, true))
            }
            None => not_found(),
        }
    }

    fn put(&mut self, base: &str, name: &str, body: &[u8]) -> Answer {
        if self.deleted.contains_key(name) {
            let inner = Some("ObjectIsDeletedButRecoverable");
            return refusal(409, "Conflict", inner);
        }
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
            return refusal(400, "BadParameter", None);
        };
        let value = body.get("value").and_then(Value::as_str);
        let Some(value) = value.filter(|it| !it.is_empty() && it.len() <= 25_600) else {
            return refusal(400, "BadParameter", None);
        };
        let kept = Kept::new(value, &body);
        let told = kept.told(&format!("{base}/secrets/{name}/{}", kept.version), true);
        self.live.entry(name.to_owned()).or_default().push(kept);
        answer(200, &told)
    }

    fn patch(&mut self, base: &str, name: &str, version: Option<&&str>, body: &[u8]) -> Answer {
        let values = self.live.get_mut(name);
        let kept = values.and_then(|values| match version {
            Some(version) => values.iter_mut().find(|kept| kept.version == **version),
            None => values.last_mut(),
        });
        let (Some(kept), Ok(body)) = (kept, serde_json::from_slice::<Value>(body)) else {
            return not_found();
        };
        if let Some(enabled) = body["attributes"]["enabled"].as_bool() {
            kept.enabled = enabled;
        }
        let id = format!("{base}/secrets/{name}/{}", kept.version);
        answer(200, &kept.told(&id, false))
    }

    fn delete(&mut self, base: &str, name: &str) -> Answer {
        let Some(values) = self.live.remove(name) else {
            return not_found();
        };
        self.deleted.insert(name.to_owned(), (values, seconds()));
        self.begin(name);
        answer(200, &self.told_deleted(base, name))
    }

    fn told_deleted(&self, base: &str, name: &str) -> Value {
        let (values, at) = &self.deleted[name];
        let newest = values.last().expect("a secret has a value");
        let mut told = newest.told(&format!("{base}/secrets/{name}"), false);
        told["recoveryId"] = json!(format!("{base}/deletedsecrets/{name}"));
        told["deletedDate"] = json!(at);
        told["scheduledPurgeDate"] = json!(at + 90 * 86_400);
        told
    }
}

impl Kept {
    fn new(value: &str, body: &Map<String, Value>) -> Self {
        Self {
            version: format!("{:032x}", rand::random::<u128>()),
            value: value.to_owned(),
            created: seconds(),
            enabled: true,
            content_type: body.get("contentType").cloned().unwrap_or_default(),
            tags: body.get("tags").cloned().unwrap_or_default(),
        }
    }

    fn told(&self, id: &str, with_value: bool) -> Value {
        let mut told = json!({
            "id": id,
            "attributes": {
                "enabled": self.enabled,
                "created": self.created,
                "updated": self.created,
                "recoveryLevel": "Recoverable+Purgeable",
                "recoverableDays": 90,
            },
            "contentType": self.content_type,
            "tags": self.tags,
        });
        if with_value {
            told["value"] = json!(self.value);
        }
        // The service leaves out what it has not.
        let Value::Object(fields) = &mut told else {
            unreachable!("it was made as one");
        };
        fields.retain(|_, value| !value.is_null());
        told
    }
}

/// A page, and where the next one is: in a word that only the service knows.
fn page(base: &str, asked: &Asked, all: Vec<Value>) -> Answer {
    let most = asked
        .query
        .get("maxresults")
        .map_or(Ok(25), |it| it.parse());
    let start = asked.query.get("$skiptoken").map_or(Ok(0), |word| {
        let number = word.strip_prefix("next+/=").unwrap_or("none");
        number.parse::<usize>()
    });
    let (Ok(most @ 1..=25), Ok(start)) = (most, start) else {
        return refusal(400, "BadParameter", None);
    };
    let end = (start + most).min(all.len());
    let listed = all.get(start..end).unwrap_or_default();
    let next = (end < all.len()).then(|| {
        let word: String =
            url::form_urlencoded::byte_serialize(format!("next+/={end}").as_bytes()).collect();
        let (path, version) = (&asked.path, &asked.query["api-version"]);
        format!("{base}{path}?api-version={version}&$skiptoken={word}&maxresults={most}")
    });
    answer(200, &json!({ "value": listed, "nextLink": next }))
}
