//! What a trait may hold, and what an operation looks like.

use wrt_contract::{CallContext, interface};

struct Error;
struct Another;

#[interface(name = "a:b", error = Error)]
unsafe trait Generic<T> {
    type Associated;
    const LIMIT: usize;
}

#[interface(name = "a:b", error = Error)]
trait Modifiers {
    fn not_async(&self, context: &CallContext) -> Result<(), Error>;
    async unsafe fn not_safe(&self, context: &CallContext) -> Result<(), Error>;
    async fn generic<T>(&self, context: &CallContext) -> Result<(), Error>;
    async fn bounded(&self, context: &CallContext) -> Result<(), Error>
    where
        Self: Sized;
    async fn provided(&self, context: &CallContext) -> Result<(), Error> {
        Ok(())
    }
}

#[interface(name = "a:b", error = Error)]
trait Receivers {
    async fn nothing() -> Result<(), Error>;
    async fn no_self(context: &CallContext) -> Result<(), Error>;
    async fn by_value(self, context: &CallContext) -> Result<(), Error>;
    async fn exclusive(&mut self, context: &CallContext) -> Result<(), Error>;
    async fn boxed(self: Box<Self>, context: &CallContext) -> Result<(), Error>;
}

#[interface(name = "a:b", error = Error)]
trait Contexts {
    async fn missing(&self) -> Result<(), Error>;
    async fn not_first(&self, key: &str, context: &CallContext) -> Result<(), Error>;
    async fn by_value(&self, context: CallContext) -> Result<(), Error>;
    async fn exclusive(&self, context: &mut CallContext) -> Result<(), Error>;
}

#[interface(name = "a:b", error = Error)]
trait Results {
    async fn none(&self, context: &CallContext);
    async fn no_result(&self, context: &CallContext) -> u64;
    async fn alias(&self, context: &CallContext) -> Result<()>;
    async fn another_error(&self, context: &CallContext) -> Result<(), Another>;
}

fn main() {}
