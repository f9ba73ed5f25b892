//! The component behind this one: the import `wasi:http/handler`, which the manifest links by that name.
//! A component that has it stands in front of another one (the world `wasi:http/middleware`, for which
//! `wasip3` has no bindings).
//!
//! Here and not in `wrt-guest`: every component of 0.3 that such bindings are linked into has the import,
//! used or not, and so needs the link.

pub use bindings::wasi::http::handler::handle;

/// Of `types` only what `handler` is made of, and the Rust types of `wasip3`. A component whose words
/// for it differ from the published ones does not link.
mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        clippy::all,
        reason = "written by wit-bindgen"
    )]
    wit_bindgen::generate!({
        inline: "
            package wrt:http-next;
            world next { import wasi:http/handler@0.3.2; }

            package wasi:http@0.3.2 {
                interface types {
                    resource request {}
                    resource response {}
                    record DNS-error-payload {
                        rcode: option<string>, info-code: option<u16>,
                    }
                    record TLS-alert-received-payload {
                        alert-id: option<u8>, alert-message: option<string>,
                    }
                    record field-size-payload {
                        field-name: option<string>, field-size: option<u32>,
                    }
                    variant error-code {
                        DNS-timeout, DNS-error(DNS-error-payload), destination-not-found,
                        destination-unavailable, destination-IP-prohibited,
                        destination-IP-unroutable, connection-refused, connection-terminated,
                        connection-timeout, connection-read-timeout, connection-write-timeout,
                        connection-limit-reached, TLS-protocol-error, TLS-certificate-error,
                        TLS-alert-received(TLS-alert-received-payload), HTTP-request-denied,
                        HTTP-request-length-required, HTTP-request-body-size(option<u64>),
                        HTTP-request-method-invalid, HTTP-request-URI-invalid,
                        HTTP-request-URI-too-long, HTTP-request-header-section-size(option<u32>),
                        HTTP-request-header-size(option<field-size-payload>),
                        HTTP-request-trailer-section-size(option<u32>),
                        HTTP-request-trailer-size(field-size-payload), HTTP-response-incomplete,
                        HTTP-response-header-section-size(option<u32>),
                        HTTP-response-header-size(field-size-payload),
                        HTTP-response-body-size(option<u64>),
                        HTTP-response-trailer-section-size(option<u32>),
                        HTTP-response-trailer-size(field-size-payload),
                        HTTP-response-transfer-coding(option<string>),
                        HTTP-response-content-coding(option<string>), HTTP-response-timeout,
                        HTTP-upgrade-failed, HTTP-protocol-error, loop-detected,
                        configuration-error, internal-error(option<string>),
                    }
                }
                interface handler {
                    use types.{request, response, error-code};
                    handle: async func(request: request) -> result<response, error-code>;
                }
            }
        ",
        with: { "wasi:http/types@0.3.2": wrt_guest::wasip3::http::types },
        generate_all,
    });
}
