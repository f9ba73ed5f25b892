//! Export glue: a component that is a program, of either version.

use std::{future::poll_fn, sync::Arc, time::Duration};

use tokio::time::timeout;
use wasmtime::component::InstancePre;
use wasmtime_wasi::{p2, p3};
use wrt_contract::{CallContext, async_trait};
use wrt_host::{InstanceState, Instances, Lent, guest_exit, guest_fault};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{Command, Exit, Start};

/// How the exports begin by which a component is a program.
pub(crate) const EXPORTS: &[&str] = &[OF_0_2, OF_0_3];
const OF_0_2: &str = "wasi:cli/run@0.2.";
const OF_0_3: &str = "wasi:cli/run@0.3.";

/// How long tasks of a guest of 0.3 may go on after it has said how it ends: what it has printed last is on its
/// way to its output.
const LEFT_OVER_MAX: Duration = Duration::from_secs(1);

const FAILED: Exit = Exit { code: 1 };
const WELL: Exit = Exit { code: 0 };

/// A component as a program.
pub struct CommandComponent {
    instances: Arc<dyn Instances>,
    export: Arc<Export>,
}

/// By which export.
enum Export {
    P2(p2::bindings::CommandIndices),
    P3(p3::bindings::CommandIndices),
}

impl Export {
    /// That of 0.3, where a component has both.
    fn of(pre: &InstancePre<InstanceState>) -> wasmtime::Result<Option<Self>> {
        let component = pre.component().component_type();
        let has = |start: &str| {
            let mut exports = component.exports(pre.engine());
            exports.any(|(name, _)| name.starts_with(start))
        };
        Ok(if has(OF_0_3) {
            Some(Self::P3(p3::bindings::CommandIndices::new(pre)?))
        } else if has(OF_0_2) {
            Some(Self::P2(p2::bindings::CommandIndices::new(pre)?))
        } else {
            None
        })
    }

    /// Runs the guest; what it says of it in the end.
    async fn run(
        &self,
        lent: &mut Lent,
        pre: &InstancePre<InstanceState>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let instance = lent.instance(pre).await?;
        match self {
            Self::P2(indices) => {
                let command = indices.load(&mut *lent, &instance)?;
                command.wasi_cli_run().call_run(&mut *lent).await
            }
            Self::P3(indices) => {
                let command = indices.load(&mut *lent, &instance)?;
                let run = lent.run_concurrent(async move |accessor| {
                    let said = command.wasi_cli_run().call_run(accessor).await?;
                    let rest = poll_fn(|cx| accessor.poll_no_interesting_tasks(cx));
                    let _cut_off = timeout(LEFT_OVER_MAX, rest).await;
                    Ok::<_, wasmtime::Error>(said)
                });
                run.await?
            }
        }
    }
}

impl CommandComponent {
    /// The component behind `instances`; `None` if it is no program.
    ///
    /// # Errors
    /// An export with the right name and other types.
    pub fn new(instances: Arc<dyn Instances>) -> wasmtime::Result<Option<Self>> {
        let export = Export::of(instances.instance_pre())?;
        Ok(export.map(|export| Self {
            instances,
            export: Arc::new(export),
        }))
    }

    /// Whether it is made of what is asked for.
    fn is_what_is_meant(&self, start: &Start) -> Result<(), Fault> {
        let is_meant = match &start.specification {
            None => true,
            Some(meant) => self.instances.specification() == Some(meant),
        };
        match is_meant {
            true => Ok(()),
            false => {
                let detail = "it is still another revision of the component";
                let kind = FaultKind::Unavailable;
                Err(Fault::not_executed(kind, Hop::Actor, detail))
            }
        }
    }
}

#[async_trait]
impl Command for CommandComponent {
    async fn run(&self, context: &CallContext, start: &Start) -> Result<Exit, Fault> {
        start.check()?;
        self.is_what_is_meant(start)?;
        let (pre, export) = (
            self.instances.instance_pre().clone(),
            Arc::clone(&self.export),
        );
        let actor = self.instances.actor();
        let own_name = std::iter::once(actor.name.to_string());
        let arguments = own_name.chain(start.arguments.iter().cloned()).collect();
        let prepared = self.instances.prepare_new(context);
        let called = prepared.call(move |mut lent| async move {
            lent.data_mut().set_arguments(arguments);
            export.run(&mut lent, &pre).await
        });
        match called.await {
            Ok(Ok(())) => Ok(WELL),
            Ok(Err(())) => Ok(FAILED),
            Err(error) => match guest_exit(&error) {
                Some(code) => Ok(Exit {
                    code: u8::try_from(code).unwrap_or(FAILED.code),
                }),
                None => {
                    tracing::warn!(%actor, ?error, "a program failed");
                    Err(guest_fault(&error))
                }
            },
        }
    }
}
