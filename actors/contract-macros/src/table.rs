//! Writes `impl Interface`: the names, the table of operations, and the way to each other item.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

use crate::{definition::marker, model::InterfaceModel, options::Idempotent};

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let object = &interface.ident;
    let marker = marker(interface);
    let [remote, guarded, link, dispatcher] =
        ["Remote", "Guarded", "Link", "Dispatcher"].map(|role| format_ident!("{object}{role}"));
    let name = &interface.name;
    // An illegal name fails when a constant is evaluated; the span makes the error point at it. The
    // constants stand free, because those of an `impl` are evaluated where they are used only.
    let name = quote_spanned! {name.span()=>
        ::wrt_contract::generated::InterfaceName::from_static(#name)
    };
    let operations = interface.operations.iter().map(|operation| {
        let name = &operation.name;
        let name = quote_spanned! {name.span()=>
            ::wrt_contract::generated::OperationName::from_static(#name)
        };
        let idempotent = matches!(operation.idempotent, Idempotent::Yes);
        let keyed = matches!(operation.idempotent, Idempotent::Keyed);
        let one_way = operation.one_way;
        quote! {
            ::wrt_contract::Operation {
                name: #name,
                idempotent: #idempotent,
                keyed: #keyed,
                one_way: #one_way,
            }
        }
    });
    let fingerprint = fingerprint(interface);
    quote! {
        const FINGERPRINT: u64 = #fingerprint;

        const NAME: ::wrt_contract::generated::InterfaceName = #name;

        const OPERATIONS: &[::wrt_contract::Operation] = &[#(#operations),*];

        impl ::wrt_contract::Interface for #marker {
            type Object = dyn #object;

            const NAME: ::wrt_contract::generated::InterfaceName = NAME;

            const OPERATIONS: &'static [::wrt_contract::Operation] = OPERATIONS;

            const FINGERPRINT: u64 = FINGERPRINT;

            fn remote(
                caller: ::std::sync::Arc<dyn ::wrt_contract::Caller>,
                target: ::wrt_contract::Callee,
            ) -> ::std::sync::Arc<dyn #object> {
                ::std::sync::Arc::new(#remote { caller, target })
            }

            fn guarded(
                inner: ::std::sync::Arc<dyn #object>,
                gate: ::std::sync::Arc<::wrt_contract::Gate>,
            ) -> ::std::sync::Arc<dyn #object> {
                ::std::sync::Arc::new(#guarded { inner, gate })
            }

            fn linked(
                local: ::wrt_contract::LocalSlot<dyn #object>,
                remote: ::std::sync::Arc<dyn #object>,
            ) -> ::std::sync::Arc<dyn #object> {
                ::std::sync::Arc::new(#link { local, remote })
            }

            fn dispatcher(
                inner: ::std::sync::Arc<dyn #object>,
            ) -> ::std::sync::Arc<dyn ::wrt_contract::Dispatch> {
                ::std::sync::Arc::new(#dispatcher { inner })
            }
        }
    }
}

/// Of names, options and types, in the order in which they are written.
fn fingerprint(interface: &InterfaceModel) -> TokenStream {
    let operations = interface.operations.iter().map(|operation| {
        let (name, one_way) = (&operation.name, operation.one_way);
        let idempotent = match operation.idempotent {
            Idempotent::No => "no",
            Idempotent::Yes => "idempotent",
            Idempotent::Keyed => "keyed",
            Idempotent::ByCall(_) => "by-call",
        };
        let arguments = operation.arguments.iter().map(|argument| {
            let name = argument.ident.unraw().to_string();
            let travel = if argument.lease {
                "lease"
            } else {
                argument.travel.word()
            };
            let owned = argument.owned();
            quote!(.text(#name).text(#travel).schema::<#owned>())
        });
        let output = &operation.output;
        quote! {
            .text(#name).text(#idempotent).flag(#one_way)#(#arguments)*.schema::<#output>()
        }
    });
    quote!(::wrt_contract::Fingerprint::of("interface")#(#operations)*.finish())
}
