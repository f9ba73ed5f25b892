//! What a vault holds that has no service behind it, and how it changes.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

use serde::{Deserialize, Serialize};

use crate::{
    Cursor, LockerName, NamePage, Secret, SecretName, SecretValue, VaultError, Version,
    limits::{PAGE_NAMES_MAX, VERSIONS_KEPT},
};

/// What a value takes beside its bytes and names, roughly; it also bounds their number.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Lockers with secrets: pure data, for a vault that keeps it in memory or in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// A part of each version: a vault that begins anew, empty, gives none that was given before.
    id: u32,
    /// The number of the last value that was set. It only grows.
    last_number: u64,
    lockers: BTreeMap<LockerName, BTreeMap<SecretName, Values>>,
}

/// The values of a secret, the newest first: one at least.
type Values = VecDeque<Numbered>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbered {
    number: u64,
    value: SecretValue,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            id: rand::random(),
            last_number: 0,
            lockers: BTreeMap::new(),
        }
    }
}

impl Contents {
    /// The newest value, or that of a version.
    #[must_use]
    pub fn get(
        &self,
        locker: &LockerName,
        name: &SecretName,
        version: Option<&Version>,
    ) -> Option<Secret> {
        let values = self.values(locker, name)?;
        let found = match version {
            None => values.front(),
            Some(version) => values
                .iter()
                .find(|it| self.version(it.number).as_ref() == Some(version)),
        };
        let found = found?;
        Some(Secret {
            value: found.value.clone(),
            version: self.version(found.number)?,
        })
    }

    /// A new value. Of each secret the newest [`VERSIONS_KEPT`] are kept.
    ///
    /// # Errors
    /// [`VaultError::Full`] where all would take more than `bytes_max`; nothing has changed then.
    pub fn set(
        &mut self,
        locker: &LockerName,
        name: &SecretName,
        value: SecretValue,
        bytes_max: usize,
    ) -> Result<Version, VaultError> {
        let number = self.last_number.checked_add(1).ok_or(VaultError::Full)?;
        let version = self.version(number).ok_or(VaultError::Full)?;
        let known = self.values(locker, name);
        let leaves = known
            .filter(|values| values.len() >= VERSIONS_KEPT)
            .and_then(VecDeque::back)
            .map_or(0, |oldest| bytes_of(locker, name, oldest));
        let numbered = Numbered { number, value };
        if self.bytes() - leaves + bytes_of(locker, name, &numbered) > bytes_max {
            return Err(VaultError::Full);
        }
        let secrets = self.lockers.entry(locker.clone()).or_default();
        let values = secrets.entry(name.clone()).or_default();
        values.push_front(numbered);
        values.truncate(VERSIONS_KEPT);
        self.last_number = number;
        Ok(version)
    }

    /// Deletes a secret; whether there was one.
    pub fn delete(&mut self, locker: &LockerName, name: &SecretName) -> bool {
        let Some(secrets) = self.lockers.get_mut(locker) else {
            return false;
        };
        let was_there = secrets.remove(name).is_some();
        if secrets.is_empty() {
            self.lockers.remove(locker);
        }
        was_there
    }

    /// Whether a secret exists.
    #[must_use]
    pub fn exists(&self, locker: &LockerName, name: &SecretName) -> bool {
        self.values(locker, name).is_some()
    }

    /// The names behind the cursor, which is the last one of the page before.
    ///
    /// # Errors
    /// [`VaultError::BadCursor`].
    pub fn list(
        &self,
        locker: &LockerName,
        cursor: Option<&Cursor>,
    ) -> Result<NamePage, VaultError> {
        let after = cursor
            .map(|cursor| SecretName::new(cursor.as_str()))
            .transpose();
        let after = after.map_err(|_no_name| VaultError::BadCursor)?;
        let Some(secrets) = self.lockers.get(locker) else {
            return Ok(NamePage::default());
        };
        let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = secrets
            .range((start, Bound::Unbounded))
            .map(|(name, _)| name);
        let names: Vec<_> = left.by_ref().take(PAGE_NAMES_MAX).cloned().collect();
        let last = left.next().and(names.last());
        let next = last.map(|name| Cursor::new(name.as_str())).transpose()?;
        Ok(NamePage { names, next })
    }

    /// The versions of a secret, the newest first.
    #[must_use]
    pub fn versions(&self, locker: &LockerName, name: &SecretName) -> Vec<Version> {
        let values = self.values(locker, name).into_iter().flatten();
        values.filter_map(|it| self.version(it.number)).collect()
    }

    fn version(&self, number: u64) -> Option<Version> {
        // None is longer than a version may be.
        Version::new(&format!("{number}-{:08x}", self.id)).ok()
    }

    fn values(&self, locker: &LockerName, name: &SecretName) -> Option<&Values> {
        self.lockers.get(locker)?.get(name)
    }

    /// What it takes, roughly: values, names and 128 bytes for each value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let secrets = |(locker, secrets): (_, &BTreeMap<SecretName, Values>)| -> usize {
            let values = secrets.iter().flat_map(|(name, values)| {
                values
                    .iter()
                    .map(move |value| bytes_of(locker, name, value))
            });
            values.sum()
        };
        self.lockers.iter().map(secrets).sum()
    }
}

fn bytes_of(locker: &LockerName, name: &SecretName, value: &Numbered) -> usize {
    locker.as_str().len() + name.as_str().len() + value.value.expose().len() + ENTRY_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(length: usize) -> SecretValue {
        SecretValue::new(vec![7; length]).unwrap()
    }

    #[test]
    fn it_is_bounded_and_room_comes_back() {
        let (locker, name) = (LockerName::new("l").unwrap(), SecretName::new("n").unwrap());
        let mut contents = Contents::default();
        let bytes_max = (1000 + 2 + ENTRY_OVERHEAD_BYTES) * 2;
        contents
            .set(&locker, &name, value(1000), bytes_max)
            .unwrap();
        contents
            .set(&locker, &name, value(1000), bytes_max)
            .unwrap();
        let before = contents.clone();
        let full = contents.set(&locker, &name, value(0), bytes_max);
        assert_eq!(full, Err(VaultError::Full));
        assert_eq!(contents, before);
        assert!(contents.delete(&locker, &name));
        assert!(!contents.delete(&locker, &name));
        assert_eq!(contents.bytes(), 0);
        let version = contents
            .set(&locker, &name, value(1000), bytes_max)
            .unwrap();
        assert!(
            version.as_str().starts_with("3-"),
            "{version}: never used again"
        );
    }

    /// The oldest value of a full vault makes room for the next one of its secret.
    #[test]
    fn old_versions_go() {
        let (locker, name) = (LockerName::new("l").unwrap(), SecretName::new("n").unwrap());
        let mut contents = Contents::default();
        let bytes_max = (10 + 2 + ENTRY_OVERHEAD_BYTES) * VERSIONS_KEPT;
        for _ in 0..VERSIONS_KEPT * 3 {
            contents.set(&locker, &name, value(10), bytes_max).unwrap();
        }
        assert_eq!(contents.versions(&locker, &name).len(), VERSIONS_KEPT);
        let number = |number| contents.version(number);
        assert_eq!(contents.get(&locker, &name, number(1).as_ref()), None);
        let last = (VERSIONS_KEPT * 3) as u64;
        assert!(
            contents
                .get(&locker, &name, number(last).as_ref())
                .is_some()
        );
    }
}
