//! What is written in the brackets.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Expr, Lit, LitStr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// The name of the span, if one is given, and what is said of it.
#[derive(Default)]
pub(crate) struct Options {
    name: Option<LitStr>,
    attributes: Vec<(String, TokenStream)>,
}

/// One `key = value`.
struct Pair {
    key: Punctuated<Ident, Token![.]>,
    shown: Option<Shown>,
    value: Expr,
}

/// How a value becomes text.
enum Shown {
    Display,
    Debug,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = Punctuated::parse_separated_nonempty_with(input, Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        let shown = if input.peek(Token![%]) {
            input.parse::<Token![%]>()?;
            Some(Shown::Display)
        } else if input.peek(Token![?]) {
            input.parse::<Token![?]>()?;
            Some(Shown::Debug)
        } else {
            None
        };
        let value = input.parse()?;
        Ok(Self { key, shown, value })
    }
}

impl Pair {
    /// The name of the span, if that is what it gives.
    fn name(&self) -> syn::Result<Option<LitStr>> {
        if self.key.len() != 1 || self.key[0] != "name" {
            return Ok(None);
        }
        match (&self.shown, &self.value) {
            (None, Expr::Lit(literal)) if matches!(literal.lit, Lit::Str(_)) => {
                syn::parse2(literal.to_token_stream()).map(Some)
            }
            _ => {
                let message = "the name of a span is a text, known beforehand: name = \"reserve\"";
                Err(syn::Error::new_spanned(&self.value, message))
            }
        }
    }

    fn attribute(self) -> (String, TokenStream) {
        let key: Vec<_> = self
            .key
            .iter()
            .map(|word| word.unraw().to_string())
            .collect();
        let value = self.value;
        let value = match self.shown {
            None => quote! { #value },
            Some(Shown::Display) => quote! { ::std::string::ToString::to_string(&(#value)) },
            Some(Shown::Debug) => quote! { ::std::format!("{:?}", #value) },
        };
        (key.join("."), value)
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        for pair in Punctuated::<Pair, Token![,]>::parse_terminated(input)? {
            match pair.name()? {
                Some(name) => options.name = Some(name),
                None => options.attributes.push(pair.attribute()),
            }
        }
        Ok(options)
    }
}

impl Options {
    /// The name of the span: the function's, if none is given.
    pub(crate) fn name(&self, function: &Ident) -> String {
        match &self.name {
            Some(name) => name.value(),
            None => function.unraw().to_string(),
        }
    }

    /// Keys and values of the attributes.
    pub(crate) fn attributes(&self) -> (Vec<&String>, Vec<&TokenStream>) {
        self.attributes
            .iter()
            .map(|(key, value)| (key, value))
            .unzip()
    }
}
