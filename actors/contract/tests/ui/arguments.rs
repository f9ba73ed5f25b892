//! What can be an argument.

use std::borrow::Cow;

use bytes::Bytes;
use wrt_contract::{Body, CallContext, interface};

struct Error;

#[interface(name = "a:b", error = Error)]
trait Forms {
    async fn pattern(&self, context: &CallContext, (a, b): (u8, u8)) -> Result<(), Error>;
    async fn exclusive(&self, context: &CallContext, key: &mut String) -> Result<(), Error>;
    async fn lifetime(&self, context: &CallContext, key: &'static str) -> Result<(), Error>;
    async fn borrowed(&self, context: &CallContext, key: Cow<'_, str>) -> Result<(), Error>;
    async fn nested(&self, context: &CallContext, keys: &[&str]) -> Result<(), Error>;
    async fn opaque(&self, context: &CallContext, key: impl Into<String>) -> Result<(), Error>;
    async fn object(&self, context: &CallContext, key: Box<dyn Send>) -> Result<(), Error>;
}

#[interface(name = "a:b", error = Error)]
trait Bulk {
    async fn borrowed(&self, context: &CallContext, #[bulk] a: &[u8]) -> Result<(), Error>;
    async fn two(
        &self,
        context: &CallContext,
        #[bulk] a: Bytes,
        #[bulk] b: Bytes,
    ) -> Result<(), Error>;
}

#[interface(name = "a:b", error = Error)]
trait Bodies {
    async fn unmarked(&self, context: &CallContext, a: Body) -> Result<(), Error>;
    async fn bytes(&self, context: &CallContext, #[body] a: Bytes) -> Result<(), Error>;
    async fn both(
        &self,
        context: &CallContext,
        #[bulk]
        #[body]
        a: Bytes,
    ) -> Result<(), Error>;
    async fn two(
        &self,
        context: &CallContext,
        #[body] a: Body,
        #[body] b: Body<Error>,
    ) -> Result<(), Error>;
}

#[interface(name = "a:b", error = Error)]
trait Many {
    #[rustfmt::skip]
    async fn seventeen(
        &self, context: &CallContext,
        a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8,
        j: u8, k: u8, l: u8, m: u8, n: u8, o: u8, p: u8, q: u8,
    ) -> Result<(), Error>;
}

fn main() {}
