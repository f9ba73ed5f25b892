//! Writes an implementation of the trait, each operation with the same signature as there.

use proc_macro2::TokenStream;
use quote::{IdentFragment, format_ident, quote, quote_spanned};
use syn::Lifetime;

use crate::{
    hygiene::hygienic,
    model::{InterfaceModel, OperationModel},
};

/// Writes `impl Trait for #implementer`, with the body that `body` gives each operation.
pub(crate) fn implement(
    interface: &InterfaceModel,
    implementer: &syn::Ident,
    body: impl Fn(&OperationModel) -> TokenStream,
) -> TokenStream {
    let name = &interface.ident;
    let methods = interface
        .operations
        .iter()
        .map(|operation| method(operation, &body(operation)));
    quote! {
        impl #name for #implementer {
            #(#methods)*
        }
    }
}

/// In the form that `async_trait` gives the trait's own, and not by it: there each argument would lie in
/// the future twice, as what was given and as a variable of the body, and every call would be that much
/// larger.
fn method(operation: &OperationModel, body: &TokenStream) -> TokenStream {
    let (ident, output) = (&operation.ident, &operation.output);
    let mut lifetimes = vec![lifetime("self"), lifetime("context")];
    let arguments: Vec<_> = operation
        .arguments
        .iter()
        .map(|argument| {
            let (ident, own) = (&argument.ident, lifetime(&argument.ident));
            let ty = match argument.living(&own) {
                Some(ty) => {
                    lifetimes.push(own);
                    ty
                }
                None => argument.ty.clone(),
            };
            quote!(#ident: #ty)
        })
        .collect();
    quote_spanned! {hygienic()=>
        fn #ident<#(#lifetimes,)* 'future>(
            &'of_self self,
            context: &'of_context ::wrt_contract::CallContext,
            #(#arguments,)*
        ) -> ::wrt_contract::generated::BoxFuture<'future, #output>
        where
            #(#lifetimes: 'future,)*
            Self: 'future,
        {
            ::wrt_contract::generated::boxed::<#output, _>(async move { #body })
        }
    }
}

fn lifetime(of: impl IdentFragment) -> Lifetime {
    Lifetime {
        apostrophe: hygienic(),
        ident: format_ident!("of_{}", of, span = hygienic()),
    }
}
