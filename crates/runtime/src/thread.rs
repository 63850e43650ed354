//! The only thread that calls libtorch: every thread that calls it has its own team of OpenMP
//! threads.
//!
//! Runs execute one after another. Short jobs (opening a model, predicting) execute before the next
//! queued run and between the steps of the current run. Jobs that are queued meanwhile wait for the
//! next step, so that jobs cannot hold up a run; they never delay a run that is about to end.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use residual_data::Arrays;
use residual_spec::{Error, ErrorCode, Result};
use residual_train::{Control, Outcome, StopSignal, cores};

use crate::catch_panic;
use crate::job_queue::{JobQueue, JobStatus, PredictRequest};
use crate::owner::{Cancellation, Owner};
use crate::worker::{Worker, process_exiting};

/// A queued run.
struct QueuedRun {
    owner: Owner,
    config: serde_json::Value,
    arrays: Option<Arrays>,
    control: Arc<Control>,
}

/// The run in progress.
pub(crate) struct CurrentRun {
    pub owner: Owner,
    pub control: Arc<Control>,
}

#[derive(Default)]
pub(crate) struct Queues {
    pub jobs: JobQueue,
    runs: VecDeque<QueuedRun>,
    pub current: Option<CurrentRun>,
    pub is_closing: bool,
    /// Whether models of an ended owner have to be closed.
    pub has_ended_owner: bool,
}

impl Queues {
    /// Returns whether jobs have to wait because the process exits or the current run ends.
    pub fn has_urgent_work(&self) -> bool {
        self.is_closing || self.current.as_ref().is_some_and(|run| run.control.can_stop_now())
    }
}

/// State shared by the thread and its handle.
#[derive(Default)]
pub(crate) struct Shared {
    queues: Mutex<Queues>,
    available: Condvar,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a job has to end early, because it is cancelled or there is urgent work.
    pub fn is_cancelled(&self, cancellation: &Cancellation) -> bool {
        cancellation.is_cancelled() || self.lock().has_urgent_work()
    }
}

/// Executes jobs and runs until the thread is closed.
fn execute(shared: &Shared, mut worker: Worker) {
    loop {
        worker.run_jobs();
        let mut queues = shared.lock();
        if queues.is_closing {
            return;
        }
        if let Some(QueuedRun { owner, config, arrays, control }) = queues.runs.pop_front() {
            queues.current = Some(CurrentRun { owner, control: Arc::clone(&control) });
            drop(queues);
            let outcome = catch_panic(|| {
                residual_train::train(&config, arrays, &control, &mut || worker.run_jobs())
            });
            shared.lock().current = None;
            residual_torch::empty_cache();
            control.settle(match outcome {
                Ok(result) => Outcome::Done(Box::new(result)),
                Err(error) => Outcome::Failed(error),
            });
        } else if queues.jobs.is_empty() && !queues.has_ended_owner {
            drop(shared.available.wait(queues));
        }
    }
}

