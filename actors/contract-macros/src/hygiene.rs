//! Where the names in what is written belong.

use proc_macro2::Span;

/// The span of what is written: its local names, `self` included, are its own.
pub(crate) fn hygienic() -> Span {
    Span::mixed_site()
}
