//! What every transport promises, run over each of them.
//!
//! A promise is a function in `conformance/`; the list at the end of this file runs it over the
//! loopback and over a real NATS server. A difference between the two is a bug of one of them.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod conformance {
    pub mod lanes;
    pub mod link;
    pub mod payloads;
    pub mod requests;
    pub mod world;
}

macro_rules! promises {
    ($($part:ident: $($promise:ident),+;)+) => {
        mod loopback {
            use super::conformance::{self, world::LoopbackWorld};
            $($(
                #[tokio::test]
                async fn $promise() {
                    conformance::$part::$promise(&LoopbackWorld::default()).await;
                }
            )+)+
        }

        mod nats {
            use super::conformance::{self, world::NatsWorld};
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    conformance::$part::$promise(&NatsWorld::start()).await;
                }
            )+)+
        }
    };
}

promises! {
    payloads:
        every_subscriber_gets_a_payload_untouched,
        nobody_need_subscribe,
        wildcards_match_tokens,
        a_group_takes_each_payload_exactly_once,
        order_is_kept,
        a_subscription_is_known_on_return,
        dropping_a_subscription_unsubscribes,
        a_payload_over_the_limit_is_refused,
        a_bad_subject_is_refused,
        a_full_buffer_drops_and_counts;
    requests:
        a_reply_comes_back,
        no_responder_is_told_at_once,
        a_reply_may_come_from_another_task_much_later,
        many_requests_in_flight_get_their_own_replies,
        a_dropped_request_frees_its_place;
    lanes:
        a_stalled_bulk_subscriber_delays_no_call;
    link:
        a_lost_link_is_seen_and_ends_what_is_in_flight,
        a_link_comes_back_with_its_subscriptions,
        close_sends_what_is_buffered_and_ends_subscriptions;
}
