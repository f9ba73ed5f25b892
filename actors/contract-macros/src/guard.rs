//! Writes the guard: admission before an operation, the deadline around it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use crate::{
    hygiene::hygienic,
    implementation::implement,
    model::{InterfaceModel, OperationModel},
};

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let object = &interface.ident;
    let guarded = format_ident!("{object}Guarded");
    let implementation = implement(interface, &guarded, |operation| {
        if operation.has_body() {
            with_body(operation)
        } else {
            without_body(operation)
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

/// A call that a lease pins is let in by it.
fn admit(operation: &OperationModel) -> TokenStream {
    match operation.lease() {
        Some(lease) => {
            let lease = &lease.ident;
            quote_spanned!(hygienic()=> self.gate.admit_pinned(context, #lease))
        }
        None => quote_spanned!(hygienic()=> self.gate.admit(context)),
    }
}

fn without_body(operation: &OperationModel) -> TokenStream {
    let ident = &operation.ident;
    let arguments = operation.arguments.iter().map(|argument| &argument.ident);
    let admit = admit(operation);
    quote_spanned! {hygienic()=>
        let _permit = #admit.await?;
        let work = self.inner.#ident(context, #(#arguments),*);
        self.gate.guard(context, work).await?
    }
}

/// The callee may take the permit along; otherwise it goes with the body of the answer.
fn with_body(operation: &OperationModel) -> TokenStream {
    let ident = &operation.ident;
    let arguments = operation.arguments.iter().map(|argument| &argument.ident);
    let admit = admit(operation);
    let admitted = quote_spanned! {hygienic()=>
        let permit = #admit.await?;
        let admitted = ::wrt_contract::generated::Admitted::new(permit, context);
        let work = self.inner.#ident(admitted.context(), #(#arguments),*);
    };
    if !operation.answer.has_body() {
        return quote_spanned! {hygienic()=>
            #admitted
            self.gate.guard(context, work).await?
        };
    }
    let whole = operation.answer.whole();
    quote_spanned! {hygienic()=>
        #admitted
        let #whole = self.gate.guard(context, work).await??;
        let body = admitted.hold(body);
        ::core::result::Result::Ok(#whole)
    }
}
