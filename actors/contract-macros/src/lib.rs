//! The macro behind `wrt_contract::interface`.

/// placeholder
#[proc_macro_attribute]
pub fn interface(_attributes: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    item
}
