//! The macros behind `wrt_contract::interface` and `wrt_contract::InterfaceError`, which is where to
//! use them from: what they write names `::wrt_contract` and nothing else.
//!
//! Invariants:
//! - what is written is as thin as it can be: a decision that needs no types of the interface is a
//!   function of `wrt_contract::generated`;
//! - whatever it cannot carry over the bus it refuses, with the span of the culprit, and all
//!   mistakes of a trait at once;
//! - local names in what it writes never meet the names of arguments (mixed-site hygiene).
//!
//! Start reading at `model`: what is known of an interface. Each other file writes one item from
//! it.

mod answer;
mod argument;
mod definition;
mod dispatcher;
mod guard;
mod hygiene;
mod implementation;
mod interface_error;
mod link;
mod model;
mod options;
mod remote;
mod schema;
mod table;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::InterfaceModel;

/// Makes an interface of the lattice from a trait; documented at `wrt_contract::interface`.
#[proc_macro_attribute]
pub fn interface(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Says what a type looks like on the wire; documented at `wrt_contract::Schema`.
#[proc_macro_derive(Schema)]
pub fn schema(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    schema::derive(item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes the error of an interface carry faults; documented at `wrt_contract::InterfaceError`.
#[proc_macro_derive(InterfaceError, attributes(fault))]
pub fn interface_error(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    interface_error::expand(item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// The macro as a function of tokens, so that a test can call it.
fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let interface = InterfaceModel::parse(options, item)?;
    let definition = definition::write(&interface);
    let table = table::write(&interface);
    let remote = remote::write(&interface);
    let link = link::write(&interface);
    let guard = guard::write(&interface);
    let dispatcher = dispatcher::write(&interface);
    // The types live in an anonymous constant: nobody can name them, nor meet their names.
    Ok(quote! {
        #definition
        const _: () = {
            #table
            #remote
            #link
            #guard
            #dispatcher
        };
    })
}
