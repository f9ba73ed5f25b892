//! Both versions, without a guest: a stream of 0.3 may be read and written by the host alone.

use bytes::Bytes;
use futures::{StreamExt, stream};
use wasmtime::{Config, Engine, Store, component::StreamReader};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError};
use wrt_contract::{Body, BodyFrame, Trailers};
use wrt_protocol::{Fault, FaultKind, Hop, limits::CHUNK_BYTES_MAX};

use super::{BodyInput, BodyProducer, from_guest};

fn gone() -> Fault {
    Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone")
}

fn trailers() -> Trailers {
    vec![("sum".to_owned(), b"1".to_vec())]
}

/// Pieces of the sizes given, none of whose bytes look like another's, and then `last`.
fn body(sizes: &[usize], last: Option<Result<BodyFrame, Fault>>) -> Body {
    let piece =
        |(number, size): (usize, &usize)| Ok(BodyFrame::Data(vec![number as u8; *size].into()));
    let frames: Vec<_> = sizes.iter().enumerate().map(piece).chain(last).collect();
    Body::new(None, stream::iter(frames))
}

fn input(body: Body) -> BodyInput<Fault> {
    BodyInput::new(body, wasmtime::Error::new)
}

#[tokio::test]
async fn an_input_stream_gives_what_is_there_up_to_what_was_asked_for() {
    let mut input = input(body(&[5, 2], Some(Ok(BodyFrame::Trailers(trailers())))));
    input.ready().await;
    assert_eq!(input.read(3).unwrap(), [0, 0, 0][..]);
    assert_eq!(input.read(9).unwrap(), [0, 0][..]);
    assert_eq!(input.read(9).unwrap(), [1, 1][..]);
    assert!(matches!(input.read(9), Err(StreamError::Closed)));
    assert!(matches!(input.read(9), Err(StreamError::Closed)));
}

#[tokio::test]
async fn an_input_stream_waits_and_tells_an_error_once() {
    let (sender, pieces) = tokio::sync::mpsc::channel(1);
    let pieces = stream::unfold(pieces, |mut pieces| async {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    let mut input = input(Body::new(None, pieces));
    assert_eq!(input.read(9).unwrap(), "", "nothing is there yet");
    let send = async { sender.send(Err(gone())).await.unwrap() };
    futures::join!(input.ready(), send);
    let Err(StreamError::LastOperationFailed(error)) = input.read(9) else {
        panic!("the error is told");
    };
    assert!(error.to_string().contains("gone"), "{error}");
    assert!(matches!(input.read(9), Err(StreamError::Closed)));
}

#[tokio::test]
async fn an_output_stream_has_room_for_one_piece() {
    let (writer, end, mut body) = from_guest::<Fault>(Some(6));
    let mut output = writer.into_output();
    assert_eq!(output.check_write().unwrap(), CHUNK_BYTES_MAX);
    output.write(Bytes::from_static(b"one")).unwrap();
    assert_eq!(output.check_write().unwrap(), 0, "nobody has read it yet");
    assert!(matches!(
        output.write(Bytes::from_static(b"two")),
        Err(StreamError::Trap(_))
    ));
    let first = async { body.next().await.unwrap().unwrap() };
    let ((), first) = futures::join!(output.ready(), first);
    assert_eq!(first, BodyFrame::Data(Bytes::from_static(b"one")));
    output.write(Bytes::from_static(b"two")).unwrap();
    drop(output);
    end.finish(Ok(trailers()));
    let rest: Vec<_> = StreamExt::collect(body).await;
    let two = BodyFrame::Data(Bytes::from_static(b"two"));
    assert_eq!(rest, [Ok(two), Ok(BodyFrame::Trailers(trailers()))]);
}

/// Fails when a guest that traps, and so drops its streams, looks like one that has finished.
#[tokio::test]
async fn a_body_without_its_end_is_broken() {
    for finished in [None, Some(Err(gone()))] {
        let (writer, end, body) = from_guest::<Fault>(None);
        let mut output = writer.into_output();
        output.check_write().unwrap();
        output.write(Bytes::from_static(b"one")).unwrap();
        drop(output);
        let expected = match finished {
            None => {
                drop(end);
                FaultKind::Crashed
            }
            Some(outcome) => {
                end.finish(outcome);
                FaultKind::NodeLost
            }
        };
        let fault = body.collect(9).await.unwrap_err();
        assert_eq!(fault.kind(), expected);
    }
}

#[tokio::test]
async fn a_reader_that_is_gone_is_told() {
    let (writer, _end, body) = from_guest::<Fault>(None);
    let mut output = writer.into_output();
    drop(body);
    output.ready().await;
    assert!(matches!(output.check_write(), Err(StreamError::Closed)));
    assert!(matches!(output.flush(), Err(StreamError::Closed)));
}

/// A body into a stream of 0.3, and that into a body again.
async fn through_a_stream(body: Body) -> Vec<Result<BodyFrame, Fault>> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    let (producer, ended) = BodyProducer::new(body);
    let (writer, end, back) = from_guest::<Fault>(None);
    let reader = StreamReader::new(&mut store, producer).unwrap();
    reader.pipe(&mut store, writer.into_consumer()).unwrap();
    let read = StreamExt::collect::<Vec<_>>(back);
    let finish = async {
        end.finish(ended.await.expect("the body came to its end"));
    };
    let run = store.run_concurrent(async |_| {
        // The end comes when all of it has been read.
        futures::join!(finish, read).1
    });
    run.await.unwrap()
}

#[tokio::test]
async fn a_stream_of_0_3_carries_a_body_and_its_end() {
    let sizes = [5, 3 * CHUNK_BYTES_MAX + 1, 1];
    for last in [
        None,
        Some(Ok(BodyFrame::Trailers(trailers()))),
        Some(Err(gone())),
    ] {
        let frames = through_a_stream(body(&sizes, last.clone())).await;
        let bytes: Vec<u8> = frames
            .iter()
            .filter_map(|frame| match frame {
                Ok(BodyFrame::Data(bytes)) => {
                    assert!(bytes.len() <= CHUNK_BYTES_MAX);
                    Some(bytes.to_vec())
                }
                _ => None,
            })
            .flatten()
            .collect();
        let expected = sizes.iter().enumerate();
        let expected = expected.flat_map(|(number, size)| vec![number as u8; *size]);
        assert!(expected.eq(bytes));
        let end = frames
            .last()
            .filter(|frame| !matches!(frame, Ok(BodyFrame::Data(_))));
        assert_eq!(end, last.as_ref());
    }
}
