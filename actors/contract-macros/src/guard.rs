//! Writes the way through a gate: the look for a link and admission before an operation, the deadline around
//! it.

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
        let arguments = operation.arguments.iter().map(|argument| &argument.ident);
        let passage = Passage {
            gate: quote_spanned!(hygienic()=> self.gate),
            has_context: false,
            object: quote_spanned!(hygienic()=> self.inner),
            arguments: quote!(#(#arguments),*),
        };
        passage.of(operation)
    });
    quote! {
        struct #guarded {
            inner: ::std::sync::Arc<dyn #object>,
            gate: ::std::sync::Arc<::wrt_contract::Gate>,
        }

        #implementation
    }
}

/// The way of a call through a gate, as expressions of where it is written: a guard, or a link whose
/// replica is here, which so needs no future in a box for it.
pub(crate) struct Passage {
    /// An `Arc<Gate>`.
    pub(crate) gate: TokenStream,
    /// Whether `context` is the call's own, and not lent.
    pub(crate) has_context: bool,
    /// What is called behind the gate.
    pub(crate) object: TokenStream,
    /// What it is given beside the context.
    pub(crate) arguments: TokenStream,
}

impl Passage {
    /// A block whose value is the operation's output; it may return that early.
    pub(crate) fn of(&self, operation: &OperationModel) -> TokenStream {
        let Self {
            gate,
            has_context,
            object,
            arguments,
        } = self;
        let lent = match has_context {
            true => quote_spanned!(hygienic()=> &context),
            false => quote_spanned!(hygienic()=> context),
        };
        let (ident, admit) = (&operation.ident, self.admit(operation, &lent));
        let authorise = quote_spanned!(hygienic()=> #gate.authorise(#lent, &NAME)?;);
        if !operation.has_body() {
            return quote_spanned! {hygienic()=>
                #authorise
                let _permit = #admit.await?;
                let fenced = #gate.fenced(#lent);
                let context = ::core::option::Option::as_deref(&fenced).unwrap_or(#lent);
                let work = #object.#ident(context, #arguments);
                #gate.guard(context, work).await?
            };
        }
        let own = (!has_context).then(|| {
            quote_spanned! {hygienic()=>
                let mut context = ::core::clone::Clone::clone(context);
            }
        });
        // The callee may take the permit along; otherwise it goes with the body of the answer.
        let admitted = quote_spanned! {hygienic()=>
            #authorise
            let permit = #admit.await?;
            #own
            let admitted = ::wrt_contract::generated::Admitted::new(permit, &mut context);
            #gate.fence(&mut context);
            let work = #object.#ident(&context, #arguments);
        };
        if !operation.answer.has_body() {
            return quote_spanned! {hygienic()=>
                #admitted
                #gate.guard(&context, work).await?
            };
        }
        let whole = operation.answer.whole();
        quote_spanned! {hygienic()=>
            #admitted
            let #whole = #gate.guard(&context, work).await??;
            let body = admitted.hold(body);
            ::core::result::Result::Ok(#whole)
        }
    }

    /// A call that a lease pins is let in by it.
    fn admit(&self, operation: &OperationModel, context: &TokenStream) -> TokenStream {
        let gate = &self.gate;
        match operation.lease() {
            Some(lease) => {
                let lease = &lease.ident;
                quote_spanned!(hygienic()=> #gate.admit_pinned(#context, #lease))
            }
            None => quote_spanned!(hygienic()=> #gate.admit(#context)),
        }
    }
}
