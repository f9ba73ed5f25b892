//! What an operation answers, and the body in it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote_spanned};
use syn::Type;

use crate::{argument::is_named, hygiene::hygienic};

/// The `T` of an operation's `Result<T, E>`.
pub(crate) enum AnswerModel {
    /// It is encoded.
    Value,
    /// It flows.
    Body,
    /// A tuple: so many values that are encoded, and a body behind them.
    WithBody { values: usize },
}

impl AnswerModel {
    pub(crate) fn of(answer: &Type) -> Self {
        match answer {
            Type::Tuple(tuple) if tuple.elems.last().is_some_and(is_body) => Self::WithBody {
                values: tuple.elems.len() - 1,
            },
            other if is_body(other) => Self::Body,
            _ => Self::Value,
        }
    }

    pub(crate) fn has_body(&self) -> bool {
        !matches!(self, Self::Value)
    }

    /// A pattern, and an expression, for the answer as the interface has it: `(a, b, body)`.
    pub(crate) fn whole(&self) -> TokenStream {
        let values = self.values();
        match self {
            Self::Value | Self::Body => quote_spanned!(hygienic()=> body),
            Self::WithBody { .. } => quote_spanned!(hygienic()=> (#(#values,)* body)),
        }
    }

    /// The same for the pair that the wire has: `((a, b), body)`.
    pub(crate) fn split(&self) -> TokenStream {
        let values = self.values();
        match values.as_slice() {
            // One value is encoded as itself.
            [value] => quote_spanned!(hygienic()=> (#value, body)),
            _ => quote_spanned!(hygienic()=> ((#(#values,)*), body)),
        }
    }

    fn values(&self) -> Vec<syn::Ident> {
        let count = match self {
            Self::Value | Self::Body => 0,
            Self::WithBody { values } => *values,
        };
        let value = |number| format_ident!("value_{number}", span = hygienic());
        (0..count).map(value).collect()
    }
}

fn is_body(ty: &Type) -> bool {
    is_named(ty, "Body")
}
