//! The expansion, by snapshot. What it *does* is tested with a component, `examples/otel`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::expand;

fn expansion(options: TokenStream, item: TokenStream) -> Result<String, String> {
    let tokens = expand(options, item).map_err(|error| error.to_string())?;
    let file = syn::parse2(tokens).map_err(|error| format!("no Rust: {error}"))?;
    Ok(prettyplease::unparse(&file))
}

#[test]
fn functions_of_each_kind_expand() {
    let functions = [
        (quote!(), quote! { pub fn count(&self) -> u32 { self.0 } }),
        (
            quote!(name = "stock.reserve", item = item, stock.shelf = %shelf, order = ?order),
            quote! {
                fn reserve(item: &str, shelf: Shelf, order: Order) -> Result<u32, Error> {
                    let left = take(item)?;
                    Ok(left)
                }
            },
        ),
        (quote!(), quote! { async fn wait() { later().await } }),
        (
            quote!(),
            quote! {
                async fn ask<T: Question>(question: T) -> io::Result<T::Answer> {
                    question.ask().await
                }
            },
        ),
        (
            quote!(),
            quote! { fn all() -> Result<impl Iterator<Item = u8>, Error> { Ok(listed()?) } },
        ),
    ];
    let expanded = functions.map(|(options, item)| expansion(options, item).expect("it is sound"));
    insta::assert_snapshot!(expanded.join("\n"));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    for (options, item, expected) in [
        (
            quote!(),
            quote! { const fn one() -> u8 { 1 } },
            "take `const` away",
        ),
        (
            quote!(name = item),
            quote! { fn one() {} },
            "name = \"reserve\"",
        ),
        (quote!(item), quote! { fn one() {} }, "expected `=`"),
        (quote!(), quote! { struct One; }, "expected `fn`"),
    ] {
        let refused = expansion(options, item).expect_err(expected);
        assert!(refused.contains(expected), "{refused}");
    }
}
