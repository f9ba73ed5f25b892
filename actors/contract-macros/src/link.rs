//! Writes the link: the local replica first, the others where that is safe.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::{
    argument::Travel,
    guard::Passage,
    hygiene::hygienic,
    implementation::implement,
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
    if let Some(lease) = operation.lease() {
        return pinned_call(operation, &lease.ident);
    }
    let kept = operation.arguments.iter().map(|argument| {
        let ident = &argument.ident;
        match argument.travel {
            Travel::Body => quote_spanned!(hygienic()=> lent),
            _ if argument.is_by_value() => quote!(::core::clone::Clone::clone(&#ident)),
            _ => quote!(#ident),
        }
    });
    let here = here(operation, &quote!(#(#kept),*));
    let named = named(operation);
    let meter = meter(operation);
    let Elsewhere {
        lend,
        lend_again,
        call: elsewhere,
    } = elsewhere(operation, &arguments);
    quote_spanned! {hygienic()=>
        #meter
        let mut context = self.local.operation(context);
        let mut span = self.local.span(&mut context, &METER);
        let mut local = self.local.get();
        if local.is_none()
            && let ::core::option::Option::Some(arrival) = self.local.arrival(&context)
        {
            local = match arrival.await {
                ::core::result::Result::Err(fault) => {
                    span.faulted(&fault);
                    let error = ::core::convert::From::from(fault);
                    return ::core::result::Result::Err(#named);
                }
                ::core::result::Result::Ok(arrived) => arrived,
            };
        }
        let ::core::option::Option::Some(mut local) = local else {
            let answer = self.remote.#ident(&context, #(#arguments),*).await;
            span.judge(&answer);
            return answer;
        };
        #lend
        let error = loop {
            let error = match #here.await {
                ::core::result::Result::Err(error) => #named,
                answer => {
                    span.done();
                    return answer;
                }
            };
            match self.local.in_place_of(&local, &error) {
                ::core::option::Option::None => break error,
                ::core::option::Option::Some(newer) => local = newer,
            }
            #lend_again
        };
        let context = match ::wrt_contract::generated::failed_here(error, &context) {
            ::core::result::Result::Ok(context) => context,
            ::core::result::Result::Err(error) => {
                span.done();
                return ::core::result::Result::Err(error);
            }
        };
        // In a box of its own: no call pays for it that does not fail.
        let elsewhere = async move { #elsewhere };
        let answer = ::std::boxed::Box::pin(elsewhere).await;
        span.judge(&answer);
        answer
    }
}

/// How a call goes on that the local replica has not served.
struct Elsewhere {
    /// What is done before the local replica is called, so that another one can be.
    lend: TokenStream,
    /// And before the one is that has taken its place.
    lend_again: TokenStream,
    /// The call of another node's.
    call: TokenStream,
}

fn elsewhere(operation: &OperationModel, arguments: &[&Ident]) -> Elsewhere {
    let ident = &operation.ident;
    let elsewhere = quote_spanned! {hygienic()=>
        ::wrt_contract::generated::remote_or_local(
            self.remote.#ident(&context, #(#arguments),*).await,
            &context,
        )
    };
    let Some(argument) = operation.body() else {
        return Elsewhere {
            lend: TokenStream::new(),
            lend_again: TokenStream::new(),
            call: elsewhere,
        };
    };
    let body = &argument.ident;
    // Of what the local replica has read, nobody else can get the whole any more.
    Elsewhere {
        lend: quote_spanned! {hygienic()=>
            let (mut lent, mut untouched) = ::wrt_contract::generated::lend(#body);
        },
        lend_again: quote_spanned! {hygienic()=>
            (lent, untouched) = match untouched.take() {
                ::core::option::Option::Some(body) => ::wrt_contract::generated::lend(body),
                ::core::option::Option::None => {
                    span.done();
                    return ::core::result::Result::Err(error);
                }
            };
        },
        call: quote_spanned! {hygienic()=>
            let ::core::option::Option::Some(#body) = untouched.take() else {
                return ::core::result::Result::Err(
                    ::wrt_contract::generated::local_fault(&context),
                );
            };
            #elsewhere
        },
    }
}

/// The call of the replica on this node, `local`, through its gate.
fn here(operation: &OperationModel, arguments: &TokenStream) -> TokenStream {
    let output = &operation.output;
    let passage = Passage {
        gate: quote_spanned!(hygienic()=> local.gate()),
        has_context: true,
        object: quote_spanned!(hygienic()=> local.object()),
        arguments: arguments.clone(),
    };
    let passage = passage.of(operation);
    quote_spanned! {hygienic()=>
        {
            context.leave_deadline_to_guard();
            ::wrt_contract::generated::typed::<#output, _>(async { #passage })
        }
    }
}

/// The local replica's error; a fault says where it was, as one does that came over the bus.
fn named(operation: &OperationModel) -> TokenStream {
    let name = &operation.name;
    quote_spanned! {hygienic()=>
        ::wrt_contract::generated::named(error, &self.local, &context, (&NAME, #name))
    }
}

/// What all links to the operation are measured by.
fn meter(operation: &OperationModel) -> TokenStream {
    let name = &operation.name;
    quote_spanned! {hygienic()=>
        static METER: ::wrt_contract::CallMeter = ::wrt_contract::CallMeter::new(NAME, #name);
    }
}

/// To the replica that gave the lease, and nowhere else.
fn pinned_call(operation: &OperationModel, lease: &Ident) -> TokenStream {
    let ident = &operation.ident;
    let arguments = operation.arguments.iter().map(|argument| &argument.ident);
    let arguments = quote!(#(#arguments),*);
    let (here, named) = (here(operation, &arguments), named(operation));
    let meter = meter(operation);
    quote_spanned! {hygienic()=>
        #meter
        let mut context = self.local.operation(context);
        let mut span = self.local.span(&mut context, &METER);
        if !self.local.is_home_of(#lease) {
            let answer = self.remote.#ident(&context, #arguments).await;
            span.judge(&answer);
            return answer;
        }
        let answer = match self.local.pinned() {
            ::core::option::Option::Some(local) => #here.await.map_err(|error| #named),
            ::core::option::Option::None => ::core::result::Result::Err(
                ::core::convert::From::from(::wrt_contract::generated::lease_is_over(#lease)),
            ),
        };
        span.judge(&answer);
        answer
    }
}
