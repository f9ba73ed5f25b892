//! Writes `impl Schema` for a struct or an enum.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Data, DeriveInput, Fields, ext::IdentExt};

/// The implementation, from the item under the derive.
pub(crate) fn derive(item: TokenStream) -> syn::Result<TokenStream> {
    let mut item: DeriveInput = syn::parse2(item)?;
    let attributes = attributes(&item.attrs);
    let structure = match &item.data {
        Data::Struct(data) => {
            let fields = fields(&data.fields);
            quote!(::wrt_contract::Fingerprint::of("struct") #attributes #fields)
        }
        Data::Enum(data) => {
            let variants = data.variants.iter().map(|variant| {
                let name = variant.ident.unraw().to_string();
                let attributes = self::attributes(&variant.attrs);
                let fields = fields(&variant.fields);
                quote!(.text(#name) #attributes #fields)
            });
            quote!(::wrt_contract::Fingerprint::of("enum") #attributes #(#variants)*)
        }
        Data::Union(data) => {
            let message = "a union has no encoding";
            return Err(syn::Error::new_spanned(data.union_token, message));
        }
    };
    for parameter in item.generics.type_params_mut() {
        parameter
            .bounds
            .push(syn::parse_quote!(::wrt_contract::Schema));
    }
    let ident = &item.ident;
    let (generics, arguments, clause) = item.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::wrt_contract::Schema for #ident #arguments #clause {
            const FINGERPRINT: u64 = #structure.finish();
        }
    })
}

/// The shape, and each field with its name or place, its attributes and its type.
fn fields(fields: &Fields) -> TokenStream {
    let shape = match fields {
        Fields::Named(_) => "named",
        Fields::Unnamed(_) => "unnamed",
        Fields::Unit => "unit",
    };
    let each = fields.iter().map(|field| {
        let name = field.ident.as_ref();
        let name = name.map_or_else(String::new, |name| name.unraw().to_string());
        let attributes = attributes(&field.attrs);
        let ty = &field.ty;
        quote!(.text(#name) #attributes .schema::<#ty>())
    });
    quote!(.text(#shape) #(#each)*)
}

/// What serde was told: how much it changes is not known here, so all of it counts.
fn attributes(attributes: &[Attribute]) -> TokenStream {
    let ours = attributes.iter().filter(|a| a.path().is_ident("serde"));
    // Spaces between tokens are the compiler's, and another one's may be other ones.
    let texts = ours.map(|attribute| {
        let text = attribute.meta.to_token_stream().to_string();
        text.split_whitespace().collect::<String>()
    });
    quote!(#(.text(#texts))*)
}
