//! The one thread that calls libtorch: every thread that did would get its own OpenMP team.
//!
//! Runs go one after another. Short jobs (opening a model, predicting) go before them, and are
//! also done in the middle of a run, between its steps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use residual_data::Arrays;
use residual_spec::{
    BenchResult, EnsembleEvaluation, Error, ErrorCode, EvaluateConfig, Evaluation, LayerResponse,
    LrFinding, Plan, Result,
};

use crate::machine::cores;
use crate::threads::Threads;
use crate::{evaluate_ensemble, guarded, Control, LoadedModel, Outcome, Stop};

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// A run that waits for its turn.
struct Queued {
    config: serde_json::Value,
    arrays: Option<Arrays>,
    control: Arc<Control>,
}

#[derive(Default)]
struct Queues {
    short: VecDeque<Job>,
    runs: VecDeque<Queued>,
    /// The run in progress.
    current: Option<Arc<Control>>,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    available: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What lives on the thread: the models that are open.
pub struct Worker {
    shared: Arc<Shared>,
    models: BTreeMap<u32, LoadedModel>,
    opened: u32,
    cores: u32,
}

impl Worker {
    /// Does the short jobs that are waiting, on all cores; a run that is in the middle of its steps
    /// goes on with its own number of threads.
    pub(crate) fn do_short_jobs(&mut self) {
        loop {
            let job = self.shared.lock().short.pop_front();
            match job {
                Some(job) => {
                    let _threads = Threads::set(self.cores);
                    job(self);
                }
                None => return,
            }
        }
    }

    /// Keeps a model open; the number is its handle.
    pub fn keep(&mut self, model: LoadedModel) -> u32 {
        self.opened += 1;
        self.models.insert(self.opened, model);
        self.opened
    }

    /// # Errors
    /// `E_CLOSED` for a handle that was closed.
    pub fn model(&mut self, handle: u32) -> Result<&mut LoadedModel> {
        self.models.get_mut(&handle).ok_or_else(closed)
    }

    pub fn close(&mut self, handle: u32) {
        self.models.remove(&handle);
        residual_torch::release_free_memory();
    }

    /// See [`LoadedModel::evaluate`]; `None` if the process is ending.
    pub fn evaluate(
        &mut self,
        handle: u32,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
    ) -> Result<Option<Evaluation>> {
        let shared = Arc::clone(&self.shared);
        self.model(handle)?.evaluate(request, arrays, || Ok(!shared.lock().closing))
    }

    /// See [`LoadedModel::layer_responses`]; `None` if the process is ending.
    pub fn layer_responses(
        &mut self,
        handle: u32,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
    ) -> Result<Option<Vec<LayerResponse>>> {
        let shared = Arc::clone(&self.shared);
        self.model(handle)?.layer_responses(request, arrays, || Ok(!shared.lock().closing))
    }

    /// See [`evaluate_ensemble`]; `None` if the process is ending.
    pub fn evaluate_ensemble(
        &mut self,
        handles: &[u32],
        request: &EvaluateConfig,
    ) -> Result<Option<EnsembleEvaluation>> {
        let models: Result<Vec<&LoadedModel>> =
            handles.iter().map(|&handle| self.models.get(&handle).ok_or_else(closed)).collect();
        evaluate_ensemble(&models?, request, || Ok(!self.shared.lock().closing))
    }

    /// See [`crate::find_lr`]; `None` if the process is ending.
    pub fn find_lr(
        &mut self,
        config: &serde_json::Value,
        arrays: Option<Arrays>,
        options: &serde_json::Value,
    ) -> Result<Option<LrFinding>> {
        let shared = Arc::clone(&self.shared);
        crate::find_lr(config, arrays, options, &mut || !shared.lock().closing)
    }

    /// See [`crate::plan`]; `None` if the process is ending.
    pub fn plan(
        &mut self,
        config: &serde_json::Value,
        arrays: Option<Arrays>,
        options: &serde_json::Value,
    ) -> Result<Option<Plan>> {
        let shared = Arc::clone(&self.shared);
        crate::plan(config, arrays, options, &mut || !shared.lock().closing)
    }

    /// See [`crate::bench`]; `None` if the process is ending.
    pub fn bench(&mut self, config: &serde_json::Value) -> Result<Option<BenchResult>> {
        let shared = Arc::clone(&self.shared);
        crate::bench(config, &mut || !shared.lock().closing)
    }

