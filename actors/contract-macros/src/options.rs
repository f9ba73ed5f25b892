//! What stands in the parentheses of `#[interface(..)]` and `#[operation(..)]`.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, LitStr, Token, Type, meta::ParseNestedMeta, parse::Parser};

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
    pub(crate) idempotent: Idempotent,
    pub(crate) one_way: bool,
}

/// Whether a second execution does no harm.
#[derive(Default)]
pub(crate) enum Idempotent {
    #[default]
    No,
    Yes,
    /// At a provider that deduplicates by the call's key.
    Keyed,
    /// Each call says it: an expression over its arguments.
    ByCall(Expr),
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
                let idempotent = if meta.input.peek(Token![=]) {
                    Idempotent::ByCall(meta.value()?.parse()?)
                } else {
                    Idempotent::Yes
                };
                self.set_idempotent(idempotent, &meta)
            } else if meta.path.is_ident("keyed") {
                self.set_idempotent(Idempotent::Keyed, &meta)
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

impl OperationOptions {
    fn set_idempotent(
        &mut self,
        idempotent: Idempotent,
        meta: &ParseNestedMeta<'_>,
    ) -> syn::Result<()> {
        match std::mem::replace(&mut self.idempotent, idempotent) {
            Idempotent::No => Ok(()),
            _ => Err(meta.error("an operation is `idempotent` or `keyed`, and says so once")),
        }
    }
}

fn set_once<T>(place: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(meta.error("this option is given twice")),
    }
}
