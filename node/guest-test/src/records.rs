//! What a component has said, and what it is told from outside: a backend for the test that stands behind it.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use wrt_contract::{Body, CallContext, WholeBody, async_trait};
use wrt_http::{
    HttpClient, HttpClientInterface, HttpError, RequestHead, RequestOptions as HttpOptions,
    ResponseHead, WasiHttp,
};
use wrt_messaging::{
    Message as Sent, Messaging, MessagingError, MessagingInterface, ReplyTo, RequestOptions, Topic,
    TopicFilter, WasiMessaging,
};
use wrt_otel::{Log, MetricBatch, Otel, OtelError, OtelInterface, Span, WasiOtel};
use wrt_runtime::{Backend, Entry, Serves};

use crate::Message;

/// What a body may have that goes to the outside of a test.
const BODY_BYTES_MAX: usize = 64 << 20;

type Answers = Box<dyn Fn(&Message) -> Option<Message> + Send + Sync>;
type Outside = Arc<dyn Fn(http::Request<Bytes>) -> http::Response<Bytes> + Send + Sync>;

/// What is known of one component.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) sent: Mutex<Vec<Message>>,
    /// By the address that they went to.
    pub(crate) replies: Mutex<HashMap<String, Vec<Message>>>,
    pub(crate) spans: Mutex<Vec<Span>>,
    /// Told for each batch of spans.
    pub(crate) more_spans: Notify,
    pub(crate) answers: Mutex<Vec<(TopicFilter, Answers)>>,
    pub(crate) outside: Mutex<Option<Outside>>,
}

/// The records of the tests that run. A node makes its backends by itself, of settings; so a test's number
/// stands there.
static RUNNING: LazyLock<Mutex<HashMap<u64, Weak<Records>>>> = LazyLock::new(Mutex::default);
static TESTS: AtomicU64 = AtomicU64::new(1);

impl Records {
    /// Records of another test, and its number.
    pub(crate) fn open() -> (u64, Arc<Self>) {
        let number = TESTS.fetch_add(1, Relaxed);
        let records = Arc::<Self>::default();
        let mut running = RUNNING.lock();
        running.retain(|_, records| records.strong_count() > 0);
        running.insert(number, Arc::downgrade(&records));
        (number, records)
    }
}

/// The settings: whose records.
#[derive(Debug, Clone, confique::Config)]
pub(crate) struct RecorderOptions {
    /// The number of the test.
    pub test: u64,
}

/// The test has ended.
#[derive(Debug, thiserror::Error)]
#[error("test {0} has ended")]
pub(crate) struct Ended(u64);

/// The backend.
pub(crate) struct Recorder(Arc<Records>);

impl Backend for Recorder {
    const NAME: &'static str = "test";

    type ConnectOptions = RecorderOptions;
    type ConnectError = Ended;

    async fn connect_with(options: RecorderOptions) -> Result<Self, Ended> {
        let records = RUNNING.lock().get(&options.test).and_then(Weak::upgrade);
        records.map(Self).ok_or(Ended(options.test))
    }

    fn is_for_good(_: &Ended) -> bool {
        true
    }
}

impl Serves<WasiMessaging> for Recorder {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<MessagingInterface>(|recorder| recorder);
    }
}

impl Serves<WasiOtel> for Recorder {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<OtelInterface>(|recorder| recorder);
    }
}

impl Serves<WasiHttp> for Recorder {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<HttpClientInterface>(|recorder| recorder);
    }
}

#[async_trait]
impl Messaging for Recorder {
    async fn send(
        &self,
        _: &CallContext,
        topic: &Topic,
        message: &Sent,
    ) -> Result<(), MessagingError> {
        message.check()?;
        let seen = Message::seen(Some(topic), message);
        self.0.sent.lock().push(seen);
        Ok(())
    }

    async fn request(
        &self,
        _: &CallContext,
        topic: &Topic,
        message: &Sent,
        _: RequestOptions,
    ) -> Result<Vec<Sent>, MessagingError> {
        message.check()?;
        let seen = Message::seen(Some(topic), message);
        self.0.sent.lock().push(seen.clone());
        let answers = self.0.answers.lock();
        let answer = answers.iter().find(|(filter, _)| filter.matches(topic));
        let Some((_, answer)) = answer else {
            let text = format!("nobody answers {topic}: say what to answer by App::answers");
            return Err(MessagingError::other(text));
        };
        let reply = answer(&seen).ok_or(MessagingError::Timeout)?;
        Ok(vec![reply.into_sent()])
    }

    async fn reply(
        &self,
        _: &CallContext,
        to: &ReplyTo,
        message: &Sent,
    ) -> Result<(), MessagingError> {
        message.check()?;
        let reply = Message::seen(None, message);
        let mut replies = self.0.replies.lock();
        replies.entry(to.address.clone()).or_default().push(reply);
        Ok(())
    }
}

#[async_trait]
impl Otel for Recorder {
    async fn spans(&self, _: &CallContext, spans: Vec<Span>) -> Result<(), OtelError> {
        self.0.spans.lock().extend(spans);
        self.0.more_spans.notify_one();
        Ok(())
    }

    async fn metrics(&self, _: &CallContext, _: MetricBatch) -> Result<(), OtelError> {
        Ok(())
    }

    async fn logs(&self, _: &CallContext, _: Vec<Log>) -> Result<(), OtelError> {
        Ok(())
    }
}

#[async_trait]
impl HttpClient for Recorder {
    async fn send(
        &self,
        _: &CallContext,
        request: RequestHead,
        _: HttpOptions,
        body: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError> {
        let outside = self.0.outside.lock().clone();
        // What a node does where nothing is linked.
        let outside = outside.ok_or(HttpError::HttpRequestDenied)?;
        let body = body.collect(BODY_BYTES_MAX).await?;
        let (head, body) = ResponseHead::split(outside(request.with_body(body)));
        let body = WholeBody {
            length: Some(body.len() as u64),
            bytes: body,
            ..WholeBody::default()
        };
        Ok((head, body.into()))
    }
}
