//! Writes the trait, and the type that stands for the interface.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::model::InterfaceModel;

pub(crate) fn write(interface: &InterfaceModel) -> TokenStream {
    let mut definition = interface.definition.clone();
    for bound in [
        syn::parse_quote!(::core::marker::Send),
        syn::parse_quote!(::core::marker::Sync),
        syn::parse_quote!('static),
    ] {
        definition.supertraits.push(bound);
    }
    definition.colon_token.get_or_insert_default();
    let visibility = &definition.vis;
    let marker = marker(interface);
    let doc = format!(
        " [`{}`] on the lattice, as `{}`.",
        interface.ident,
        interface.name.value()
    );
    quote! {
        #[::wrt_contract::async_trait]
        #definition

        #[doc = #doc]
        #[derive(Debug, Clone, Copy)]
        #visibility struct #marker;
    }
}

/// The type that stands for the interface.
pub(crate) fn marker(interface: &InterfaceModel) -> syn::Ident {
    format_ident!("{}Interface", interface.ident)
}
