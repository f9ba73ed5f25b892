//! The expansion, by snapshot. Here and not in `wrt-contract`, because a crate of macros exports
//! no functions; what the expansion *does* is tested there.

use quote::quote;

use crate::expand;

fn expansion(
    options: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> Result<String, String> {
    let tokens = expand(options, item).map_err(|error| error.to_string())?;
    let file = syn::parse2(tokens).map_err(|error| format!("no Rust: {error}"))?;
    Ok(prettyplease::unparse(&file))
}

#[test]
fn an_interface_expands_to_its_parts() {
    let expansion = expansion(
        quote!(name = "wasi:keyvalue", error = KeyValueError),
        quote! {
            /// Values under keys.
            pub trait KeyValue {
                /// The value under `key`.
                #[operation(idempotent)]
                async fn get(
                    &self,
                    context: &CallContext,
                    key: &str,
                ) -> Result<Option<Bytes>, KeyValueError>;

                /// Each form of an argument.
                #[operation(name = "swap", keyed)]
                async fn set_many(
                    &self,
                    context: &CallContext,
                    keys: &[String],
                    cursor: Option<&str>,
                    options: &SetOptions,
                    #[bulk] value: Bytes,
                ) -> Result<(), KeyValueError>;

                /// Waits for nothing and takes nothing.
                #[operation(one_way)]
                async fn notify_all(&self, context: &CallContext) -> Result<(), KeyValueError>;
            }
        },
    );
    insta::assert_snapshot!(expansion.expect("the interface is sound"));
}

#[test]
fn an_interface_with_bodies_expands_to_its_parts() {
    let expansion = expansion(
        quote!(name = "wasi:blobstore", error = BlobError),
        quote! {
            pub trait Blobs {
                /// In and out, with a value beside it.
                #[operation(idempotent = range.is_whole())]
                async fn convert(
                    &self,
                    context: &CallContext,
                    range: Range,
                    #[body] data: Body<BlobError>,
                ) -> Result<(u64, Body), BlobError>;

                /// Out, and nothing beside it.
                async fn read(&self, context: &CallContext) -> Result<Body<BlobError>, BlobError>;
            }
        },
    );
    insta::assert_snapshot!(expansion.expect("the interface is sound"));
}

#[test]
fn a_trait_keeps_its_own_supertraits_and_attributes() {
    let expansion = expansion(
        quote!(name = "a:b", error = errors::Error),
        quote! {
            #[diagnostic::on_unimplemented(note = "kept")]
            trait Named: Debug {
                async fn r#move(&self, c: &wrt_contract::CallContext) -> Result<(), errors::Error>;
            }
        },
    )
    .expect("the interface is sound");
    let definition = expansion.split("const _").next().unwrap_or_default();
    insta::assert_snapshot!(definition, @r#"
    #[::wrt_contract::async_trait]
    #[diagnostic::on_unimplemented(note = "kept")]
    trait Named: Debug + ::core::marker::Send + ::core::marker::Sync + 'static {
        async fn r#move(&self, c: &wrt_contract::CallContext) -> Result<(), errors::Error>;
    }
    /// [`Named`] on the lattice, as `a:b`.
    #[derive(Debug, Clone, Copy)]
    struct NamedInterface;
    "#);
    assert!(
        expansion.contains(r#"OperationName::from_static("move")"#),
        "{expansion}"
    );
}

/// The messages and spans of mistakes are tested by the compiler, in `wrt-contract`; this is what
/// that cannot show: that all mistakes of a trait come together.
#[test]
fn all_mistakes_are_shown_at_once() {
    let error = expand(
        quote!(name = "a:b", error = Error),
        quote! {
            trait Wrong {
                fn one(&self, context: &CallContext) -> Result<(), Error>;
                async fn two(&self) -> Result<(), Error>;
                type Three;
            }
        },
    )
    .expect_err("it is wrong three times");
    assert_eq!(error.into_iter().count(), 3);
}
