//! What stands in the parentheses of the attributes.

use wrt_contract::{CallContext, interface};

struct Error;

#[interface]
trait Bare {}

#[interface(error = Error)]
trait Nameless {}

#[interface(name = "a:b")]
trait Errorless {}

#[interface(name = "a:b", error = Error, version = "1")]
trait UnknownOption {}

#[interface(name = "a:b", name = "a:c", error = Error)]
trait TwoNames {}

#[interface(name = "a:b", error = Error)]
struct NoTrait;

#[interface(name = "a:b", error = Error)]
trait Operations {
    #[operation(idempotant)]
    async fn misspelt(&self, context: &CallContext) -> Result<(), Error>;

    #[operation(idempotent, keyed)]
    async fn twice_idempotent(&self, context: &CallContext) -> Result<(), Error>;

    #[operation(name = "a", name = "b")]
    async fn two_names(&self, context: &CallContext) -> Result<(), Error>;

    #[operation]
    async fn no_options(&self, context: &CallContext) -> Result<(), Error>;

    #[operation(one_way)]
    async fn one_way_with_an_answer(&self, context: &CallContext) -> Result<u64, Error>;

    async fn first_of_its_name(&self, context: &CallContext) -> Result<(), Error>;

    #[operation(name = "first-of-its-name")]
    async fn second_of_its_name(&self, context: &CallContext) -> Result<(), Error>;
}

fn main() {}