    fn work(mut self) {
        loop {
            self.do_short_jobs();
            let mut queues = self.shared.lock();
            if queues.closing {
                return;
            }
            if let Some(Queued { config, arrays, control }) = queues.runs.pop_front() {
                queues.current = Some(Arc::clone(&control));
                drop(queues);
                let outcome =
                    guarded(|| crate::run(&config, arrays, &control, &mut || self.do_short_jobs()));
                self.shared.lock().current = None;
                residual_torch::release_free_memory();
                control.settle(match outcome {
                    Ok(result) => Outcome::Done(Box::new(result)),
                    Err(error) => Outcome::Failed(error),
                });
            } else if queues.short.is_empty() {
                drop(self.shared.available.wait(queues));
            }
        }
    }
}

/// The handle on the thread. Starts with it, ends with [`close`](TorchThread::close).
pub struct TorchThread {
    shared: Arc<Shared>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl TorchThread {
    pub fn start() -> Result<TorchThread> {
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            shared: Arc::clone(&shared),
            models: BTreeMap::new(),
            opened: 0,
            cores: cores(),
        };
        let handle = std::thread::Builder::new()
            .name("residual-torch".into())
            .spawn(move || worker.work())
            .map_err(|cause| {
                Error::new(ErrorCode::Internal, format!("no thread could be started: {cause}"))
            })?;
        Ok(TorchThread { shared, handle: Mutex::new(Some(handle)) })
    }

    /// Queues a run; it reports to `control`.
    pub fn run(&self, config: serde_json::Value, arrays: Option<Arrays>, control: Arc<Control>) {
        let mut queues = self.shared.lock();
        if queues.closing {
            drop(queues);
            return control.settle(Outcome::Failed(leaving()));
        }
        queues.runs.push_back(Queued { config, arrays, control });
        self.shared.available.notify_all();
    }

    /// Queues a short job. It is dropped unrun when the process is leaving.
    pub fn submit(&self, job: impl FnOnce(&mut Worker) + Send + 'static) {
        self.shared.lock().short.push_back(Box::new(job));
        self.shared.available.notify_all();
    }

    /// Ends a run that has not begun yet at once; one that has, after its step.
    pub fn stop(&self, control: &Arc<Control>, why: Stop) {
        control.stop(why);
        let mut queues = self.shared.lock();
        let waiting = queues.runs.iter().position(|queued| Arc::ptr_eq(&queued.control, control));
        if let Some(index) = waiting {
            queues.runs.remove(index);
            drop(queues);
            control.settle(Outcome::Failed(Error::new(
                ErrorCode::Aborted,
                "stopped before the training began",
            )));
        }
    }

    /// Stops every run, saving what was trained, and waits for the thread to end. May be called
    /// again.
    pub fn close(&self) {
        {
            let mut queues = self.shared.lock();
            queues.closing = true;
            queues.short.clear();
            for Queued { control, .. } in queues.runs.drain(..) {
                control.settle(Outcome::Failed(leaving()));
            }
            if let Some(control) = &queues.current {
                control.stop(Stop::Leaving);
            }
            self.shared.available.notify_all();
        }
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            // A panic on the thread has already been reported there.
            let _ = handle.join();
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the model is closed").hint("Open it again with loadModel().")
}

fn leaving() -> Error {
    Error::new(ErrorCode::Aborted, "the process ended before the training began")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_are_done_in_order_on_one_thread_and_closing_twice_is_harmless() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        for i in 0..5 {
            let sender = sender.clone();
            thread.submit(move |_| sender.send((i, std::thread::current().id())).unwrap());
        }
        let done: Vec<_> = receiver.iter().take(5).collect();
        assert_eq!(done.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(done.iter().all(|(_, id)| *id == done[0].1));
        thread.close();
        thread.close();
    }

    #[test]
    fn what_is_done_between_a_runs_steps_leaves_the_run_its_number_of_threads() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        thread.submit(move |worker| {
            let ours = cores() + 1; // as a run would have set it
            tch::set_num_threads(ours as i32);
            let between = sender.clone();
            let job = move |_: &mut Worker| between.send(tch::get_num_threads()).unwrap();
            worker.shared.lock().short.push_back(Box::new(job));
            worker.do_short_jobs();
            sender.send(tch::get_num_threads()).unwrap();
        });
        let threads: Vec<i32> = receiver.iter().take(2).collect();
        assert_eq!(threads, [cores() as i32, cores() as i32 + 1]);
        thread.close();
    }

    #[test]
    fn a_run_queued_after_closing_is_refused_and_not_forgotten() {
        let thread = TorchThread::start().unwrap();
        thread.close();
        let control = Arc::new(Control::new(|| {}));
        thread.run(serde_json::json!({}), None, Arc::clone(&control));
        assert_eq!(control.drain().len(), 1);
    }
}
