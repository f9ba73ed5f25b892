//! The names of a container's objects, as a guest takes them.

use std::{collections::VecDeque, sync::Arc};

use wrt_contract::CallContext;

use crate::{Blobstore, BlobstoreError, ContainerName, Cursor, ObjectName, limits::READ_NAMES_MAX};

/// A listing. It holds one page, and asks for the next one when that is taken.
pub struct Listing {
    pub(super) store: Arc<dyn Blobstore>,
    pub(super) container: ContainerName,
    pub(super) names: VecDeque<ObjectName>,
    pub(super) next: Option<Cursor>,
}

impl Listing {
    /// The next names, and whether they were the last. It may be fewer than were asked for although there
    /// are more: at most [`READ_NAMES_MAX`].
    pub(super) async fn read(
        &mut self,
        context: &CallContext,
        count: u64,
    ) -> Result<(Vec<String>, bool), BlobstoreError> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let count = count.min(READ_NAMES_MAX);
        let mut names = Vec::new();
        while names.len() < count && self.fill(context).await? {
            let taken = self.names.len().min(count - names.len());
            let taken = self.names.drain(..taken);
            names.extend(taken.map(|name| name.as_str().to_owned()));
        }
        Ok((names, !self.fill(context).await?))
    }

    /// Over how many names it has passed, and whether they were the last.
    pub(super) async fn skip(
        &mut self,
        context: &CallContext,
        count: u64,
    ) -> Result<(u64, bool), BlobstoreError> {
        let mut skipped = 0;
        while skipped < count && self.fill(context).await? {
            let rest = usize::try_from(count - skipped).unwrap_or(usize::MAX);
            let passed = self.names.len().min(rest);
            self.names.drain(..passed);
            skipped += passed as u64;
        }
        Ok((skipped, !self.fill(context).await?))
    }

    /// Whether there is a name.
    async fn fill(&mut self, context: &CallContext) -> Result<bool, BlobstoreError> {
        while self.names.is_empty() {
            let Some(cursor) = self.next else {
                return Ok(false);
            };
            let page = self
                .store
                .list_objects(context, &self.container, Some(cursor))
                .await?;
            self.names = page.objects.into();
            self.next = page.next;
        }
        Ok(true)
    }
}
