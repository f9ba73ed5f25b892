//! Waiting for files to change.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};

use super::plan::{Changed, Plan};
use super::sources::Sources;
use crate::cli::output::Output;

/// Silence after which a save is over.
const QUIET: Duration = Duration::from_millis(50);
/// What is waited for silence, at most.
const QUIET_WAIT_MAX: Duration = Duration::from_millis(500);
/// Looks without being told: an event may be lost, and some file systems have none.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// The files of a plan.
pub struct Watch {
    /// Rung by each event. None where the system has no room for another watcher: then it is looked now and then.
    watcher: Option<RecommendedWatcher>,
    bell: Arc<Notify>,
    watched: HashMap<PathBuf, (u64, u64)>,
    output: Output,
    made: BTreeSet<PathBuf>,
    manifest: Group,
    components: Group,
    sources: Vec<Group>,
}

/// Files that mean the same, and what they contained last.
struct Group {
    roots: BTreeSet<PathBuf>,
    seen: Sources,
}

impl Watch {
    /// Begins with what the files of `plan` contain now.
    pub fn start(plan: &Plan, output: Output) -> Self {
        let bell = Arc::<Notify>::default();
        let rung = Arc::clone(&bell);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !is_only_read(event.kind)) {
                rung.notify_one();
            }
        });
        let mut made = plan.components.clone();
        made.insert(plan.manifest.clone());
        let mut watch = Self {
            watcher: told_once(watcher, output),
            bell,
            watched: HashMap::new(),
            output,
            made,
            manifest: Group::new([plan.manifest.clone()]),
            components: Group::new(plan.made_elsewhere.clone()),
            sources: plan
                .builds
                .iter()
                .map(|it| Group::new(it.watched.clone()))
                .collect(),
        };
        watch.look();
        if watch.sources.iter().any(|group| group.seen.is_cut_off) {
            output
                .progress("not all files are looked at, there are too many: name some in `watch`");
        }
        watch
    }

    /// Waits until something has changed, and a short silence after it. Cancel safe.
    pub async fn changed(&mut self) -> Changed {
        loop {
            // Over is as good as rung.
            let _over = timeout(LOOK_INTERVAL, self.bell.notified()).await;
            let end = Instant::now() + QUIET_WAIT_MAX;
            while Instant::now() < end
                && timeout_at(end.min(Instant::now() + QUIET), self.bell.notified())
                    .await
                    .is_ok()
            {}
            let changed = self.look();
            if changed != Changed::default() {
                return changed;
            }
        }
    }

    /// What has changed since this was called last.
    fn look(&mut self) -> Changed {
        let nothing = BTreeSet::new();
        let mut changed = Changed {
            manifest: self.manifest.look(&nothing).is_some(),
            components: self.components.look(&nothing).is_some(),
            sources: Vec::new(),
        };
        for (at, group) in self.sources.iter_mut().enumerate() {
            let path = group.look(&self.made);
            changed.sources.extend(path.map(|path| (at, path)));
        }
        self.listen();
        changed
    }

    /// Lets every folder ring. What is written in a new one before this is found by looking once more.
    fn listen(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let groups = self
            .sources
            .iter()
            .chain([&self.manifest, &self.components]);
        let folders = groups.flat_map(|group| group.seen.folders.clone());
        let folders: HashMap<_, _> = folders.collect();
        for (folder, identity) in &folders {
            if self.watched.get(folder) == Some(identity) {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => self.bell.notify_one(),
                Err(error) => {
                    self.watcher = told_once(Err(error), self.output);
                    return;
                }
            }
        }
        for folder in self.watched.keys() {
            if !folders.contains_key(folder) {
                // It is gone, and its watch with it, as often as not.
                let _gone = watcher.unwatch(folder);
            }
        }
        self.watched = folders;
    }
}

impl Group {
    fn new(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            roots: roots.into_iter().collect(),
            seen: Sources::default(),
        }
    }

    /// Something that has changed since this was called last.
    fn look(&mut self, made: &BTreeSet<PathBuf>) -> Option<PathBuf> {
        let now = Sources::scan(&self.roots, made, &self.seen);
        let changed = now.changed_since(&self.seen).map(PathBuf::from);
        self.seen = now;
        changed
    }
}

fn told_once(
    watcher: notify::Result<RecommendedWatcher>,
    output: Output,
) -> Option<RecommendedWatcher> {
    watcher
        .map_err(|error| {
            let interval = LOOK_INTERVAL.as_secs();
            output.progress(&format!(
                "files are looked at every {interval} s, because the system tells of no changes: {error}"
            ));
        })
        .ok()
}

/// What this very program does with the files all the time.
fn is_only_read(kind: EventKind) -> bool {
    let is_written = AccessKind::Close(AccessMode::Write);
    matches!(kind, EventKind::Access(access) if access != is_written)
}
