//! A body that is waited for only so long.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use tokio::time::{Instant, Sleep};
use wrt_contract::{Body, BodyFrame};

use crate::HttpError;

/// `body`, which ends with [`HttpError::ConnectionReadTimeout`] when nothing comes for `patience`. The
/// time counts while somebody waits for it: that a reader is slow is not the writer's fault.
#[must_use]
pub fn with_patience(body: Body<HttpError>, patience: Duration) -> Body<HttpError> {
    // What is here is not waited for.
    if body.is_whole() {
        return body;
    }
    let length = body.length();
    Body::new(
        length,
        Patient {
            body,
            patience,
            over: None,
            is_waiting: false,
        },
    )
}

struct Patient {
    body: Body<HttpError>,
    patience: Duration,
    /// Made at the first wait, and set anew at each.
    over: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Stream for Patient {
    type Item = Result<BodyFrame, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(next) = Pin::new(&mut self.body).poll_next(cx) {
            self.is_waiting = false;
            return Poll::Ready(next);
        }
        let until = Instant::now() + self.patience;
        let restart = !std::mem::replace(&mut self.is_waiting, true);
        let over = self
            .over
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if restart {
            over.as_mut().reset(until);
        }
        over.as_mut()
            .poll(cx)
            .map(|()| Some(Err(HttpError::ConnectionReadTimeout)))
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_waiting_counts() {
        let second = Duration::from_secs(1);
        let frame = || BodyFrame::Data(bytes::Bytes::from_static(b"a"));
        let frames =
            stream::iter([second / 2, second / 2, 2 * second]).then(move |pause| async move {
                tokio::time::sleep(pause).await;
                Ok(frame())
            });
        let mut body = with_patience(Body::new(None, frames), second);
        assert_eq!(body.next().await, Some(Ok(frame())));
        // The reader's own pause.
        tokio::time::sleep(10 * second).await;
        assert_eq!(body.next().await, Some(Ok(frame())));
        let start = Instant::now();
        let error = HttpError::ConnectionReadTimeout;
        assert_eq!(body.next().await, Some(Err(error)));
        assert_eq!(start.elapsed(), second);
        assert_eq!(body.next().await, None);
    }
}
