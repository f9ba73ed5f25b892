//! `wrt dev`: an app in this process, whose components are built and swapped when a file changes.
//!
//! ```text
//!  files ── notify (a bell) ── scan ──┬─ a source ───> build (one at a time) ─┐
//!                                     └─ the manifest, a component ───────────┴─> deployment ─> node
//! ```
//!
//! Invariants:
//! - what has changed is found by comparing what the files contain, so that an event that was lost, came twice or
//!   means nothing does no harm;
//! - nothing that fails ends it, and nothing that fails is given to the node as far as that can be known: what ran
//!   before goes on;
//! - at most one build and one deployment are under way, and each gives way to a newer one.

mod build;
mod plan;
mod serving;
mod sources;
mod watch;

use std::{
    collections::BTreeSet,
    process::ExitCode,
    time::{Duration, Instant},
};

use wrt_runtime::Runtime;

use super::{
    args::DevArgs,
    descriptors,
    exit::Failure,
    output::Output,
    run::drain,
    signals::{asked_to_stop, bear_file_limit},
    telemetry::Telemetry,
};
use build::{Build, Ended};
use plan::{Changed, Plan};
use serving::{Deployment, Serving};
use watch::Watch;

pub async fn dev(
    runtime: Runtime,
    arguments: DevArgs,
    output: Output,
) -> Result<ExitCode, Failure> {
    descriptors::raise_limit();
    bear_file_limit();
    let telemetry = Telemetry::start("local")?;
    let plan = Plan::read(&arguments)?;
    let serving = Serving::start(runtime, &arguments, output).await?;
    let mut session = Session {
        arguments: &arguments,
        output,
        watch: Watch::start(&plan, output),
        due: plan.all(),
        failed: BTreeSet::new(),
        plan,
        building: None,
        given_up: 0,
        serving: &serving,
    };
    tokio::select! {
        () = session.run() => {}
        () = asked_to_stop() => {}
    }
    let building = session.building.take();
    let stopped = async {
        if let Some((_, build)) = building {
            build.stop().await;
        }
    };
    let ((), ()) = tokio::join!(stopped, drain(serving.into_node(), output));
    telemetry.finish().await;
    Ok(ExitCode::SUCCESS)
}

struct Session<'a> {
    arguments: &'a DevArgs,
    output: Output,
    plan: Plan,
    watch: Watch,
    /// The builds that are to be made, by their places in the plan.
    due: BTreeSet<usize>,
    /// Those that have failed since something of them has changed.
    failed: BTreeSet<usize>,
    building: Option<(usize, Build)>,
    /// Builds that were given up since one has ended by itself.
    given_up: u32,
    serving: &'a Serving,
}

/// Builds that are given up in a row for what has changed meanwhile: more of them say that it is the build itself that
/// changes it.
const GIVEN_UP_MAX: u32 = 3;
/// How long the next one may take before it is given up all the same.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// Goes on for ever.
    async fn run(&mut self) {
        let serving = self.serving;
        let mut deployment = Deployment::none();
        if self.due.is_empty() {
            deployment = serving.deploy(None);
        }
        loop {
            self.build_next();
            tokio::select! {
                changed = self.watch.changed() => {
                    if self.take(changed).await && self.is_built() {
                        deployment = serving.deploy(None);
                    }
                }
                ended = build::ended(&mut self.building) => {
                    if self.ended(ended) {
                        deployment = serving.deploy(Some(Instant::now()));
                    }
                }
                () = deployment.done() => {}
            }
        }
    }

    /// Whether everything is as its sources are.
    fn is_built(&self) -> bool {
        self.due.is_empty() && self.failed.is_empty() && self.building.is_none()
    }

    fn build_next(&mut self) {
        if self.building.is_some() {
            return;
        }
        let Some(at) = self.due.pop_first() else {
            return;
        };
        self.failed.remove(&at);
        let step = &self.plan.builds[at];
        self.output.progress(&format!("building: {}", step.command));
        match Build::start(step) {
            Ok(build) => self.building = Some((at, build)),
            Err(error) => {
                self.output.trouble(&Failure::failed(error));
                self.failed.insert(at);
            }
        }
    }

    /// Takes up what has changed. Whether the app is to be deployed for it.
    async fn take(&mut self, changed: Changed) -> bool {
        for (at, path) in &changed.sources {
            self.due.insert(*at);
            self.failed.remove(at);
            let Some((_, build)) = self.building.as_ref().filter(|(built, _)| built == at) else {
                continue;
            };
            let is_left_alone = self.given_up >= GIVEN_UP_MAX && build.elapsed() < LEFT_ALONE_FOR;
            let becomes = match is_left_alone {
                true => "it is built again when this build has ended",
                false => "this build is given up",
            };
            let path = path.display();
            self.output
                .progress(&format!("{path} has changed meanwhile: {becomes}"));
            if !is_left_alone {
                self.given_up += 1;
                self.give_up_build().await;
            }
        }
        if !changed.manifest {
            return changed.components;
        }
        match Plan::read(self.arguments) {
            Ok(plan) if plan != self.plan => {
                self.give_up_build().await;
                self.due = plan.all();
                self.failed.clear();
                self.watch = Watch::start(&plan, self.output);
                self.plan = plan;
                true
            }
            Ok(_) => true,
            Err(failure) => {
                self.output.trouble(&failure);
                self.output.progress(GOES_ON);
                changed.components
            }
        }
    }

    async fn give_up_build(&mut self) {
        if let Some((_, build)) = self.building.take() {
            build.stop().await;
        }
    }

    /// Takes up how a build has ended. Whether the app is to be deployed for it: also when that build is due again,
    /// for what it may have changed itself.
    fn ended(&mut self, (at, ended): (usize, Ended)) -> bool {
        let is_due_again = self.due.contains(&at);
        if !is_due_again {
            self.given_up = 0;
        }
        let took = Seconds(ended.took);
        match ended.result {
            Ok(status) if status.success() => {
                let told = format!("built in {took}");
                let command = &self.plan.builds[at].command;
                let json = serde_json::json!({ "built": command, "ms": took.millis() });
                self.output.result(&told, &json);
                return self.failed.is_empty() && self.due.len() == usize::from(is_due_again);
            }
            Ok(status) => {
                let command = &self.plan.builds[at].command;
                let error = anyhow::anyhow!("`{command}` has failed after {took}: {status}");
                self.output.trouble(&Failure::failed(error));
            }
            Err(error) => self.output.trouble(&Failure::failed(error)),
        }
        self.failed.insert(at);
        self.output.progress(GOES_ON);
        false
    }
}

/// What is told beside each failure.
const GOES_ON: &str = "what ran before goes on; the next change is waited for";

/// A time as people read it.
struct Seconds(Duration);

impl Seconds {
    fn millis(&self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}
