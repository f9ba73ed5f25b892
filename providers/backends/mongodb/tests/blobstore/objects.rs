//! The suite, from wherever its provider can be called, and what only this one has.

use std::sync::Arc;

use futures::{AsyncReadExt as _, TryStreamExt as _};
use mongodb::{bson::doc, options::GridFsBucketOptions};
use wrt_blobstore::{Blobstore as _, BlobstoreError, BlobstoreInterface, ByteRange, conformance};
use wrt_contract::{Body, CallContext};
use wrt_test_kit::everywhere;
use wrt_test_servers::MongoDbServer;

use super::support::{Inside, bytes, connect, connect_with, made, object, read, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_conforms() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = Arc::new(connect(&server).await);
    everywhere::<BlobstoreInterface>(store, conformance::run).await;
    // Each case removes what it has made, and another one, which has less patience, what is left of that.
    let _collector = connect_with(&server, |config| config.unnamed_bytes_kept_for_ms = 1000).await;
    let inside = Inside::of(&server).await;
    for collection in ["chunks", "files", "names", "containers"] {
        inside.becomes(collection, 0).await;
    }
}

/// Whoever knows GridFS reads the objects, and finds the indices that it expects.
#[tokio::test(flavor = "multi_thread")]
async fn other_clients_of_gridfs_read_the_objects() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    let inside = Inside::of(&server).await;
    let options = GridFsBucketOptions::builder()
        .bucket_name(inside.bucket.clone())
        .build();
    let gridfs = inside.database.gridfs_bucket(options);
    for size in [0, 1, 261_120, 700_001] {
        let name = format!("o{size}");
        write(&store, &name, size).await.expect("write");
        let mut stream = gridfs
            .open_download_stream_by_name(format!("c/{name}"))
            .await
            .expect("open");
        let mut read_by_them = Vec::new();
        stream.read_to_end(&mut read_by_them).await.expect("read");
        assert!(read_by_them == bytes(size), "{size}");
    }
    let found = gridfs.find(doc! { "metadata.container": "c" }).await;
    let found: Vec<_> = found.expect("find").try_collect().await.expect("files");
    assert_eq!(found.len(), 4);
    let expected = [
        ("files", vec!["_id_", "filename_1_uploadDate_1"]),
        ("chunks", vec!["_id_", "files_id_1_n_1"]),
        (
            "containers",
            vec!["_id_", "emptied_1", "name_1", "removed_1"],
        ),
        (
            "names",
            vec!["_id_", "contents_1_number_1", "old_1", "writing_1"],
        ),
    ];
    for (collection, indices) in expected {
        let found = inside.collection(collection).list_index_names().await;
        let mut found = found.expect("indices");
        found.sort_unstable();
        assert_eq!(found, indices, "{collection}");
    }
}

/// A range begins with the chunk that it begins in: what lies before is not asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_from_its_chunk_on() {
    let server = MongoDbServer::start().expect("mongodb");
    let store = connect(&server).await;
    made(&store).await;
    write(&store, "o", 3_000_000).await.expect("write");
    let inside = Inside::of(&server).await;
    let first = doc! { "n": { "$in": [0, 1, 11] } };
    let removed = inside.collection("chunks").delete_many(first).await;
    assert_eq!(removed.expect("delete").deleted_count, 3);
    for (start, end) in [
        (2 * 261_120, 2 * 261_120),
        (600_000, 2_872_319),
        (2_872_319, 2_872_319),
    ] {
        let range = ByteRange::new(start, end).expect("a legal range");
        let context = CallContext::default();
        let part = store.get_data(&context, &object("o"), range).await;
        let part = part.expect("open").collect(1 << 22).await.expect("read");
        let all = bytes(3_000_000);
        assert!(
            part == all[start as usize..=end as usize],
            "{start} to {end}"
        );
    }
    let whole = store
        .get_data(&CallContext::default(), &object("o"), ByteRange::WHOLE)
        .await;
    let whole = whole.expect("open").collect(1 << 22).await;
    assert_eq!(whole, Err(BlobstoreError::Gone(object("o"))));
}

/// Writers of one object: whoever reads gets what one of them has written, all of it, and nothing is left of
/// the others but what is kept for readers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_object_that_many_replace_is_never_torn() {
    const ROUNDS: usize = 8;
    const SIZE: usize = 600_000;
    let server = MongoDbServer::start().expect("mongodb");
    let stores = [connect(&server).await, connect(&server).await];
    made(&stores[0]).await;
    let filled = |byte: u8| bytes::Bytes::from(vec![byte; SIZE]);
    let put = async |store: &wrt_mongodb::MongoDb, byte: u8| {
        let context = CallContext::default();
        let body = Body::whole(filled(byte));
        store.write_data(&context, &object("o"), body).await
    };
    put(&stores[0], 0).await.expect("write");
    let writers = (1..=4_u8).map(|byte| {
        let store = stores[usize::from(byte % 2)].clone();
        async move {
            for _round in 0..ROUNDS {
                put(&store, byte).await.expect("write");
            }
        }
    });
    let reading = async {
        for _round in 0..2 * ROUNDS {
            let found = read(&stores[0], "o").await;
            assert!(found == filled(found[0]), "torn");
        }
    };
    tokio::join!(futures::future::join_all(writers), reading);
    let _collector = connect_with(&server, |config| config.unnamed_bytes_kept_for_ms = 1000).await;
    let inside = Inside::of(&server).await;
    inside.becomes("files", 1).await;
    inside.becomes("chunks", 3).await;
    let found = read(&stores[1], "o").await;
    assert!(found == filled(found[0]));
}
