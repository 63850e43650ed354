//! The one thread that calls libtorch: every thread that did would get its own OpenMP team.
//!
//! Runs go one after another. Short jobs (opening a model, predicting) go before them, and are
//! also done in the middle of a run, between its steps; but none holds up a run that is to end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use residual_data::Arrays;
use residual_model::GroupPredictions;
use residual_spec::{
    BenchResult, EnsembleEvaluation, Error, ErrorCode, EvaluateConfig, Evaluation, LayerResponse,
    LrFinderResult, Plan, Result,
};

use residual_train::cores;

use crate::job_queue::{PredictRequest, ShortJobs, Taken, Turn};
use crate::thread_count::Threads;
use crate::{Control, Outcome, Session, Stop, catch_panic, evaluate_ensemble};

/// A run that waits for its turn.
struct Queued {
    config: serde_json::Value,
    arrays: Option<Arrays>,
    control: Arc<Control>,
}

#[derive(Default)]
struct Queues {
    short: ShortJobs,
    runs: VecDeque<Queued>,
    /// The run in progress.
    current: Option<Arc<Control>>,
    closing: bool,
}

impl Queues {
    /// Whether short jobs have to leave the thread to something else: the process that ends, or a
    /// run that is to end.
    fn is_pressed(&self) -> bool {
        self.closing || self.current.as_ref().is_some_and(|control| control.is_pressed())
    }
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

    fn may_go_on(&self, cancelled: &AtomicBool) -> bool {
        !cancelled.load(Ordering::Relaxed) && !self.lock().is_pressed()
    }
}

/// What lives on the thread: the models that are open.
///
/// What takes longer gives `None` once it has to end early: `cancelled` was set, the process is
/// ending, or a run is to end that it is done in the middle of.
pub struct Worker {
    shared: Arc<Shared>,
    models: BTreeMap<u32, Session>,
    opened: u32,
    cores: u32,
}

