//! An argument of an operation, and the form in which the callee owns it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    FnArg, GenericArgument, Ident, Lifetime, Pat, PatType, PathArguments, PathSegment, Type,
    TypeImplTrait, TypeReference, TypeTraitObject,
    visit::{self, Visit},
};

/// What is known of an argument.
pub(crate) struct ArgumentModel {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) travel: Travel,
    /// Names the one replica that may serve the call.
    pub(crate) lease: bool,
    form: Form,
}

/// How an argument reaches another node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Travel {
    /// Encoded, among the others.
    Encoded,
    /// As bulk bytes, untouched.
    Bulk,
    /// As the body beside them.
    Body,
}

/// How an argument is passed. Owned types are those that the callee decodes into.
enum Form {
    /// `T`.
    Value,
    /// `&str`, `&[T]`, `&T`.
    Reference { owned: Type },
    /// `Option<&str>`, `Option<&[T]>`, `Option<&T>`.
    Optional { owned: Type, unsized_: bool },
}

impl ArgumentModel {
    /// Reads an argument and takes out its `#[bulk]`.
    pub(crate) fn take(argument: &mut FnArg) -> syn::Result<Self> {
        let FnArg::Typed(argument) = argument else {
            return Err(syn::Error::new_spanned(argument, "`self` comes first"));
        };
        let travel = Travel::take(argument)?;
        let lease = take_lease(argument)?;
        let Pat::Ident(pattern) = &*argument.pat else {
            let message = "an argument of an operation is a plain name";
            return Err(syn::Error::new_spanned(&argument.pat, message));
        };
        Ok(Self {
            ident: pattern.ident.clone(),
            ty: (*argument.ty).clone(),
            travel,
            lease,
            form: Form::of(&argument.ty)?,
        })
    }

    /// Whether it is passed by value, and so must be cloned to be passed twice.
    pub(crate) fn is_by_value(&self) -> bool {
        matches!(self.form, Form::Value)
    }

    /// Its type as a future that holds it needs it: a reference lives as long as `lifetime`. None of
    /// what is passed by value.
    pub(crate) fn living(&self, lifetime: &Lifetime) -> Option<Type> {
        if self.is_by_value() {
            return None;
        }
        let mut ty = self.ty.clone();
        let reference = match &mut ty {
            Type::Reference(reference) => Some(reference),
            other => optional_reference_mut(other),
        };
        reference?.lifetime = Some(lifetime.clone());
        Some(ty)
    }

