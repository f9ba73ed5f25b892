//! The guest's side: [`greeter`] to call, and [`export!`] for a type that is a [`Listener`].
#![allow(missing_docs, clippy::all, reason = "written by bindgen")]

wit_bindgen::generate!({
    path: "wit",
    world: "example:greeting/guest",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "greeting::guest",
});

pub use self::{
    example::greeting::greeter, exports::example::greeting::listener::Guest as Listener,
    wasi::io::streams::StreamError,
};
