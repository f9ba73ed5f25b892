//! Writes the dispatcher: encoded arguments in, encoded result out.

use proc_macro2::TokenStream;
use quote::{format_ident, quote_spanned};

use crate::{
    argument::ArgumentModel,
    hygiene::hygienic,
    model::{InterfaceModel, OperationModel},
};

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let object = &interface.ident;
    let dispatcher = format_ident!("{object}Dispatcher");
    let arms = interface.operations.iter().map(arm);
    quote_spanned! {hygienic()=>
        struct #dispatcher {
            inner: ::std::sync::Arc<dyn #object>,
        }

        impl ::wrt_contract::Dispatch for #dispatcher {
            fn interface(&self) -> ::wrt_contract::generated::InterfaceName {
                NAME
            }

            fn fingerprint(&self) -> u64 {
                FINGERPRINT
            }

            fn dispatch<'a>(
                &'a self,
                context: &'a ::wrt_contract::CallContext,
                request: ::wrt_contract::DispatchRequest,
            ) -> ::wrt_contract::generated::BoxFuture<
                'a,
                ::core::result::Result<::wrt_contract::Answer, ::wrt_contract::generated::Fault>,
            > {
                ::std::boxed::Box::pin(async move {
                    match request.operation.as_str() {
                        #(#arms)*
                        _ => ::core::result::Result::Err(
                            ::wrt_contract::generated::unknown_operation(
                                &NAME,
                                &request.operation,
                            ),
                        ),
                    }
                })
            }
        }
    }
}

fn arm(operation: &OperationModel) -> TokenStream {
    let (ident, name) = (&operation.ident, &operation.name);
    let encoded: Vec<_> = operation
        .encoded()
        .map(|argument| &argument.ident)
        .collect();
    let owned = operation.encoded().map(ArgumentModel::owned);
    let decode = if encoded.is_empty() {
        quote_spanned! {hygienic()=>
            ::wrt_contract::generated::decode_arguments::<()>(&request.arguments)?;
        }
    } else {
        quote_spanned! {hygienic()=>
            let (#(#encoded,)*): (#(#owned,)*) =
                ::wrt_contract::generated::decode_arguments(&request.arguments)?;
        }
    };
    let bulk = operation.bulk().map(|argument| {
        let ident = &argument.ident;
        quote_spanned!(hygienic()=> let #ident = request.bulk;)
    });
    let body = operation.body().map(|argument| {
        let ident = &argument.ident;
        quote_spanned! {hygienic()=>
            let #ident = ::wrt_contract::generated::body_argument(request.body)?;
        }
    });
    let arguments = operation.arguments.iter().map(ArgumentModel::passed);
    let call = quote_spanned!(hygienic()=> self.inner.#ident(context, #(#arguments),*).await);
    let answer = if operation.answer.has_body() {
        let (whole, split) = (operation.answer.whole(), operation.answer.split());
        quote_spanned! {hygienic()=>
            ::wrt_contract::generated::encode_result_with_body(#call.map(|#whole| #split))
        }
    } else {
        quote_spanned!(hygienic()=> ::wrt_contract::generated::encode_result(#call))
    };
    quote_spanned! {hygienic()=>
        #name => {
            #decode
            #bulk
            #body
            #answer
        }
    }
}
