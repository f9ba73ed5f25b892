//! Writes the link: the local replica first, the others where that is safe.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use crate::{
    implementation::{hygienic, implement},
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
    let kept = operation.arguments.iter().map(|argument| {
        let ident = &argument.ident;
        if argument.is_by_value() {
            quote!(::core::clone::Clone::clone(&#ident))
        } else {
            quote!(#ident)
        }
    });
    quote_spanned! {hygienic()=>
        let context = &context.for_operation();
        let ::core::option::Option::Some(local) = self.local.get() else {
            return self.remote.#ident(context, #(#arguments),*).await;
        };
        match local.#ident(context, #(#kept),*).await {
            ::core::result::Result::Err(error)
                if ::wrt_contract::generated::may_fall_over(&error) =>
            {
                ::wrt_contract::generated::remote_or_local(
                    self.remote.#ident(context, #(#arguments),*).await,
                    error,
                )
            }
            answer => answer,
        }
    }
}
