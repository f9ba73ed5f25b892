//! Writes an implementation of the trait, each operation with the same signature as there.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

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
    let methods = interface.operations.iter().map(|operation| {
        let ident = &operation.ident;
        let output = &operation.output;
        let arguments = operation.arguments.iter().map(|argument| {
            let (ident, ty) = (&argument.ident, &argument.ty);
            quote!(#ident: #ty)
        });
        let body = body(operation);
        quote_spanned! {hygienic()=>
            async fn #ident(
                &self,
                context: &::wrt_contract::CallContext,
                #(#arguments,)*
            ) -> #output {
                #body
            }
        }
    });
    quote! {
        #[::wrt_contract::async_trait]
        impl #name for #implementer {
            #(#methods)*
        }
    }
}