    /// A reference to it, for the encoder.
    pub(crate) fn borrowed(&self) -> TokenStream {
        let ident = &self.ident;
        if self.is_by_value() {
            quote!(&#ident)
        } else {
            quote!(#ident)
        }
    }

    /// The type that the callee decodes.
    pub(crate) fn owned(&self) -> &Type {
        match &self.form {
            Form::Value => &self.ty,
            Form::Reference { owned } | Form::Optional { owned, .. } => owned,
        }
    }

    /// The argument, made from a local variable of the owned type.
    pub(crate) fn passed(&self) -> TokenStream {
        let ident = &self.ident;
        match self.form {
            Form::Value => quote!(#ident),
            Form::Reference { .. } => quote!(&#ident),
            Form::Optional { unsized_: true, .. } => quote!(#ident.as_deref()),
            Form::Optional { .. } => quote!(#ident.as_ref()),
        }
    }
}

/// Takes out `#[lease]`.
fn take_lease(argument: &mut PatType) -> syn::Result<bool> {
    let attributes = argument.attrs.len();
    argument
        .attrs
        .retain(|attribute| !attribute.path().is_ident("lease"));
    let lease = argument.attrs.len() < attributes;
    let is_reference = |ty: &Type| matches!(ty, Type::Reference(r) if is_named(&r.elem, "Lease"));
    if lease && !is_reference(&argument.ty) {
        let message = "`#[lease]` goes with an argument of type `&Lease`";
        return Err(syn::Error::new_spanned(&argument.ty, message));
    }
    Ok(lease)
}

impl Travel {
    /// The word for it in a fingerprint.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Encoded => "encoded",
            Self::Bulk => "bulk",
            Self::Body => "body",
        }
    }

    /// Takes out the attribute that says it.
    fn take(argument: &mut PatType) -> syn::Result<Self> {
        let mut takes = |name| {
            let attributes = argument.attrs.len();
            argument
                .attrs
                .retain(|attribute| !attribute.path().is_ident(name));
            argument.attrs.len() < attributes
        };
        let (bulk, body) = (takes("bulk"), takes("body"));
        let ty = &argument.ty;
        match (bulk, body) {
            (true, true) => {
                let message = "an argument is `#[bulk]` or `#[body]`, not both";
                Err(syn::Error::new_spanned(ty, message))
            }
            (true, false) if !is_named(ty, "Bytes") => {
                let message = "`#[bulk]` goes with an argument of type `Bytes`, by value";
                Err(syn::Error::new_spanned(ty, message))
            }
            (false, true) if !is_named(ty, "Body") => {
                let message = "`#[body]` goes with an argument of type `Body`, by value";
                Err(syn::Error::new_spanned(ty, message))
            }
            (false, false) if is_named(ty, "Body") => {
                let message = "a body is not encoded: mark it `#[body]`";
                Err(syn::Error::new_spanned(ty, message))
            }
            (true, false) => Ok(Self::Bulk),
            (false, true) => Ok(Self::Body),
            (false, false) => Ok(Self::Encoded),
        }
    }
}

impl Form {
    fn of(ty: &Type) -> syn::Result<Self> {
        if let Type::Reference(reference) = ty {
            let (owned, _) = owned_referent(reference)?;
            return Ok(Self::Reference { owned });
        }
        if let Some(reference) = optional_reference(ty) {
            let (owned, unsized_) = owned_referent(reference)?;
            let owned = syn::parse_quote!(::core::option::Option<#owned>);
            return Ok(Self::Optional { owned, unsized_ });
        }
        refuse_borrowed(ty)?;
        Ok(Self::Value)
    }
}

/// The owned form of what is referred to, and whether that is unsized.
fn owned_referent(reference: &TypeReference) -> syn::Result<(Type, bool)> {
    if reference.mutability.is_some() {
        let message = "an operation cannot change its caller's value: pass it shared, or by value";
        return Err(syn::Error::new_spanned(reference, message));
    }
    if let Some(lifetime) = &reference.lifetime {
        return Err(named_lifetime(lifetime));
    }
    let referent = &*reference.elem;
    refuse_borrowed(referent)?;
    Ok(match referent {
        Type::Slice(slice) => {
            let element = &slice.elem;
            (syn::parse_quote!(::std::vec::Vec<#element>), true)
        }
        other if is_named(other, "str") => (syn::parse_quote!(::std::string::String), true),
        other => (other.clone(), false),
    })
}

fn optional_reference(ty: &Type) -> Option<&TypeReference> {
    let PathArguments::AngleBracketed(arguments) = &last_segment(ty, "Option")?.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(Type::Reference(reference))) => Some(reference),
        _ => None,
    }
}

fn optional_reference_mut(ty: &mut Type) -> Option<&mut TypeReference> {
    let Type::Path(path) = ty else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &mut path.path.segments.last_mut()?.arguments
    else {
        return None;
    };
    match arguments.args.first_mut() {
        Some(GenericArgument::Type(Type::Reference(reference))) => Some(reference),
        _ => None,
    }
}

/// Refuses what has no owned form of its own.
fn refuse_borrowed(ty: &Type) -> syn::Result<()> {
    let mut search = BorrowedSearch { found: None };
    search.visit_type(ty);
    search.found.map_or(Ok(()), Err)
}

struct BorrowedSearch {
    found: Option<syn::Error>,
}

impl<'ast> Visit<'ast> for BorrowedSearch {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let message = "a reference may stand outermost or directly in an `Option`; \
                       further inside it has no owned form for the callee to decode";
        self.found
            .get_or_insert_with(|| syn::Error::new_spanned(reference, message));
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.found.get_or_insert_with(|| named_lifetime(lifetime));
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let message = "an operation has no generics: name the type";
        self.found
            .get_or_insert_with(|| syn::Error::new_spanned(ty, message));
    }

    fn visit_type_trait_object(&mut self, ty: &'ast TypeTraitObject) {
        let message = "a trait object cannot be encoded";
        self.found
            .get_or_insert_with(|| syn::Error::new_spanned(ty, message));
        visit::visit_type_trait_object(self, ty);
    }
}

fn named_lifetime(lifetime: &Lifetime) -> syn::Error {
    syn::Error::new_spanned(lifetime, "an argument of an operation names no lifetime")
}

/// Whether `ty` is a path that ends in `name`.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty, name).is_some()
}

/// The last segment of `ty`, if it is a path that ends in `name`.
pub(crate) fn last_segment<'a>(ty: &'a Type, name: &str) -> Option<&'a PathSegment> {
    let Type::Path(path) = ty else {
        return None;
    };
    path.path
        .segments
        .last()
        .filter(|segment| segment.ident == name)
}
