//! Where replies go: the last token of a reply subject.
//!
//! ```text
//! <inbox>.wrt-<slot>       the reply to one request
//! <inbox>.wrt-packed       replies to several, each with its slot
//! <inbox>.wrt-pack-<slot>  what is said of a whole pack of requests: that nobody is there
//! ```
//!
//! The token says that the one who waits there understands packs. NATS's own clients never make one
//! like it, since theirs have no dash; whoever asks with one of those is answered message by message.

const MARK: &str = ".wrt-";
const PACKED: &str = "packed";
const PACK: &str = "pack-";

/// What a reply subject names, under its inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplyTo {
    /// One request.
    Slot(u64),
    /// The requests that the message itself names.
    Packed,
    /// All requests that went out in one pack.
    Pack(u64),
}

impl ReplyTo {
    /// Reads the subject: the inbox, and what is named under it.
    pub(super) fn parse(subject: &str) -> Option<(&str, Self)> {
        let (inbox, token) = subject.rsplit_once(MARK)?;
        let to = if token == PACKED {
            Self::Packed
        } else if let Some(slot) = token.strip_prefix(PACK) {
            Self::Pack(slot.parse().ok()?)
        } else {
            Self::Slot(token.parse().ok()?)
        };
        Some((inbox, to))
    }

    /// Writes the subject.
    pub(super) fn subject(self, inbox: &str) -> String {
        match self {
            Self::Slot(slot) => format!("{inbox}{MARK}{slot}"),
            Self::Packed => format!("{inbox}{MARK}{PACKED}"),
            Self::Pack(slot) => format!("{inbox}{MARK}{PACK}{slot}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_reply_to() -> impl Strategy<Value = ReplyTo> {
        prop_oneof![
            any::<u64>().prop_map(ReplyTo::Slot),
            Just(ReplyTo::Packed),
            any::<u64>().prop_map(ReplyTo::Pack),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(to in any_reply_to(), inbox in "_INBOX(\\.[0-9A-Za-z]{1,22}){1,2}") {
            let subject = to.subject(&inbox);
            prop_assert_eq!(ReplyTo::parse(&subject), Some((inbox.as_str(), to)));
        }

        #[test]
        fn any_text_is_read_or_is_not(text in ".*") {
            let _read = ReplyTo::parse(&text);
        }

        #[test]
        fn an_inbox_of_another_client_is_not(inbox in "_INBOX(\\.[0-9A-Za-z]{1,22}){1,2}") {
            prop_assert_eq!(ReplyTo::parse(&inbox), None);
        }
    }
}
