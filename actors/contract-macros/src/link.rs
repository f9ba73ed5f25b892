//! Writes the link: the local replica first, the others where that is safe.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::{
    argument::Travel,
    hygiene::hygienic,
    implementation::implement,
    model::{InterfaceModel, OperationModel},
};

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let object = &interface.ident;
    let link = format_ident!("{object}Link");
    let implementation = implement(interface, &link, call);
    quote! {
        struct #link {
            local: ::wrt_contract::LocalSlot<dyn #object>,
            remote: ::std::sync::Arc<dyn #object>,
        }

        #implementation
    }
}

fn call(operation: &OperationModel) -> TokenStream {
    let ident = &operation.ident;
    let arguments: Vec<_> = operation
        .arguments
        .iter()
        .map(|argument| &argument.ident)
        .collect();
    if let Some(lease) = operation.lease() {
        return pinned_call(operation, &lease.ident);
    }
    let kept = operation.arguments.iter().map(|argument| {
        let ident = &argument.ident;
        match argument.travel {
            Travel::Body => quote_spanned!(hygienic()=> lent),
            _ if argument.is_by_value() => quote!(::core::clone::Clone::clone(&#ident)),
            _ => quote!(#ident),
        }
    });
    let elsewhere = quote_spanned! {hygienic()=>
        ::wrt_contract::generated::remote_or_local(
            self.remote.#ident(context, #(#arguments),*).await,
            error,
        )
    };
    let (lend, elsewhere) = match operation.body() {
        None => (TokenStream::new(), elsewhere),
        Some(argument) => {
            let body = &argument.ident;
            let lend = quote_spanned! {hygienic()=>
                let (lent, untouched) = ::wrt_contract::generated::lend(#body);
            };
            // Of what the local replica has read, nobody else can get the whole any more.
            let elsewhere = quote_spanned! {hygienic()=>
                match untouched.take() {
                    ::core::option::Option::Some(#body) => #elsewhere,
                    ::core::option::Option::None => ::core::result::Result::Err(error),
                }
            };
            (lend, elsewhere)
        }
    };
    quote_spanned! {hygienic()=>
        let context = &self.local.operation(context);
        let ::core::option::Option::Some(local) = self.local.get() else {
            return self.remote.#ident(context, #(#arguments),*).await;
        };
        #lend
        match local.#ident(context, #(#kept),*).await {
            ::core::result::Result::Err(error)
                if ::wrt_contract::generated::may_fall_over(&error) =>
            {
                #elsewhere
            }
            answer => answer,
        }
    }
}

/// To the replica that gave the lease, and nowhere else.
fn pinned_call(operation: &OperationModel, lease: &Ident) -> TokenStream {
    let ident = &operation.ident;
    let arguments = operation.arguments.iter().map(|argument| &argument.ident);
    let arguments = quote!(#(#arguments),*);
    quote_spanned! {hygienic()=>
        let context = &self.local.operation(context);
        if !self.local.is_home_of(#lease) {
            return self.remote.#ident(context, #arguments).await;
        }
        match self.local.pinned() {
            ::core::option::Option::Some(local) => local.#ident(context, #arguments).await,
            ::core::option::Option::None => ::core::result::Result::Err(
                ::core::convert::From::from(::wrt_contract::generated::lease_is_over(#lease)),
            ),
        }
    }
}
