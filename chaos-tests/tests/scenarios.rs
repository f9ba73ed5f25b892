//! Scenarios with real processes: a fault under load, and what must hold meanwhile and afterwards.

#![cfg(test)]

mod scenarios {
    mod away;
    mod brokers;
    mod bus;
    mod cut_off_node;
    mod deduplicated_increments;
    mod drained_node;
    mod exclusive;
    mod failover;
    mod fenced_owner;
    mod impatient_clients;
    mod killed_node;
    mod large_body;
    mod messages_in_hand;
    mod misbehaving_guest;
    mod no_message_lost;
    mod objects_in_hand;
    mod ordered_messages;
    mod paused_node;
    mod peers_that_stay;
    mod services_in_hand;
    mod store;
}