/// The handle of the libtorch thread, which ends with [`TorchThread::close`].
pub struct TorchThread {
    shared: Arc<Shared>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl TorchThread {
    pub fn start() -> Result<TorchThread> {
        let shared = Arc::new(Shared::default());
        let thread_shared = Arc::clone(&shared);
        let handle = std::thread::Builder::new()
            .name("residual-torch".into())
            .spawn(move || {
                execute(&thread_shared, Worker::new(Arc::clone(&thread_shared), cores()));
            })
            .map_err(|cause| {
                Error::new(
                    ErrorCode::Internal,
                    format!("the libtorch thread could not be started: {cause}"),
                )
            })?;
        Ok(TorchThread { shared, handle: Mutex::new(Some(handle)) })
    }

    /// Queues a run, whose events and outcome go to `control`.
    pub fn run(
        &self,
        owner: Owner,
        config: serde_json::Value,
        arrays: Option<Arrays>,
        control: Arc<Control>,
    ) {
        let mut queues = self.shared.lock();
        if queues.is_closing {
            drop(queues);
            return control.settle(Outcome::Failed(exited_before_training()));
        }
        queues.runs.push_back(QueuedRun { owner, config, arrays, control });
        self.shared.available.notify_all();
    }

    /// Queues a job. `respond` is called with its result on the thread.
    ///
    /// `work` returns `None` if it ended early. A job that urgent work interrupted restarts later; a
    /// cancelled job fails with `E_ABORTED`, without being started if it is still queued. Queued
    /// jobs are dropped when the process exits.
    pub fn submit<T>(
        &self,
        cancellation: Cancellation,
        mut work: impl FnMut(&mut Worker, &Cancellation) -> Result<Option<T>> + Send + 'static,
        respond: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let mut respond = Some(respond);
        let aborted = || Err(Error::new(ErrorCode::Aborted, "the operation was aborted"));
        let mut execute = move |worker: &mut Worker| {
            if cancellation.is_cancelled() {
                return Some(aborted());
            }
            match catch_panic(|| work(worker, &cancellation)) {
                Ok(Some(result)) => Some(Ok(result)),
                Ok(None) if worker.is_closing() => Some(Err(process_exiting())),
                Ok(None) if cancellation.is_cancelled() => Some(aborted()),
                Ok(None) => None,
                Err(error) => Some(Err(error)),
            }
        };
        let job = move |worker: &mut Worker| {
            let Some(result) = execute(worker) else { return JobStatus::Interrupted };
            if let Some(respond) = respond.take() {
                respond(result);
            }
            JobStatus::Done
        };
        self.shared.lock().jobs.push_job(Box::new(job));
        self.shared.available.notify_all();
    }

    /// Queues a predict request. Queued requests are dropped when the process exits.
    pub fn predict(&self, request: PredictRequest) {
        self.shared.lock().jobs.push_request(request);
        self.shared.available.notify_all();
    }

    /// Ends a run: immediately if it is queued, otherwise after its current step.
    pub fn stop(&self, control: &Arc<Control>, signal: StopSignal) {
        control.stop(signal);
        let mut queues = self.shared.lock();
        let queued = queues.runs.iter().position(|run| Arc::ptr_eq(&run.control, control));
        if let Some(index) = queued {
            queues.runs.remove(index);
            drop(queues);
            let error = Error::new(ErrorCode::Aborted, "stopped before training began");
            control.settle(Outcome::Failed(error));
        }
    }

    /// Ends the work of an owner: its queued runs and jobs do not start, its current job is
    /// cancelled, and its models are closed. Waits until its current run has saved a checkpoint.
    pub fn end_owner(&self, owner: &Owner) {
        owner.end();
        let mut queues = self.shared.lock();
        queues.has_ended_owner = true;
        let (ended, remaining): (VecDeque<_>, VecDeque<_>) =
            queues.runs.drain(..).partition(|run| run.owner.has_ended());
        queues.runs = remaining;
        let current = queues.current.as_ref().filter(|run| run.owner.has_ended());
        let current = current.map(|run| Arc::clone(&run.control));
        self.shared.available.notify_all();
        drop(queues);
        for QueuedRun { control, .. } in ended {
            control.settle(Outcome::Failed(exited_before_training()));
        }
        if let Some(control) = current {
            control.stop(StopSignal::Shutdown);
            control.wait_settled();
        }
    }

    /// Stops all runs, which save checkpoints, and joins the thread. Idempotent.
    pub fn close(&self) {
        {
            let mut queues = self.shared.lock();
            queues.is_closing = true;
            queues.jobs.clear();
            for QueuedRun { control, .. } in queues.runs.drain(..) {
                control.settle(Outcome::Failed(exited_before_training()));
            }
            if let Some(run) = &queues.current {
                run.control.stop(StopSignal::Shutdown);
            }
            self.shared.available.notify_all();
        }
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            // The panic hook has reported a panic of the thread.
            let _ = handle.join();
        }
    }
}

