//! What stands in the parentheses of `#[interface(..)]` and `#[operation(..)]`.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, LitStr, Type, meta::ParseNestedMeta, parse::Parser};

/// `name = "wasi:keyvalue", error = KeyValueError`.
pub(crate) struct InterfaceOptions {
    pub(crate) name: LitStr,
    pub(crate) error: Type,
}

impl InterfaceOptions {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut name = None;
        let mut error = None;
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                set_once(&mut name, meta.value()?.parse::<LitStr>()?, &meta)
            } else if meta.path.is_ident("error") {
                set_once(&mut error, meta.value()?.parse::<Type>()?, &meta)
            } else {
                Err(meta.error("unknown option of `interface`: expected `name` or `error`"))
            }
        });
        parser.parse2(tokens)?;
        let missing = |what| syn::Error::new(Span::call_site(), what);
        Ok(Self {
            name: name
                .ok_or_else(|| missing("an interface needs a name: `name = \"wasi:keyvalue\"`"))?,
            error: error.ok_or_else(|| {
                missing("an interface needs an error type: `error = KeyValueError`")
            })?,
        })
    }
}

/// `idempotent, keyed, one_way, name = "x"`; all absent where there is no attribute.
#[derive(Default)]
pub(crate) struct OperationOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) idempotent: bool,
    pub(crate) keyed: bool,
    pub(crate) one_way: bool,
}

impl OperationOptions {
    /// Reads and takes out the `#[operation(..)]` attributes.
    pub(crate) fn take(attributes: &mut Vec<Attribute>) -> syn::Result<Self> {
        let mut options = Self::default();
        let mut result = Ok(());
        attributes.retain(|attribute| {
            let ours = attribute.path().is_ident("operation");
            if ours && result.is_ok() {
                result = options.read(attribute);
            }
            !ours
        });
        result.map(|()| options)
    }

    fn read(&mut self, attribute: &Attribute) -> syn::Result<()> {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("idempotent") {
                self.idempotent = true;
                Ok(())
            } else if meta.path.is_ident("keyed") {
                self.keyed = true;
                Ok(())
            } else if meta.path.is_ident("one_way") {
                self.one_way = true;
                Ok(())
            } else if meta.path.is_ident("name") {
                set_once(&mut self.name, meta.value()?.parse()?, &meta)
            } else {
                Err(meta.error(
                    "unknown option of `operation`: expected `idempotent`, `keyed`, `one_way` or `name`",
                ))
            }
        })
    }
}

fn set_once<T>(place: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(meta.error("this option is given twice")),
    }
}
