//! Code that a process has by itself.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use wrt_component::CompiledComponent;
use wrt_deployment::Digest;

/// The code of a process without a store. While it runs other code can take its place.
#[derive(Default)]
pub struct LocalCodes(ArcSwap<BTreeMap<Digest, LocalCode>>);

/// Code that a process has.
#[derive(Clone)]
pub enum LocalCode {
    /// A component.
    Component(Bytes),
    /// What `wrt-node compile` made of one, or this process.
    Artefact(CompiledComponent),
}

impl LocalCodes {
    /// These.
    #[must_use]
    pub fn new(codes: BTreeMap<Digest, LocalCode>) -> Self {
        Self(ArcSwap::from_pointee(codes))
    }

    /// Others in their place. What runs does not notice; what is started finds these alone.
    pub fn replace(&self, codes: BTreeMap<Digest, LocalCode>) {
        self.0.store(Arc::new(codes));
    }

    pub(super) fn get(&self, digest: Digest) -> Option<LocalCode> {
        self.0.load().get(&digest).cloned()
    }
}
