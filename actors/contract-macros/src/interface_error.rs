//! `#[derive(InterfaceError)]`: the glue between an interface's error and the lattice's fault.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Fields, Meta, Variant, spanned::Spanned};

const ATTRIBUTE: &str = "fault";
const VARIANT: &str = "Fault";

pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let Data::Enum(data) = &input.data else {
        let message = "an interface's error is an enum: its own errors, and the fault as one more";
        return Err(syn::Error::new(input.ident.span(), message));
    };
    if !input.generics.params.is_empty() {
        let message = "an interface's error has no parameters: it is one type on the wire";
        return Err(syn::Error::new(input.generics.span(), message));
    }
    let variants: Vec<_> = data.variants.iter().collect();
    let fault = fault_variant(&input.ident, &variants)?;
    Ok(write(&input.ident, fault, variants.len() > 1))
}

/// The variant that is marked, or else the one of that name.
fn fault_variant<'a>(error: &Ident, variants: &[&'a Variant]) -> syn::Result<&'a Ident> {
    let mut marked = Vec::new();
    for variant in variants {
        if is_marked(&variant.attrs)? {
            marked.push(*variant);
        }
    }
    let named = || variants.iter().find(|variant| variant.ident == VARIANT);
    let chosen = match marked.as_slice() {
        [] => *named().ok_or_else(|| {
            let message = "an interface's error carries the lattice's fault as well: \
                           add a variant `Fault(Fault)`, or mark one with `#[fault]`";
            syn::Error::new(error.span(), message)
        })?,
        [one] => *one,
        [_, second, ..] => {
            let message = "another variant is the fault already";
            return Err(syn::Error::new(second.ident.span(), message));
        }
    };
    match &chosen.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(&chosen.ident),
        _ => {
            let message = format!("the fault stands alone: `{}(Fault)`", chosen.ident);
            Err(syn::Error::new(chosen.ident.span(), message))
        }
    }
}

fn is_marked(attributes: &[Attribute]) -> syn::Result<bool> {
    let mut marks = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(ATTRIBUTE));
    let Some(mark) = marks.next() else {
        return Ok(false);
    };
    if !matches!(mark.meta, Meta::Path(_)) {
        return Err(syn::Error::new(
            mark.meta.span(),
            "`#[fault]` has no options",
        ));
    }
    match marks.next() {
        None => Ok(true),
        Some(second) => Err(syn::Error::new(second.span(), "this mark is given twice")),
    }
}

fn write(error: &Ident, variant: &Ident, has_others: bool) -> TokenStream {
    // Without other variants these arms could not be reached.
    let no_fault = has_others.then(|| quote!(_ => ::core::option::Option::None,));
    let own = has_others.then(|| quote!(own => ::core::result::Result::Err(own),));
    quote! {
        const _: () = {
            use ::wrt_contract::generated::Fault;

            #[automatically_derived]
            impl ::core::convert::From<Fault> for #error {
                fn from(fault: Fault) -> Self {
                    Self::#variant(fault)
                }
            }

            #[automatically_derived]
            impl ::wrt_contract::InterfaceError for #error {
                fn as_fault(&self) -> ::core::option::Option<&Fault> {
                    match self {
                        Self::#variant(fault) => ::core::option::Option::Some(fault),
                        #no_fault
                    }
                }

                fn into_fault(self) -> ::core::result::Result<Fault, Self> {
                    match self {
                        Self::#variant(fault) => ::core::result::Result::Ok(fault),
                        #own
                    }
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion(item: TokenStream) -> String {
        let tokens = expand(item).expect("the error is sound");
        prettyplease::unparse(&syn::parse2(tokens).expect("it is Rust"))
    }

    #[test]
    fn a_mark_comes_before_the_name() {
        let marked = expansion(quote! {
            enum E { #[fault] Lattice(Fault), Fault(String) }
        });
        assert!(marked.contains("Self::Lattice(fault) => ::core::option::Option::Some(fault)"));
        let named = expansion(quote!(
            enum E {
                Own,
                Fault(Fault),
            }
        ));
        assert!(named.contains("Self::Fault(fault) => ::core::option::Option::Some(fault)"));
    }

    #[test]
    fn an_error_that_is_only_the_fault_has_no_arm_for_others() {
        let only = expansion(quote!(
            enum E {
                Fault(Fault),
            }
        ));
        assert!(!only.contains("_ =>") && !only.contains("own"), "{only}");
    }
}
