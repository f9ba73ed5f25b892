//! Rows as a body: each is the number of its bytes, four of them with the lowest first, and these bytes,
//! which are the row in the lattice's encoding. A piece of the body holds no certain number of rows.

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::native::transaction::Taken;
use crate::{
    Limit, Row, Session, SqlError,
    limits::{PIECE_BYTES, ROW_BYTES_MAX},
};

/// The bytes of a row's length.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Who has the session while the body flows.
trait Holder: Send + 'static {
    type Session: Session;

    fn session(&mut self) -> &mut Self::Session;

    /// Takes note of how the body ends, before its end is told.
    fn end(self, outcome: Result<(), SqlError>) -> Result<(), SqlError>;
}

struct Alone<S>(S);

impl<S: Session> Holder for Alone<S> {
    type Session = S;

    fn session(&mut self) -> &mut S {
        &mut self.0
    }

    fn end(self, outcome: Result<(), SqlError>) -> Result<(), SqlError> {
        outcome
    }
}

impl<S: Session> Holder for Taken<S> {
    type Session = S;

    fn session(&mut self) -> &mut S {
        Taken::session(self)
    }

    fn end(self, outcome: Result<(), SqlError>) -> Result<(), SqlError> {
        self.after(outcome)
    }
}

/// The rows of a session's query.
pub(crate) fn of_session(context: &CallContext, session: impl Session) -> Body<SqlError> {
    flowing(context, Alone(session))
}

/// The rows of a query in a transaction, which has its session back at their end.
pub(crate) fn of_transaction<S: Session>(context: &CallContext, taken: Taken<S>) -> Body<SqlError> {
    flowing(context, taken)
}

fn flowing(context: &CallContext, holder: impl Holder) -> Body<SqlError> {
    let deadline = context.deadline();
    let frames = stream::try_unfold(holder, move |mut holder| async move {
        match piece(deadline, holder.session()).await {
            Ok(Some(piece)) => Ok(Some((BodyFrame::Data(piece), holder))),
            Ok(None) => holder.end(Ok(())).map(|()| None),
            Err(error) => holder.end(Err(error)).map(|()| None),
        }
    });
    Body::new(None, frames)
}

async fn piece(deadline: Instant, session: &mut impl Session) -> Result<Option<Bytes>, SqlError> {
    let rows = timeout_at(deadline, session.next()).await;
    let rows = rows.map_err(|_elapsed| {
        let detail = "the time of the call ran out while its rows were read";
        Fault::maybe_executed(FaultKind::DeadlineExceeded, Hop::Backend, detail)
    })??;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut piece = BytesMut::with_capacity(2 * PIECE_BYTES);
    for row in &rows {
        let start = piece.len();
        piece.extend_from_slice(&[0; LENGTH_BYTES]);
        piece = postcard::to_extend(row, piece).map_err(|error| malformed(&error.to_string()))?;
        let bytes = piece.len() - start - LENGTH_BYTES;
        Limit::RowBytes.check(bytes, ROW_BYTES_MAX)?;
        let length = u32::try_from(bytes).expect("the limit is below it");
        piece[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    }
    Ok(Some(piece.freeze()))
}

/// Reads rows from a body.
pub(crate) struct RowsReader {
    body: Body<SqlError>,
    /// What has come and was not read.
    here: BytesMut,
}

impl RowsReader {
    pub(crate) fn of(body: Body<SqlError>) -> Self {
        Self {
            body,
            here: BytesMut::new(),
        }
    }

    /// The next rows, at most so many, but those that are here when there is one; none at the end.
    pub(crate) async fn next(&mut self, rows_max: usize) -> Result<Vec<Row>, SqlError> {
        let mut rows = Vec::new();
        while rows.len() < rows_max.max(1) {
            if let Some(row) = self.row()? {
                rows.push(row);
                continue;
            }
            if !rows.is_empty() {
                break;
            }
            match self.body.next().await.transpose()? {
                Some(BodyFrame::Data(piece)) => self.here.extend_from_slice(&piece),
                Some(BodyFrame::Trailers(_)) => {}
                None if self.here.is_empty() => break,
                None => return Err(malformed("the rows end within one").into()),
            }
        }
        Ok(rows)
    }

    /// A row that is here, all of it.
    fn row(&mut self) -> Result<Option<Row>, SqlError> {
        let Some(length) = self.here.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        Limit::RowBytes.check(length, ROW_BYTES_MAX)?;
        if self.here.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.here.advance(LENGTH_BYTES);
        let row = postcard::from_bytes(&self.here.split_to(length));
        Ok(Some(row.map_err(|error| malformed(&error.to_string()))?))
    }
}

fn malformed(why: &str) -> Fault {
    let detail = format!("rows of another form: {why}");
    Fault::maybe_executed(FaultKind::Malformed, Hop::Stream, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn rows() -> Vec<Row> {
        let row = |number: i64| vec![Value::from(number), Value::from("text")];
        (0..7).map(row).collect()
    }

    struct Fixed(Vec<Vec<Row>>);

    impl Session for Fixed {
        async fn begin(&mut self, _: &crate::TransactionOptions) -> Result<(), SqlError> {
            unreachable!("it is only read")
        }
        async fn end(&mut self, _: crate::End) -> Result<(), SqlError> {
            unreachable!("it is only read")
        }
        async fn savepoint(&mut self, _: crate::Savepoint, _: &str) -> Result<(), SqlError> {
            unreachable!("it is only read")
        }
        async fn execute(&mut self, _: &crate::Command) -> Result<u64, SqlError> {
            unreachable!("it is only read")
        }
        async fn query(&mut self, _: &crate::Command) -> Result<Vec<crate::Column>, SqlError> {
            unreachable!("it is only read")
        }
        async fn next(&mut self) -> Result<Vec<Row>, SqlError> {
            Ok(self.0.pop().unwrap_or_default())
        }
        async fn describe(&mut self, _: &str) -> Result<crate::Description, SqlError> {
            unreachable!("it is only read")
        }
    }

    /// A transport cuts a body where it likes.
    #[tokio::test]
    async fn rows_come_out_as_they_went_in_however_the_body_is_cut() {
        let context = CallContext::default();
        let pieces = vec![rows()[4..].to_vec(), rows()[..4].to_vec()];
        let whole = of_session(&context, Fixed(pieces));
        let whole = whole.collect(1 << 20).await.unwrap();
        for cut in [1, 3, 10, whole.len()] {
            let frames: Vec<_> = whole
                .chunks(cut)
                .map(|piece| Ok(BodyFrame::Data(Bytes::copy_from_slice(piece))))
                .collect();
            let mut reader = RowsReader::of(Body::new(None, stream::iter(frames)));
            let mut read = Vec::new();
            loop {
                let some = reader.next(3).await.unwrap();
                assert!(some.len() <= 3);
                if some.is_empty() {
                    break;
                }
                read.extend(some);
            }
            assert_eq!(read, rows(), "{cut}");
        }
        let short = Body::whole(whole.slice(..whole.len() - 1));
        let mut reader = RowsReader::of(short);
        while let Ok(some) = reader.next(100).await {
            assert!(
                !some.is_empty(),
                "a body that is cut off ended as if it were whole"
            );
        }
    }
}
