//! The worker that executes jobs on the libtorch thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use residual_data::Arrays;
use residual_spec::{
    BenchResult, EnsembleEvaluation, Error, ErrorCode, EvaluateConfig, Evaluation, LayerResponse,
    LrFinderResult, Plan, Result,
};

use crate::batch_requests::respond_to_requests;
use crate::job_queue::{JobStatus, WorkItem};
use crate::owner::{Cancellation, Owner};
use crate::thread::Shared;
use crate::thread_count::ThreadCount;
use crate::{Session, evaluate_ensemble};

/// The open models of the libtorch thread, with the jobs that use them.
///
/// Jobs return `None` if they were interrupted: because they are cancelled, because the process
/// exits, or because the current run is about to end.
pub struct Worker {
    shared: Arc<Shared>,
    sessions: BTreeMap<u32, OwnedSession>,
    /// The most recently assigned handle.
    last_handle: u32,
    cores: u32,
}

struct OwnedSession {
    owner: Owner,
    session: Session,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, cores: u32) -> Worker {
        Worker { shared, sessions: BTreeMap::new(), last_handle: 0, cores }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.shared.lock().is_closing
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Executes the queued jobs with all cores, then restores the number of threads of the current
    /// run. Jobs that are queued in the meantime wait for the next call, so that a run makes
    /// progress regardless of the number of callers that predict. Stops early if there is urgent
    /// work; the remaining jobs stay in the queue.
    pub(crate) fn run_jobs(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut remaining = shared.lock().jobs.len();
        loop {
            let mut queues = shared.lock();
            if queues.has_urgent_work() {
                return;
            }
            if std::mem::take(&mut queues.has_ended_owner) {
                drop(queues);
                self.close_models_of_ended_owners();
                continue;
            }
            if remaining == 0 {
                return;
            }
            let queued = queues.jobs.len();
            let item = queues.jobs.take(|request| {
                let owned = self.sessions.get(&request.handle);
                owned.map_or(0, |owned| owned.session.prediction_batch_size(&request.options))
            });
            remaining = remaining.saturating_sub(queued - queues.jobs.len());
            drop(queues);
            let Some(item) = item else { return };
            let _threads = ThreadCount::set(self.cores);
            let interrupted = match item {
                WorkItem::Job(mut job) => match job(self) {
                    JobStatus::Done => None,
                    JobStatus::Interrupted => Some(WorkItem::Job(job)),
                },
                WorkItem::Requests(requests) => {
                    respond_to_requests(self, requests).map(WorkItem::Requests)
                }
            };
            if let Some(item) = interrupted {
                shared.lock().jobs.push_front(item);
            }
        }
    }

    /// Stores an open session until it is closed or its owner ends, and returns its handle.
    pub fn insert(&mut self, owner: Owner, session: Session) -> u32 {
        self.last_handle += 1;
        self.sessions.insert(self.last_handle, OwnedSession { owner, session });
        self.last_handle
    }

    /// Returns an open session.
    ///
    /// # Errors
    /// `E_CLOSED` if the handle was closed.
    pub fn session(&self, handle: u32) -> Result<&Session> {
        self.sessions.get(&handle).map(|owned| &owned.session).ok_or_else(|| {
            Error::new(ErrorCode::Closed, "the model is closed")
                .hint("Open it again with loadModel().")
        })
    }

    pub fn close(&mut self, handle: u32) {
        self.sessions.remove(&handle);
        residual_torch::empty_cache();
    }

    fn close_models_of_ended_owners(&mut self) {
        self.sessions.retain(|_, owned| !owned.owner.has_ended());
        residual_torch::empty_cache();
    }

    pub(crate) fn has_urgent_work(&self) -> bool {
        self.shared.lock().has_urgent_work()
    }

    pub(crate) fn is_cancelled(&self, cancellation: &Cancellation) -> bool {
        self.shared.is_cancelled(cancellation)
    }

    /// See [`Session::evaluate`].
    pub fn evaluate(
        &self,
        handle: u32,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
        cancellation: &Cancellation,
    ) -> Result<Option<Evaluation>> {
        self.session(handle)?.evaluate(request, arrays, &|| self.is_cancelled(cancellation))
    }

    /// See [`Session::layer_responses`].
    pub fn layer_responses(
        &self,
        handle: u32,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
        cancellation: &Cancellation,
    ) -> Result<Option<Vec<LayerResponse>>> {
        self.session(handle)?.layer_responses(request, arrays, &|| self.is_cancelled(cancellation))
    }

    /// See [`evaluate_ensemble`].
    pub fn evaluate_ensemble(
        &self,
        handles: &[u32],
        request: &EvaluateConfig,
        cancellation: &Cancellation,
    ) -> Result<Option<EnsembleEvaluation>> {
        let models: Result<Vec<&Session>> =
            handles.iter().map(|&handle| self.session(handle)).collect();
        evaluate_ensemble(&models?, request, &|| self.is_cancelled(cancellation))
    }

    /// See [`crate::find_lr`].
    pub fn find_lr(
        &self,
        config: &serde_json::Value,
        arrays: Option<Arrays>,
        options: &serde_json::Value,
        cancellation: &Cancellation,
    ) -> Result<Option<LrFinderResult>> {
        crate::find_lr(config, arrays, options, &|| self.is_cancelled(cancellation))
    }

    /// See [`crate::plan`].
    pub fn plan(
        &self,
        config: &serde_json::Value,
        arrays: Option<Arrays>,
        options: &serde_json::Value,
        cancellation: &Cancellation,
    ) -> Result<Option<Plan>> {
        crate::plan(config, arrays, options, &|| self.is_cancelled(cancellation))
    }

    /// See [`crate::bench`].
    pub fn bench(
        &self,
        options: &serde_json::Value,
        cancellation: &Cancellation,
    ) -> Result<Option<BenchResult>> {
        crate::bench(options, &|| self.is_cancelled(cancellation))
    }
}

pub(crate) fn process_exiting() -> Error {
    Error::new(ErrorCode::Closed, "the process is exiting")
}
