//! What is known of an interface: its trait, taken apart and checked.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, ItemTrait, LitStr, PathArguments, ReturnType, Signature, TraitItem,
    TraitItemFn, Type, ext::IdentExt,
};

use crate::{
    answer::AnswerModel,
    argument::{ArgumentModel, Travel, last_segment},
    options::{Idempotent, InterfaceOptions, OperationOptions},
};

/// The longest tuple that serde knows.
const ARGUMENTS_MAX: usize = 16;

/// An interface.
pub(crate) struct InterfaceModel {
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) operations: Vec<OperationModel>,
    /// The trait as it was written, without the attributes of this macro.
    pub(crate) definition: ItemTrait,
}

/// One operation of it.
pub(crate) struct OperationModel {
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) idempotent: Idempotent,
    pub(crate) one_way: bool,
    pub(crate) arguments: Vec<ArgumentModel>,
    /// `Result<T, E>`, as it was written.
    pub(crate) output: Type,
    pub(crate) answer: AnswerModel,
}

impl OperationModel {
    /// The arguments that are encoded.
    pub(crate) fn encoded(&self) -> impl Iterator<Item = &ArgumentModel> {
        let encoded = |argument: &&ArgumentModel| argument.travel == Travel::Encoded;
        self.arguments.iter().filter(encoded)
    }

    /// The argument that travels as bulk bytes.
    pub(crate) fn bulk(&self) -> Option<&ArgumentModel> {
        self.travelling(Travel::Bulk).next()
    }

    /// The argument that is a body.
    pub(crate) fn body(&self) -> Option<&ArgumentModel> {
        self.travelling(Travel::Body).next()
    }

    /// Whether a body goes in or out.
    pub(crate) fn has_body(&self) -> bool {
        self.body().is_some() || self.answer.has_body()
    }

    fn travelling(&self, travel: Travel) -> impl Iterator<Item = &ArgumentModel> {
        let matches = move |argument: &&ArgumentModel| argument.travel == travel;
        self.arguments.iter().filter(matches)
    }

    /// The argument that names the one replica that may serve the call.
    pub(crate) fn lease(&self) -> Option<&ArgumentModel> {
        self.arguments.iter().find(|argument| argument.lease)
    }
}

impl InterfaceModel {
    pub(crate) fn parse(options: TokenStream, item: TokenStream) -> syn::Result<Self> {
        let InterfaceOptions { name, error } = InterfaceOptions::parse(options)?;
        let mut definition: ItemTrait = syn::parse2(item)?;
        let mut mistakes = Mistakes::default();
        if !definition.generics.params.is_empty() {
            mistakes.add(&definition.generics, "an interface has no generics");
        }
        if let Some(keyword) = &definition.unsafety {
            mistakes.add(keyword, "an interface is a safe trait");
        }
        let mut operations = Vec::new();
        for item in &mut definition.items {
            match item {
                TraitItem::Fn(function) => {
                    operations.extend(mistakes.keep(operation(function, &error)));
                }
                TraitItem::Type(item) => {
                    mistakes.add(item, "an interface has no associated types");
                }
                other => mistakes.add(other, "an interface has operations and nothing else"),
            }
        }
        mistakes.keep(refuse_duplicates(&operations));
        mistakes.into_result()?;
        Ok(Self {
            ident: definition.ident.clone(),
            name,
            operations,
            definition,
        })
    }
}

/// Mistakes found so far: all are shown at once.
#[derive(Default)]
struct Mistakes(Option<syn::Error>);

impl Mistakes {
    fn add(&mut self, culprit: impl ToTokens, message: &str) {
        self.combine(syn::Error::new_spanned(culprit, message));
    }

    /// Adds a mistake after which there is nothing more to read.
    fn none<T>(&mut self, culprit: impl ToTokens, message: &str) -> Vec<T> {
        self.add(culprit, message);
        Vec::new()
    }

    fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.combine(error)).ok()
    }

    fn combine(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

fn operation(function: &mut TraitItemFn, error: &Type) -> syn::Result<OperationModel> {
    let mut mistakes = Mistakes::default();
    let options = mistakes
        .keep(OperationOptions::take(&mut function.attrs))
        .unwrap_or_default();
    if let Some(body) = &function.default {
        mistakes.add(
            body,
            "an operation has no default body: each provider writes its own",
        );
    }
    let signature = &mut function.sig;
    let ident = signature.ident.clone();
    refuse_modifiers(signature, &mut mistakes);
    let arguments = arguments(signature, &mut mistakes);
    let output = mistakes.keep(output(signature, error, options.one_way));
    mistakes.into_result()?;
    let (output, answer) = output.expect("a missing output is a mistake");
    Ok(OperationModel {
        name: options.name.unwrap_or_else(|| {
            LitStr::new(&ident.unraw().to_string().replace('_', "-"), ident.span())
        }),
        ident,
        idempotent: options.idempotent,
        one_way: options.one_way,
        arguments,
        output,
        answer,
    })
}

fn refuse_modifiers(signature: &Signature, mistakes: &mut Mistakes) {
    if signature.asyncness.is_none() {
        mistakes.add(signature.fn_token, "an operation is an `async fn`");
    }
    if !signature.generics.params.is_empty() {
        mistakes.add(&signature.generics, "an operation has no generics");
    }
    if let Some(clause) = &signature.generics.where_clause {
        mistakes.add(clause, "an operation has no generics");
    }
    if let Some(keyword) = &signature.unsafety {
        mistakes.add(keyword, "an operation is a safe function");
    }
}

/// The arguments after `&self` and the context.
fn arguments(signature: &mut Signature, mistakes: &mut Mistakes) -> Vec<ArgumentModel> {
    let name = signature.ident.clone();
    let mut inputs = signature.inputs.iter_mut();
    match inputs.next() {
        Some(FnArg::Receiver(receiver)) => {
            let shared = receiver.reference.is_some() && receiver.mutability.is_none();
            if !shared || receiver.colon_token.is_some() {
                let message = "an operation takes `&self`: its provider serves many callers";
                mistakes.add(receiver, message);
            }
        }
        _ => return mistakes.none(&name, "an operation takes `&self` first"),
    }
    match inputs.next() {
        Some(FnArg::Typed(context)) if is_context(&context.ty) => {}
        Some(other) => {
            mistakes.add(other, "after `&self` an operation takes a `&CallContext`");
        }
        None => {
            return mistakes.none(&name, "after `&self` an operation takes a `&CallContext`");
        }
    }
    let arguments: Vec<_> = inputs
        .filter_map(|input| mistakes.keep(ArgumentModel::take(input)))
        .collect();
    for (travel, message) in [
        (
            Travel::Bulk,
            "an operation has at most one `#[bulk]` argument",
        ),
        (
            Travel::Body,
            "an operation has at most one `#[body]` argument",
        ),
    ] {
        let mut these = arguments.iter().filter(|a| a.travel == travel);
        if let Some(second) = these.nth(1) {
            mistakes.add(&second.ident, message);
        }
    }
    if let Some(second) = arguments.iter().filter(|argument| argument.lease).nth(1) {
        mistakes.add(
            &second.ident,
            "an operation has at most one `#[lease]` argument",
        );
    }
    if let Some(surplus) = arguments.get(ARGUMENTS_MAX) {
        let message = "an operation has at most 16 arguments: gather some in a struct";
        mistakes.add(&surplus.ident, message);
    }
    arguments
}

fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() => {
            last_segment(&reference.elem, "CallContext").is_some()
        }
        _ => false,
    }
}

/// The return type, if it is a `Result` with the interface's error, and the answer in it.
fn output(signature: &Signature, error: &Type, one_way: bool) -> syn::Result<(Type, AnswerModel)> {
    let expected = || format!("an operation returns `Result<_, {}>`", written(error));
    let ReturnType::Type(_, output) = &signature.output else {
        return Err(syn::Error::new_spanned(&signature.ident, expected()));
    };
    let wrong = || syn::Error::new_spanned(output, expected());
    let segment = last_segment(output, "Result").ok_or_else(wrong)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Err(wrong());
    };
    let mut arguments = arguments.args.iter();
    let (Some(GenericArgument::Type(answer)), Some(GenericArgument::Type(own)), None) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err(wrong());
    };
    if own != error {
        return Err(syn::Error::new_spanned(own, expected()));
    }
    let unit = matches!(answer, Type::Tuple(tuple) if tuple.elems.is_empty());
    if one_way && !unit {
        let message = "nobody waits for the answer of a one-way operation: it is `()`";
        return Err(syn::Error::new_spanned(answer, message));
    }
    Ok(((**output).clone(), AnswerModel::of(answer)))
}

/// A type as people write it: tokens print with spaces between all of them.
fn written(ty: &Type) -> String {
    ty.to_token_stream().to_string().replace(" :: ", "::")
}

fn refuse_duplicates(operations: &[OperationModel]) -> syn::Result<()> {
    let mut seen = HashSet::new();
    let mut mistakes = Mistakes::default();
    for operation in operations {
        if !seen.insert(operation.name.value()) {
            let message = format!(
                "the interface has an operation `{}` already",
                operation.name.value()
            );
            mistakes.add(&operation.name, &message);
        }
    }
    mistakes.into_result()
}
