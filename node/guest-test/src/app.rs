//! A component that runs, and what a test does with it.

use std::{
    fmt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use tokio::time::timeout;
use wrt_blobstore::{BlobstoreInterface, ByteRange, ObjectId};
use wrt_contract::{Body, CallContext, WholeBody};
use wrt_http::HttpHandlerInterface;
use wrt_keyvalue::{Bucket, Key, KeyValueInterface};
use wrt_messaging::{INBOX, MessageHandlerInterface, ReplyTo, Topic, TopicFilter};
use wrt_otel::Span;

use crate::{Answer, Error, Message, Result, Setup, built, desired::MEMORY, inside::Inside};

/// What an answer's body may have, or an object.
const BODY_BYTES_MAX: usize = 256 << 20;
/// How long a span may take on its way: nobody waits for it.
const SPAN_TIMEOUT: Duration = Duration::from_secs(5);

/// A component that runs, alone with what is behind it. It ends with this.
///
/// Each step waits until it is done, at most for the 30 seconds that a call may take.
pub struct App {
    inside: Inside,
    asked: AtomicU64,
}

/// Which component.
impl App {
    /// The component of the crate whose test this is, built by cargo for `wasm32-wasip2`, once for each process of
    /// tests.
    ///
    /// # Errors
    /// What cargo says; and where the compiler has no `std` for that target, what to do about it.
    pub fn of_this_crate() -> Result<Setup> {
        built::of_this_crate().map(Setup::of)
    }

    /// A component that is built already, in whatever language.
    ///
    /// # Errors
    /// No file is there.
    pub fn of_file(component: impl AsRef<Path>) -> Result<Setup> {
        let path = component.as_ref();
        match path.is_file() {
            true => Ok(Setup::of(path.to_owned())),
            false => Err(Error::new(format!(
                "there is no component {}: build it first",
                path.display()
            ))),
        }
    }

    pub(crate) fn of(inside: Inside) -> Self {
        Self {
            inside,
            asked: AtomicU64::new(0),
        }
    }
}

/// HTTP.
impl App {
    /// Has the component answer a request. A body is sent as JSON if it is some, and as text otherwise; for other
    /// headers there is [`App::request`].
    ///
    /// # Errors
    /// The component answers no HTTP, has trapped, or did not answer in time. A response is none, whatever its
    /// status.
    pub fn send(&self, method: &str, target: &str, body: impl Into<Bytes>) -> Result<Answer> {
        let body = body.into();
        let mut request = Request::builder().method(method).uri(target);
        if !body.is_empty() {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
            let content_type = match is_json {
                true => "application/json",
                false => "text/plain; charset=utf-8",
            };
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(body);
        self.request(request.map_err(|error| Error::of("this is no request", &error))?)
    }

    /// The same with a request that is made elsewhere. Without an authority it is for `test`.
    ///
    /// # Errors
    /// As [`App::send`].
    pub fn request(&self, request: Request<Bytes>) -> Result<Answer> {
        let hint = "make it answer HTTP by `web::export!`";
        let handler = self.inside.component::<HttpHandlerInterface>(hint)?;
        let mut request = request.map(whole);
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme.get_or_insert(http::uri::Scheme::HTTP);
        let here = || http::uri::Authority::from_static("test");
        uri.authority.get_or_insert_with(here);
        let uri = http::Uri::from_parts(uri);
        *request.uri_mut() = uri.map_err(|error| Error::of("this is no target", &error))?;
        let what = format!("{} {}", request.method(), request.uri().path());
        self.inside.wait(async {
            let failed = |fault| Error::of(format!("{what} has no answer"), &fault);
            let answer = handler.respond(&CallContext::default(), request).await;
            let (head, body) = answer.map_err(failed)?.into_parts();
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.collect(BODY_BYTES_MAX).await.map_err(failed)?,
            })
        })
    }

    /// Answers the component's own requests to other servers from now on. Until then each is refused, as on a node
    /// where nothing is linked.
    pub fn outside(
        &self,
        answer: impl Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) {
        *self.inside.records.outside.lock() = Some(std::sync::Arc::new(answer));
    }
}

/// Messages.
impl App {
    /// Hands a message to the component's handler, once.
    ///
    /// # Errors
    /// What the handler has returned, for which a broker would send it again; the component handles no messages,
    /// has trapped, or was not done in time.
    pub fn deliver(&self, topic: &str, message: impl Into<Message>) -> Result {
        self.hand_over(topic, message.into(), None)
    }

    /// The same, for a sender who waits for replies: those that the handler has sent until it returned.
    ///
    /// # Errors
    /// As [`App::deliver`].
    pub fn ask(&self, topic: &str, message: impl Into<Message>) -> Result<Vec<Message>> {
        let number = self.asked.fetch_add(1, Relaxed);
        let address = format!("{INBOX}test.{number}");
        let reply_to = ReplyTo {
            address: address.clone(),
            link: "default".to_owned(),
        };
        self.hand_over(topic, message.into(), Some(reply_to))?;
        let replies = self.inside.records.replies.lock().remove(&address);
        Ok(replies.unwrap_or_default())
    }

