//! The place in a trace that a message carries, in the words of W3C: entries of its metadata, which every
//! broker has for headers.

use wrt_contract::CallContext;
use wrt_protocol::TraceContext;

use crate::{Message, limits::METADATA_ENTRIES_MAX};

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// Adds the place of the call that sends it, unless its sender has named one, or there is no room for it. What a
/// component sends has it.
pub fn carry(message: &mut Message, context: &CallContext) {
    let Some(trace) = context.trace() else {
        return;
    };
    if entry(message, PARENT).is_some() || message.metadata.len() + 2 > METADATA_ENTRIES_MAX {
        return;
    }
    message
        .metadata
        .retain(|(name, _)| !name.eq_ignore_ascii_case(STATE));
    message
        .metadata
        .push((PARENT.to_owned(), trace.to_string()));
    if let Some(state) = &trace.state {
        message.metadata.push((STATE.to_owned(), state.to_string()));
    }
}

/// The place that a message names.
pub(crate) fn named_by(message: &Message) -> Option<TraceContext> {
    TraceContext::parse(entry(message, PARENT)?, entry(message, STATE))
}

fn entry<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut entries = message.metadata.iter();
    let found = entries.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn context() -> CallContext {
        CallContext::default().with_trace(TraceContext::parse(TRACE, Some("a=1")))
    }

    #[test]
    fn what_is_carried_is_named() {
        let mut message = Message::new("hello");
        assert_eq!(named_by(&message), None);
        carry(&mut message, &CallContext::default());
        assert!(message.metadata.is_empty());
        message
            .metadata
            .push(("TraceState".to_owned(), "old=1".to_owned()));
        carry(&mut message, &context());
        assert_eq!(named_by(&message).as_ref(), context().trace());
        assert_eq!(message.metadata.len(), 2);
    }

    #[test]
    fn a_place_that_its_sender_names_stays() {
        let own = "00-00000000000000000000000000000001-0000000000000002-00";
        let mut message = Message::new("hello");
        message
            .metadata
            .push(("Traceparent".to_owned(), own.to_owned()));
        carry(&mut message, &context());
        assert_eq!(named_by(&message).unwrap().to_string(), own);
    }
}
