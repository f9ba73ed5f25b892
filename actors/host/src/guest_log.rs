//! What a guest says, in the log of its node.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{Level, event, field};
use wrt_protocol::{ActorAddress, LoggedPlace, TraceContext};

use crate::Printable;

/// The target under which a node's log has what guests say.
pub const GUEST_LOG_TARGET: &str = "wrt::guest";
/// Bytes of one message in the log, as the guest wrote them.
pub const GUEST_MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of the word by which a guest tells its messages apart.
pub const GUEST_CONTEXT_BYTES_MAX: usize = 256;

/// How much a message matters: what guests can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestLevel {
    /// How a program goes, step by step.
    Trace,
    /// For those who look for a mistake.
    Debug,
    /// For those who watch.
    Info,
    /// Something that may go wrong.
    Warn,
    /// Something that went wrong.
    Error,
    /// Something that ends the program; an error of the log that says so.
    Critical,
}

/// Where a message of a guest comes from.
#[derive(Debug, Clone, Copy)]
pub enum GuestSource<'a> {
    /// `stdout` or `stderr`.
    Stream(&'static str),
    /// Its logging, with the word that it gave.
    Context(&'a str),
}

/// The log of an instance: it says whose guest speaks, and in which trace. Everything goes under
/// the target [`GUEST_LOG_TARGET`]. What the guest says is cut where it is too long, and
/// [escaped](Printable).
///
/// The trace is that of the invocation in hand. All clones change over to the next one together: a guest
/// may hold what it prints through for longer than one invocation.
#[derive(Debug, Clone, Default)]
pub struct GuestLog {
    actor: Option<ActorAddress>,
    invocation: Arc<Mutex<LoggedInvocation>>,
}

/// An invocation of an instance, to its log.
#[derive(Debug, Clone, Default)]
pub struct LoggedInvocation {
    /// How many the instance has served before.
    number: u64,
    trace: Option<TraceContext>,
}

impl GuestLog {
    /// The log of an instance of `actor`, which begins with an invocation that is part of `trace`.
    #[must_use]
    pub fn new(actor: Option<ActorAddress>, trace: Option<TraceContext>) -> Self {
        let first = LoggedInvocation { number: 0, trace };
        Self {
            actor,
            invocation: Arc::new(Mutex::new(first)),
        }
    }

    /// What is said from now on is part of the next invocation.
    pub fn change_over(&self, trace: Option<TraceContext>) {
        let mut invocation = self.invocation.lock();
        invocation.number += 1;
        invocation.trace = trace;
    }

    /// What is said from now on is part of the invocation with this number, one of several in hand.
    pub(crate) fn turn_to(&self, number: u64, trace: Option<&TraceContext>) {
        *self.invocation.lock() = LoggedInvocation {
            number,
            trace: trace.cloned(),
        };
    }

    /// The invocation in hand, when it is another one than `known`.
    #[must_use]
    pub fn changed_since(&self, known: &LoggedInvocation) -> Option<LoggedInvocation> {
        let invocation = self.invocation.lock();
        (invocation.number != known.number).then(|| invocation.clone())
    }

    /// The invocation in hand.
    #[must_use]
    pub fn invocation(&self) -> LoggedInvocation {
        self.invocation.lock().clone()
    }

    /// Logs one message.
    pub fn log(&self, level: GuestLevel, source: GuestSource<'_>, message: &str) {
        self.log_in(&self.invocation(), level, source, message);
    }

    /// Logs one message that belongs to `invocation`, be it over or not.
    pub fn log_in(
        &self,
        invocation: &LoggedInvocation,
        level: GuestLevel,
        source: GuestSource<'_>,
        message: &str,
    ) {
        let trace = invocation.trace.as_ref();
        macro_rules! log_at {
            ($level:ident, $is_critical:expr) => {
                self.log_at(trace, source, message, |guest| {
                    event!(
                        target: GUEST_LOG_TARGET,
                        Level::$level,
                        app = guest.app.map(field::display),
                        component = guest.component.map(field::display),
                        stream = guest.stream,
                        context = guest.context.map(field::display),
                        trace = guest.place.trace.map(field::display),
                        span = guest.place.span.map(field::display),
                        critical = $is_critical,
                        "{}{}",
                        guest.message,
                        guest.cut
                    );
                })
            };
        }
        match level {
            GuestLevel::Trace => log_at!(TRACE, None::<bool>),
            GuestLevel::Debug => log_at!(DEBUG, None::<bool>),
            GuestLevel::Info => log_at!(INFO, None::<bool>),
            GuestLevel::Warn => log_at!(WARN, None::<bool>),
            GuestLevel::Error => log_at!(ERROR, None::<bool>),
            GuestLevel::Critical => log_at!(ERROR, Some(true)),
        }
    }

    fn log_at(
        &self,
        trace: Option<&TraceContext>,
        source: GuestSource<'_>,
        message: &str,
        event: impl FnOnce(Said<'_>),
    ) {
        let (stream, context) = match source {
            GuestSource::Stream(stream) => (Some(stream), None),
            GuestSource::Context(context) => (None, Some(context)),
        };
        let context = context.filter(|context| !context.is_empty());
        let kept = cut(message, GUEST_MESSAGE_BYTES_MAX);
        let is_cut = kept.len() < message.len();
        event(Said {
            app: self.actor.as_ref().map(|actor| actor.app.as_str()),
            component: self.actor.as_ref().map(|actor| actor.name.as_str()),
            stream,
            context: context.map(|context| Printable(cut(context, GUEST_CONTEXT_BYTES_MAX))),
            place: trace.map(TraceContext::place).unwrap_or_default(),
            message: Printable(kept),
            cut: if is_cut { " (cut)" } else { "" },
        });
    }
}

/// One message, as it is logged.
struct Said<'a> {
    app: Option<&'a str>,
    component: Option<&'a str>,
    stream: Option<&'static str>,
    context: Option<Printable<'a>>,
    place: LoggedPlace,
    message: Printable<'a>,
    cut: &'static str,
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