fn exited_before_training() -> Error {
    Error::new(ErrorCode::Aborted, "the process exited before training began")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc;

    /// Queues work without waiting for it.
    fn submit(thread: &TorchThread, work: impl FnOnce(&mut Worker) + Send + 'static) {
        let mut work = Some(work);
        let job =
            move |worker: &mut Worker, _: &Cancellation| Ok(work.take().map(|work| work(worker)));
        thread.submit(Cancellation::default(), job, |_| {});
    }

    #[test]
    fn jobs_run_in_order_on_one_thread_and_close_is_idempotent() {
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
    fn jobs_between_steps_restore_the_number_of_threads_of_the_run() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        submit(&thread, move |worker| {
            let run_threads = cores() + 1;
            tch::set_num_threads(run_threads as i32);
            let job_sender = sender.clone();
            let job = move |_: &mut Worker| {
                job_sender.send(tch::get_num_threads()).unwrap();
                JobStatus::Done
            };
            worker.shared().lock().jobs.push_job(Box::new(job));
            worker.run_jobs();
            sender.send(tch::get_num_threads()).unwrap();
        });
        let threads: Vec<i32> = receiver.iter().take(2).collect();
        assert_eq!(threads, [cores() as i32, cores() as i32 + 1]);
        thread.close();
    }

    #[test]
    fn a_job_that_delays_the_end_of_a_run_is_interrupted_and_restarts() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        submit(&thread, move |worker| {
            let control = Arc::new(Control::new(|| {}));
            let run = CurrentRun { owner: Owner::default(), control: Arc::clone(&control) };
            worker.shared().lock().current = Some(run);
            let (done, not_cancelled) = (sender.clone(), Cancellation::default());
            let mut attempts = 0;
            let job = move |worker: &mut Worker| {
                attempts += 1;
                if attempts == 1 {
                    // The owner stops the run while the job executes.
                    control.stop(StopSignal::Requested);
                }
                if worker.shared().is_cancelled(&not_cancelled) {
                    JobStatus::Interrupted
                } else {
                    done.send(attempts).unwrap();
                    JobStatus::Done
                }
            };
            worker.shared().lock().jobs.push_job(Box::new(job));
            worker.run_jobs();
            worker.run_jobs(); // starts no job while the run ends
            sender.send(0).unwrap();
            worker.shared().lock().current = None;
        });
        assert_eq!(receiver.iter().take(2).collect::<Vec<i32>>(), [0, 2]);
        thread.close();
    }

    #[test]
    fn jobs_that_are_queued_by_jobs_do_not_keep_a_run_from_its_next_step() {
        fn queue_forever(worker: &mut Worker) -> JobStatus {
            worker.shared().lock().jobs.push_job(Box::new(queue_forever));
            JobStatus::Done
        }
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        submit(&thread, move |worker| {
            for _ in 0..3 {
                queue_forever(worker);
            }
            worker.run_jobs();
            let mut queues = worker.shared().lock();
            sender.send(queues.jobs.len()).unwrap();
            queues.jobs.clear();
        });
        assert_eq!(receiver.recv(), Ok(3));
        thread.close();
    }

    #[test]
    fn a_cancelled_job_does_not_restart() {
        let thread = TorchThread::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        let cancellation = Cancellation::default();
        let cancel = cancellation.clone();
        let work = move |worker: &mut Worker, cancellation: &Cancellation| {
            cancel.flag.store(true, Ordering::Relaxed); // as the caller does from another thread
            Ok((!worker.shared().is_cancelled(cancellation)).then_some(()))
        };
        thread.submit(cancellation, work, move |result| sender.send(result).unwrap());
        assert_eq!(receiver.recv().unwrap().unwrap_err().code, ErrorCode::Aborted);
        thread.close();
    }

    #[test]
    fn a_run_that_is_queued_after_close_settles_with_an_error() {
        let thread = TorchThread::start().unwrap();
        thread.close();
        let control = Arc::new(Control::new(|| {}));
        thread.run(Owner::default(), serde_json::json!({}), None, Arc::clone(&control));
        assert_eq!(control.drain().len(), 1);
    }

    #[test]
    fn the_end_of_an_owner_cancels_its_jobs_and_no_others() {
        let thread = TorchThread::start().unwrap();
        let (ended, other) = (Owner::default(), Owner::default());
        let (started, has_started) = mpsc::channel();
        let (sender, results) = mpsc::channel();
        for (name, owner) in [("current", &ended), ("queued", &ended), ("other", &other)] {
            let (started, sender) = (started.clone(), sender.clone());
            let work = move |worker: &mut Worker, cancellation: &Cancellation| {
                started.send(name).unwrap();
                while name == "current" && !worker.is_cancelled(cancellation) {
                    std::thread::yield_now();
                }
                Ok((name != "current").then_some(()))
            };
            let cancellation = Cancellation { owner: owner.clone(), ..Cancellation::default() };
            thread.submit(cancellation, work, move |result| sender.send((name, result)).unwrap());
        }
        assert_eq!(has_started.recv(), Ok("current"));
        thread.end_owner(&ended);
        let results: Vec<_> =
            results.iter().take(3).map(|(name, result)| (name, result.is_ok())).collect();
        assert_eq!(results, [("current", false), ("queued", false), ("other", true)]);
        assert_eq!(has_started.try_iter().collect::<Vec<_>>(), ["other"]);
        thread.close();
    }

    #[test]
    fn queued_runs_of_an_ended_owner_settle_and_others_remain() {
        let thread = TorchThread::start().unwrap();
        let (release, released) = mpsc::channel::<()>();
        submit(&thread, move |_| released.recv().unwrap_or(()));
        let (ended, other) = (Owner::default(), Owner::default());
        let controls = [&ended, &other].map(|owner| {
            let control = Arc::new(Control::new(|| {}));
            thread.run(owner.clone(), serde_json::json!({}), None, Arc::clone(&control));
            control
        });
        thread.end_owner(&ended);
        let entries = controls.each_ref().map(|control| control.drain().len());
        assert_eq!(entries, [1, 0]);
        release.send(()).unwrap();
        thread.close();
    }
}