impl Worker {
    /// Does the short jobs that are waiting, on all cores; a run that is in the middle of its steps
    /// goes on with its own number of threads. Jobs that would hold up a run's end are left for
    /// after it.
    pub(crate) fn do_short_jobs(&mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let mut queues = shared.lock();
            if queues.is_pressed() {
                return;
            }
            let taken = queues.short.take(|request| self.in_one_pass(request));
            drop(queues);
            let Some(taken) = taken else { return };
            let _threads = Threads::set(self.cores);
            let left = match taken {
                Taken::Job(mut job) => match job(self) {
                    Turn::Done => None,
                    Turn::Again => Some(Taken::Job(job)),
                },
                Taken::Requests(requests) => self.answer(requests).map(Taken::Requests),
            };
            if let Some(left) = left {
                shared.lock().short.put_back(left);
            }
        }
    }

    /// Keeps a model open; the number is its handle.
    pub fn keep(&mut self, model: Session) -> u32 {
        self.opened += 1;
        self.models.insert(self.opened, model);
        self.opened
    }

    /// # Errors
    /// `E_CLOSED` for a handle that was closed.
    pub fn model(&mut self, handle: u32) -> Result<&mut Session> {
        self.models.get_mut(&handle).ok_or_else(closed)
    }

    pub fn close(&mut self, handle: u32) {
        self.models.remove(&handle);
        residual_torch::empty_cache();
    }

    /// How many images a request's model sees at once.
    fn in_one_pass(&self, request: &PredictRequest) -> usize {
        self.models.get(&request.handle).map_or(0, |model| model.in_one_pass(&request.asked))
    }

    /// Answers requests that were taken together. Gives those back that were broken off.
    fn answer(&mut self, mut requests: Vec<PredictRequest>) -> Option<Vec<PredictRequest>> {
        match catch_panic(|| self.predictions(&requests)) {
            Ok(Some(answers)) => {
                for (request, answer) in requests.into_iter().zip(answers) {
                    (request.answer)(answer);
                }
                None
            }
            Ok(None) if self.shared.lock().closing => {
                requests.into_iter().for_each(|request| (request.answer)(Err(ending())));
                None
            }
            Ok(None) => Some(requests),
            Err(error) if requests.len() == 1 => {
                requests.into_iter().for_each(|request| (request.answer)(Err(error.clone())));
                None
            }
            // What fails them all may be the fault of one.
            Err(_) => {
                while !requests.is_empty() {
                    if let Some(mut left) = self.answer(vec![requests.remove(0)]) {
                        left.append(&mut requests);
                        return Some(left);
                    }
                }
                None
            }
        }
    }

    /// Of each request; `None` if they have to wait.
    fn predictions(&self, requests: &[PredictRequest]) -> Result<Option<GroupPredictions>> {
        let never = AtomicBool::new(false);
        let first = &requests[0];
        let model = self.models.get(&first.handle).ok_or_else(closed)?;
        let inputs: Vec<_> = requests.iter().map(|request| request.inputs.as_slice()).collect();
        model.predict(&inputs, &first.asked, &|| self.shared.may_go_on(&never))
    }

    /// See [`Session::evaluate`].
    pub fn evaluate(
        &self,
        handle: u32,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
        cancelled: &AtomicBool,
    ) -> Result<Option<Evaluation>> {
        let model = self.models.get(&handle).ok_or_else(closed)?;
        model.evaluate(request, arrays, &|| self.shared.may_go_on(cancelled))
    }

    /// See [`Session::layer_responses`].
    pub fn layer_responses(
        &self,
        handle: u32,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<LayerResponse>>> {
        let model = self.models.get(&handle).ok_or_else(closed)?;
        model.layer_responses(request, arrays, &|| self.shared.may_go_on(cancelled))
    }

    /// See [`evaluate_ensemble`].
    pub fn evaluate_ensemble(
        &self,
        handles: &[u32],
        request: &EvaluateConfig,
        cancelled: &AtomicBool,
    ) -> Result<Option<EnsembleEvaluation>> {
        let models: Result<Vec<&Session>> =
            handles.iter().map(|&handle| self.models.get(&handle).ok_or_else(closed)).collect();
        evaluate_ensemble(&models?, request, &|| self.shared.may_go_on(cancelled))
    }

    /// See [`crate::find_lr`].
    pub fn find_lr(
        &self,
        config: &serde_json::Value,
        arrays: Option<Arrays>,
        options: &serde_json::Value,
        cancelled: &AtomicBool,
    ) -> Result<Option<LrFinderResult>> {
        crate::find_lr(config, arrays, options, &|| self.shared.may_go_on(cancelled))
    }

    /// See [`crate::plan`].
    pub fn plan(
        &self,
        config: &serde_json::Value,
        arrays: Option<Arrays>,
        options: &serde_json::Value,
        cancelled: &AtomicBool,
    ) -> Result<Option<Plan>> {
        crate::plan(config, arrays, options, &|| self.shared.may_go_on(cancelled))
    }

    /// See [`crate::bench`].
    pub fn bench(
        &self,
        config: &serde_json::Value,
        cancelled: &AtomicBool,
    ) -> Result<Option<BenchResult>> {
        crate::bench(config, &|| self.shared.may_go_on(cancelled))
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
                let outcome = catch_panic(|| {
                    residual_train::run(&config, arrays, &control, &mut || self.do_short_jobs())
                });
                self.shared.lock().current = None;
                residual_torch::empty_cache();
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

    /// Queues a short job, of which `answer` is told on the thread. One that ends early, with `None`,
    /// because a run is to end, is done again from its beginning after that; set `cancelled` to end
    /// it for good. It is dropped unrun when the process is leaving.
    pub fn submit<T>(
        &self,
        cancelled: Arc<AtomicBool>,
        mut work: impl FnMut(&mut Worker, &AtomicBool) -> Result<Option<T>> + Send + 'static,
        answer: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let mut answer = Some(answer);
        let job = move |worker: &mut Worker| {
            let found = match catch_panic(|| work(worker, &cancelled)) {
                Ok(Some(found)) => Ok(found),
                Ok(None) if worker.shared.lock().closing => Err(ending()),
                Ok(None) if cancelled.load(Ordering::Relaxed) => {
                    Err(Error::new(ErrorCode::Aborted, "aborted before it was done"))
                }
                Ok(None) => return Turn::Again,
                Err(error) => Err(error),
            };
            if let Some(answer) = answer.take() {
                answer(found);
            }
            Turn::Done
        };
        self.shared.lock().short.push(Box::new(job));
        self.shared.available.notify_all();
    }

    /// Queues a request to predict. Those that wait behind each other are answered together, in
    /// their order. It is dropped unanswered when the process is leaving.
    pub fn predict(&self, request: PredictRequest) {
        self.shared.lock().short.push_request(request);
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
                control.stop(Stop::Shutdown);
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

fn ending() -> Error {
    Error::new(ErrorCode::Closed, "the process is ending")
}

fn leaving() -> Error {
    Error::new(ErrorCode::Aborted, "the process ended before the training began")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Does `work` on the thread, whose answer nobody waits for.
    fn submit(thread: &TorchThread, work: impl FnOnce(&mut Worker) + Send + 'static) {
        let mut work = Some(work);
        let once =
            move |worker: &mut Worker, _: &AtomicBool| Ok(work.take().map(|work| work(worker)));
        thread.submit(Arc::default(), once, |_| {});
    }

    #[test]
    fn jobs_are_done_in_order_on_one_thread_and_closing_twice_is_harmless() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        for i in 0..5 {
            let sender = sender.clone();
            submit(&thread, move |_| sender.send((i, std::thread::current().id())).unwrap());
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
        submit(&thread, move |worker| {
            let ours = cores() + 1; // as a run would have set it
            tch::set_num_threads(ours as i32);
            let between = sender.clone();
            let job = move |_: &mut Worker| {
                between.send(tch::get_num_threads()).unwrap();
                Turn::Done
            };
            worker.shared.lock().short.push(Box::new(job));
            worker.do_short_jobs();
            sender.send(tch::get_num_threads()).unwrap();
        });
        let threads: Vec<i32> = receiver.iter().take(2).collect();
        assert_eq!(threads, [cores() as i32, cores() as i32 + 1]);
        thread.close();
    }

    #[test]
    fn a_job_in_the_way_of_a_runs_end_gives_way_and_begins_again_after_it() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        submit(&thread, move |worker| {
            let control = Arc::new(Control::new(|| {}));
            worker.shared.lock().current = Some(Arc::clone(&control));
            let (told, never) = (sender.clone(), AtomicBool::new(false));
            let mut turns = 0;
            let job = move |worker: &mut Worker| {
                turns += 1;
                if turns == 1 {
                    // Its owner wishes so in the middle of the job.
                    control.stop(Stop::Requested);
                }
                match worker.shared.may_go_on(&never) {
                    true => {
                        told.send(turns).unwrap();
                        Turn::Done
                    }
                    false => Turn::Again,
                }
            };
            worker.shared.lock().short.push(Box::new(job));
            worker.do_short_jobs();
            worker.do_short_jobs(); // nothing is begun, either, while the run ends
            sender.send(0).unwrap();
            worker.shared.lock().current = None;
        });
        assert_eq!(receiver.iter().take(2).collect::<Vec<i32>>(), [0, 2]);
        thread.close();
    }

    #[test]
    fn a_cancelled_job_ends_for_good() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let cancel = Arc::clone(&cancelled);
        let work = move |worker: &mut Worker, cancelled: &AtomicBool| {
            cancel.store(true, Ordering::Relaxed); // as its owner does, from another thread
            Ok(worker.shared.may_go_on(cancelled).then_some(()))
        };
        thread.submit(cancelled, work, move |answer| sender.send(answer).unwrap());
        assert_eq!(receiver.recv().unwrap().unwrap_err().code, ErrorCode::Aborted);
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
