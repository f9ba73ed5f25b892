//! Objects on a real server.

#![cfg(test)]

mod blobstore {
    mod collector;
    mod objects;
    mod support;
}
