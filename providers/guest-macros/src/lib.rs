//! The macro behind `wrt_guest::instrument`, which is where to use it from: what it writes names `::wrt_guest`
//! and nothing else.
//!
//! Invariants:
//! - a function does what it did: its signature, its early returns and its `?` stay as they are;
//! - nothing of a function's arguments is recorded that its author has not named;
//! - local names in what it writes never meet those of the function (mixed-site hygiene).

mod options;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{ItemFn, ReturnType, Type, parse_quote};

use crate::options::Options;

/// Makes a span of `wasi:otel` around each call of a function, `async` or not.
///
/// ```ignore
/// #[instrument]                                             // the span `reserve`
/// fn reserve(item: &str) -> Result<u32, Error> { ... }
///
/// #[instrument(name = "stock.reserve", item = item, stock.shelf = %shelf)]
/// async fn reserve(item: &str, shelf: Shelf) -> Result<u32, Error> { ... }
/// ```
///
/// The span is a part of the one that is open, or of the call that the component serves. What is written behind
/// `=` is recorded as an attribute: a text, a number or a `bool`; with `%` what it displays, with `?` what
/// `Debug` makes of it. Arguments are not recorded unless they are named so: they may be secrets. Where the
/// function's type ends in `Result` and it returns an error, the span has the status *error*, with what the error
/// displays.
///
/// A component that is not linked to a provider of `wasi:otel` runs all the same, and its spans go nowhere. One that
/// shall run on hosts which do not know the package at all is built with `wrt-guest` without its feature `otel`:
/// then this macro does nothing.
///
/// # Limits
/// Of several tasks of one instance that run at once, each has its own spans as parents; but what a task calls is a
/// part of the span that was begun last, in whichever task: hosts hear of no turns. A function that is not `async` and
/// returns a future has a span for making it, and not for running it. `const fn` is refused.
#[proc_macro_attribute]
pub fn instrument(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options: Options = syn::parse2(options)?;
    let mut function: ItemFn = syn::parse2(item)?;
    if let Some(token) = &function.sig.constness {
        let message = "a const fn runs where no span can be made: take `const` away";
        return Err(syn::Error::new_spanned(token, message));
    }
    let name = options.name(&function.sig.ident);
    let (keys, values) = options.attributes();
    let begun = quote! { ::wrt_guest::trace::begin(#name)#(.with(#keys, #values))* };
    let written = body(&function, &begun);
    *function.block = parse_quote! { { #written } };
    Ok(quote! { #function })
}

/// What the function does now.
fn body(function: &ItemFn, begun: &TokenStream) -> TokenStream {
    let block = &function.block;
    let scope = Ident::new("scope", Span::mixed_site());
    let outcome = Ident::new("outcome", Span::mixed_site());
    let is_async = function.sig.asyncness.is_some();
    let returned = returned(&function.sig.output);
    let fails = is_result(&returned);
    let mutable = fails.then(|| quote! { mut });
    let run = match (is_async, fails) {
        // It ends with the block, however that is left.
        (false, false) => {
            let statements = &block.stmts;
            return quote! { let #scope = #begun; #(#statements)* };
        }
        (false, true) => {
            let annotated = annotation(&returned);
            quote! {
                let mut #scope = #begun;
                #[allow(clippy::redundant_closure_call, reason = "it takes `return` and `?`")]
                let #outcome #annotated = (move || #block)();
            }
        }
        (true, _) => {
            let output = match has_impl(&returned) {
                true => quote! { _ },
                false => quote! { #returned },
            };
            quote! {
                let (#mutable #scope, #outcome) =
                    ::wrt_guest::trace::within::<#output, _>(#begun, async move #block).await;
            }
        }
    };
    let told = fails.then(|| {
        quote! {
            if let ::core::result::Result::Err(error) = &#outcome {
                #[allow(unused_imports, reason = "for errors that display nothing")]
                use ::wrt_guest::trace::Wordless as _;
                #scope.failed(::wrt_guest::trace::Told(error).words());
            }
        }
    });
    quote! {
        #run
        #told
        ::core::mem::drop(#scope);
        #outcome
    }
}

fn returned(output: &ReturnType) -> Type {
    match output {
        ReturnType::Default => parse_quote! { () },
        ReturnType::Type(_, returned) => (**returned).clone(),
    }
}

/// A type that is named so is taken for one: `Result`, `io::Result`, `QueryResult`.
fn is_result(returned: &Type) -> bool {
    let Type::Path(path) = returned else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| last.ident.to_string().ends_with("Result"))
}

fn annotation(returned: &Type) -> Option<TokenStream> {
    (!has_impl(returned)).then(|| quote! { : #returned })
}

/// `impl Trait` names a type that cannot be written elsewhere.
fn has_impl(returned: &Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(word) => word == "impl",
            proc_macro2::TokenTree::Group(group) => any(group.stream()),
            _ => false,
        })
    }
    any(quote! { #returned })
}
