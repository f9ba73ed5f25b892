//! Writes the guard: admission before an operation, the deadline around it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use crate::{
    implementation::{hygienic, implement},
    model::InterfaceModel,
};

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let object = &interface.ident;
    let guarded = format_ident!("{object}Guarded");
    let implementation = implement(interface, &guarded, |operation| {
        let ident = &operation.ident;
        let arguments = operation.arguments.iter().map(|argument| &argument.ident);
        let admitted = match operation.lease() {
            Some(lease) => {
                let lease = &lease.ident;
                quote_spanned!(hygienic()=> self.gate.admit_pinned(context, #lease))
            }
            None => quote_spanned!(hygienic()=> self.gate.admit(context)),
        };
        quote_spanned! {hygienic()=>
            let _permit = #admitted.await?;
            let work = self.inner.#ident(context, #(#arguments),*);
            context.bound(::wrt_contract::generated::Hop::Backend, work).await?
        }
    });
    quote! {
        struct #guarded {
            inner: ::std::sync::Arc<dyn #object>,
            gate: ::std::sync::Arc<::wrt_contract::Gate>,
        }

        #implementation
    }
}
