//! Writes the remote client: the trait over a `Caller`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use crate::{
    argument::ArgumentModel,
    implementation::{hygienic, implement},
    model::{InterfaceModel, OperationModel},
};

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let remote = format_ident!("{}Remote", interface.ident);
    let implementation = implement(interface, &remote, call);
    quote! {
        struct #remote {
            caller: ::std::sync::Arc<dyn ::wrt_contract::Caller>,
            target: ::wrt_contract::Target,
        }

        #implementation
    }
}

fn call(operation: &OperationModel) -> TokenStream {
    let name = &operation.name;
    let one_way = operation.one_way;
    let idempotent = if operation.keyed {
        quote_spanned!(hygienic()=> self.target.deduplicates(context))
    } else {
        let idempotent = operation.idempotent;
        quote!(#idempotent)
    };
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
    // A one-way operation has no answer to decode; what is known is that it has been sent.
    let answer = if operation.one_way {
        quote_spanned! {hygienic()=>
            self.caller.call(context, invocation).await?;
            ::core::result::Result::Ok(())
        }
    } else {
        quote_spanned! {hygienic()=>
            let answer = self.caller.call(context, invocation).await?;
            ::wrt_contract::generated::decode_result(&answer)
        }
    };
    quote_spanned! {hygienic()=>
        let invocation = ::wrt_contract::Invocation {
            target: ::core::clone::Clone::clone(&self.target.address),
            interface: NAME,
            operation: const { ::wrt_contract::generated::OperationName::from_static(#name) },
            idempotent: #idempotent,
            one_way: #one_way,
            pinned_to: #pinned_to,
            arguments: ::wrt_contract::generated::encode_arguments(&(#(#encoded,)*))?,
            bulk: #bulk,
            body: ::core::option::Option::None,
        };
        #answer
    }
}
