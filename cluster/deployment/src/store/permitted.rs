//! What the store publishes to: the subjects of JetStream's own interface, of three streams and no other.
//!
//! Source: NATS's JetStream wire API. A stream that is only looked at cannot be changed by these; but whoever may
//! make a consumer says where its messages go, so of the streams that are followed it is as good as read for
//! anybody whom that one likes.

use wrt_protocol::{LatticeName, subject::Role};

use super::streams;

/// What a role publishes to.
pub(crate) fn published(lattice: &LatticeName, role: Role) -> Vec<String> {
    let (apps_bucket, apps) = streams::apps_names(lattice);
    let (leases_bucket, leases) = streams::leases_names(lattice);
    let (components_bucket, components) = streams::components_names(lattice);
    let mut published = [read(&apps), followed(&apps), read(&components)].concat();
    match role {
        Role::Observer => {}
        Role::Node => {
            published.extend(read(&leases));
            published.push(format!("$KV.{leases_bucket}.>"));
        }
        Role::Operator => {
            // The client asks before it makes a bucket.
            published.push("$JS.API.INFO".to_owned());
            for stream in [&apps, &leases, &components] {
                published.push(format!("$JS.API.STREAM.CREATE.{stream}"));
            }
            published.push(format!("$JS.API.STREAM.INFO.{leases}"));
            for stream in [&apps, &components] {
                published.push(format!("$JS.API.STREAM.PURGE.{stream}"));
            }
            published.push(format!("$JS.API.STREAM.MSG.DELETE.{components}"));
            published.push(format!("$KV.{apps_bucket}.>"));
            published.push(format!("$O.{components_bucket}.>"));
        }
    }
    published
}

/// To read messages of a stream: from its leader, and from whoever has a copy where it allows that.
fn read(stream: &str) -> Vec<String> {
    [
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}.>"),
    ]
    .into()
}

/// To follow a stream, by a consumer that is made anew where it is lost.
fn followed(stream: &str) -> Vec<String> {
    [
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
        format!("$JS.API.CONSUMER.INFO.{stream}.*"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.*"),
        format!("$JS.FC.{stream}.>"),
    ]
    .into()
}
