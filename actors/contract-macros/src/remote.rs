//! Writes the remote client: the trait over a `Caller`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use crate::{
    argument::ArgumentModel,
    hygiene::hygienic,
    implementation::implement,
    model::{InterfaceModel, OperationModel},
    options::Idempotent,
};

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let remote = format_ident!("{}Remote", interface.ident);
    let implementation = implement(interface, &remote, call);
    quote! {
        struct #remote {
            caller: ::std::sync::Arc<dyn ::wrt_contract::Caller>,
            target: ::wrt_contract::Callee,
        }

        #implementation
    }
}

fn call(operation: &OperationModel) -> TokenStream {
    let (name, one_way) = (&operation.name, operation.one_way);
    let encoded = operation.encoded().map(ArgumentModel::borrowed);
    let bulk = match operation.bulk() {
        Some(argument) => {
            let ident = &argument.ident;
            quote!(#ident)
        }
        None => quote!(::wrt_contract::generated::Bytes::new()),
    };
    let pinned_to = match operation.lease() {
        Some(lease) => {
            let lease = &lease.ident;
            quote!(::wrt_contract::generated::pinned_to(#lease)?)
        }
        None => quote!(::core::option::Option::None),
    };
    let body = match operation.body() {
        Some(argument) => {
            let ident = &argument.ident;
            quote! {
                ::core::option::Option::Some(::wrt_contract::generated::into_wire(#ident))
            }
        }
        None => quote!(::core::option::Option::None),
    };
    // The expression sees the arguments, under the names that they have in the trait.
    let idempotent = match &operation.idempotent {
        Idempotent::No => quote!(false),
        Idempotent::Yes => quote!(true),
        Idempotent::Keyed => quote_spanned!(hygienic()=> self.target.deduplicates(context)),
        Idempotent::ByCall(expression) => quote!(#expression),
    };
    let answer = answer(operation);
    quote_spanned! {hygienic()=>
        let invocation = ::wrt_contract::Invocation {
            target: ::core::clone::Clone::clone(&self.target.address),
            interface: NAME,
            fingerprint: FINGERPRINT,
            operation: const { ::wrt_contract::generated::OperationName::from_static(#name) },
            idempotent: #idempotent,
            one_way: #one_way,
            pinned_to: #pinned_to,
            arguments: ::wrt_contract::generated::encode_arguments(&(#(#encoded,)*))?,
            bulk: #bulk,
            body: #body,
        };
        let answer = self.caller.call(context, invocation).await?;
        #answer
    }
}

fn answer(operation: &OperationModel) -> TokenStream {
    // A one-way operation has no answer to decode; what is known is that it has been sent.
    if operation.one_way {
        return quote_spanned! {hygienic()=>
            let _sent = answer;
            ::core::result::Result::Ok(())
        };
    }
    if !operation.answer.has_body() {
        return quote_spanned!(hygienic()=> ::wrt_contract::generated::decode_result(&answer));
    }
    let (whole, split) = (operation.answer.whole(), operation.answer.split());
    quote_spanned! {hygienic()=>
        ::wrt_contract::generated::decode_result_with_body(answer).map(|#split| #whole)
    }
}