    fn hand_over(&self, topic: &str, message: Message, reply_to: Option<ReplyTo>) -> Result {
        let hint = "make it handle messages by `topics::export!`";
        let handler = self.inside.component::<MessageHandlerInterface>(hint)?;
        let legal = Topic::new(topic);
        let legal = legal.map_err(|error| Error::of("no message can have this topic", &error))?;
        let message = wrt_messaging::Message {
            topic: Some(legal),
            reply_to,
            ..message.into_sent()
        };
        let context = CallContext::default();
        let handled = self.inside.wait(handler.handle(&context, &message));
        handled.map_err(|error| Error::of(format!("a message of {topic} was not handled"), &error))
    }

    /// What the component has sent, in its order; its requests are among that, replies are not.
    #[must_use]
    pub fn sent(&self) -> Vec<Message> {
        self.inside.records.sent.lock().clone()
    }

    /// Answers the component's requests to topics from now on: `*` stands for one word, a last `>` for one or more.
    /// Nothing for an answer is that none has come in time. Until then a request fails.
    ///
    /// # Errors
    /// A filter that is none.
    pub fn answers(
        &self,
        topics: &str,
        answer: impl Fn(&Message) -> Option<Message> + Send + Sync + 'static,
    ) -> Result {
        let filter = TopicFilter::new(topics);
        let filter = filter.map_err(|error| Error::of("no topics are named so", &error))?;
        let mut answers = self.inside.records.answers.lock();
        answers.insert(0, (filter, Box::new(answer)));
        Ok(())
    }
}

/// What is stored.
impl App {
    /// The value of a key; none where it does not exist.
    ///
    /// # Errors
    /// The component does not import `wasi:keyvalue`; a name that is over a limit.
    pub fn value(&self, bucket: &str, key: &str) -> Result<Option<Bytes>> {
        let store = self.inside.provider::<KeyValueInterface>(MEMORY)?;
        let failed = |error| Error::of(format!("cannot read {key:?} of {bucket:?}"), &error);
        let bucket = Bucket::new(bucket).map_err(failed)?;
        let key = Key::new(key).map_err(failed)?;
        let context = CallContext::default();
        let value = self.inside.wait(store.get(&context, &bucket, &key));
        value.map_err(failed)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// As [`App::value`].
    pub fn set_value(&self, bucket: &str, key: &str, value: impl Into<Bytes>) -> Result {
        let store = self.inside.provider::<KeyValueInterface>(MEMORY)?;
        let failed = |error| Error::of(format!("cannot set {key:?} of {bucket:?}"), &error);
        let bucket = Bucket::new(bucket).map_err(failed)?;
        let key = Key::new(key).map_err(failed)?;
        let context = CallContext::default();
        let set = store.set(&context, &bucket, &key, value.into());
        self.inside.wait(set).map_err(failed)
    }

    /// An object; none where there is none, or no such container.
    ///
    /// # Errors
    /// The component does not import `wasi:blobstore`; a name that is none.
    pub fn object(&self, container: &str, object: &str) -> Result<Option<Bytes>> {
        use wrt_blobstore::BlobstoreError::{NoSuchContainer, NoSuchObject};
        let store = self.inside.provider::<BlobstoreInterface>(MEMORY)?;
        let failed = |error| Error::of(format!("cannot read {object:?} of {container:?}"), &error);
        let object = ObjectId::new(container, object).map_err(failed)?;
        self.inside.wait(async {
            let context = CallContext::default();
            match store.get_data(&context, &object, ByteRange::WHOLE).await {
                Ok(body) => body.collect(BODY_BYTES_MAX).await.map(Some).map_err(failed),
                Err(NoSuchContainer(..) | NoSuchObject(..)) => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })
    }

    /// Sets an object, and makes its container.
    ///
    /// # Errors
    /// As [`App::object`].
    pub fn set_object(&self, container: &str, object: &str, data: impl Into<Bytes>) -> Result {
        let store = self.inside.provider::<BlobstoreInterface>(MEMORY)?;
        let failed = |error| Error::of(format!("cannot set {object:?} of {container:?}"), &error);
        let object = ObjectId::new(container, object).map_err(failed)?;
        self.inside.wait(async {
            let context = CallContext::default();
            let container = &object.container;
            store
                .create_container(&context, container)
                .await
                .map_err(failed)?;
            let written = store.write_data(&context, &object, whole(data.into()));
            written.await.map_err(failed)
        })
    }
}

/// What it says of itself.
impl App {
    /// The spans that have come, in the order in which they ended. They are on their way when an answer is
    /// here: [`App::span`] waits for one.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.inside.records.spans.lock().clone()
    }

    /// The first span of that name; it is waited for up to five seconds.
    ///
    /// # Errors
    /// None has come; those that have are named.
    pub fn span(&self, name: &str) -> Result<Span> {
        let records = &self.inside.records;
        let found = async {
            loop {
                let spans = self.spans();
                if let Some(span) = spans.into_iter().find(|span| span.name == name) {
                    return span;
                }
                // What has come meanwhile is kept for this.
                records.more_spans.notified().await;
            }
        };
        let found = self
            .inside
            .wait(async { timeout(SPAN_TIMEOUT, found).await });
        found.map_err(|_elapsed| {
            let spans = self.spans();
            let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
            Error::new(format!("no span {name:?} has come, but {names:?}"))
        })
    }
}

fn whole<E>(bytes: Bytes) -> Body<E> {
    let whole = WholeBody {
        length: Some(bytes.len() as u64),
        bytes,
        ..WholeBody::default()
    };
    whole.into()
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
