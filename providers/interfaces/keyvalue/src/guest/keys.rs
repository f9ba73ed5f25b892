//! Reading the keys of a bucket.

use std::vec;

use super::{Error, bindings::wasi::keyvalue::store};

/// A store whose cursor never ends is a bug of that store, and no reason to run for ever.
const EMPTY_PAGES_MAX: usize = 1000;

/// The keys of a bucket. The first failure is the last item.
///
/// A key that exists all the time while they are read is among them; one that is written meanwhile
/// may be there twice.
#[derive(Debug)]
pub struct Keys<'a> {
    bucket: &'a store::Bucket,
    page: vec::IntoIter<String>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Page(Option<String>),
    End,
}

impl<'a> Keys<'a> {
    pub(super) fn of(bucket: &'a store::Bucket) -> Self {
        Self {
            bucket,
            page: Vec::new().into_iter(),
            next: Next::Page(None),
        }
    }

    /// Asks for the next page; `false` where there is none.
    fn turn(&mut self) -> Result<bool, Error> {
        let Next::Page(cursor) = std::mem::replace(&mut self.next, Next::End) else {
            return Ok(false);
        };
        let page = self.bucket.list_keys(cursor.as_deref())?;
        self.page = page.keys.into_iter();
        if page.cursor.is_some() {
            self.next = Next::Page(page.cursor);
        }
        Ok(true)
    }
}

impl Iterator for Keys<'_> {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        for _ in 0..EMPTY_PAGES_MAX {
            if let Some(key) = self.page.next() {
                return Some(Ok(key));
            }
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        self.next = Next::End;
        let told = format!("no key on {EMPTY_PAGES_MAX} pages");
        Some(Err(Error::Other(told)))
    }
}
