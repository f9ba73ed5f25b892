//! wasi:blobstore on a server that is a stand-in for MongoDB's.

#![cfg(test)]

mod blobstore {
    mod collected;
    mod failures;
    mod objects;
    mod support;
}
