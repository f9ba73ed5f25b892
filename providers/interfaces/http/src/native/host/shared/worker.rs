//! What runs one instance, for all requests that it is given.

use std::sync::{Arc, Weak};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::mpsc::Receiver, time::timeout};
use wasmtime::{Store, component::Accessor, component::Instance};
use wasmtime_wasi_http::p3::bindings::Service;
use wrt_host::{InstanceState, Leash, Lent, Sharing, WallTimeExceeded};

use super::{
    Shared,
    at_work::AtWork,
    job::{InstanceId, Job},
};
use crate::native::host::{Export, Version};

/// One instance, to its end.
pub(super) struct Worker {
    pub(super) id: InstanceId,
    pub(super) export: Arc<Export>,
    pub(super) sharing: Sharing,
    /// Not held while the instance is idle: it goes with its component.
    pub(super) shared: Weak<Shared>,
    /// How long it may take to start.
    pub(super) first: Arc<Leash>,
}

impl Worker {
    /// Serves what comes, until nothing comes any more.
    pub(super) async fn work(self, mut lent: Lent, mut jobs: Receiver<Box<Job>>) {
        let at_work = AtWork::default();
        let started = tokio::select! {
            biased;
            started = self.start(&mut lent) => started,
            () = self.first.over() => Err(WallTimeExceeded.into()),
        };
        let service = match started {
            Ok(service) => service,
            Err(error) => {
                self.close(&mut jobs);
                while let Ok(job) = jobs.try_recv() {
                    job.fail(&error);
                }
                return;
            }
        };
        lent.data_mut().rest();
        let ended = lent.run_concurrent(async |accessor| {
            self.serve(&service, accessor, &mut jobs, &at_work).await;
        });
        if let Err(error) = ended.await {
            at_work.fail(lent.data().whose_turn(), &error);
        }
        self.hand_on(&mut jobs);
    }

    async fn start(&self, lent: &mut Lent) -> wasmtime::Result<Arc<Service>> {
        let Version::P3(indices) = &self.export.version else {
            return Err(wasmtime::Error::msg("it is not of 0.3"));
        };
        let load = |store: &mut Store<_>, instance: &Instance| indices.load(store, instance);
        lent.exports(&self.export.pre, load).await
    }

    async fn serve(
        &self,
        service: &Service,
        accessor: &Accessor<InstanceState>,
        jobs: &mut Receiver<Box<Job>>,
        at_work: &AtWork,
    ) {
        let mut running = FuturesUnordered::new();
        let mut is_open = true;
        while is_open || !running.is_empty() {
            let is_idle = running.is_empty();
            tokio::select! {
                biased;
                ended = running.next(), if !is_idle => if ended == Some(false) {
                    is_open = false;
                    self.hand_on(jobs);
                },
                job = self.next(jobs, is_idle), if is_open => match job {
                    Some(job) => running.push(job.run(service, accessor, at_work)),
                    None => is_open = false,
                },
            }
        }
    }

    /// The next job; none when there is no other. An idle instance waits only so long.
    async fn next(&self, jobs: &mut Receiver<Box<Job>>, is_idle: bool) -> Option<Box<Job>> {
        if !is_idle {
            return jobs.recv().await;
        }
        loop {
            if let Ok(job) = timeout(self.sharing.idle_max, jobs.recv()).await {
                return job;
            }
            let shared = self.shared.upgrade()?;
            if shared.open.lock().close_if_idle(self.id) {
                return None;
            }
        }
    }

    fn close(&self, jobs: &mut Receiver<Box<Job>>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.open.lock().close(self.id);
        }
        jobs.close();
    }

    /// Takes no other job. What it has not begun goes to others.
    fn hand_on(&self, jobs: &mut Receiver<Box<Job>>) {
        self.close(jobs);
        while let Ok(job) = jobs.try_recv() {
            job.move_on();
        }
    }
}
