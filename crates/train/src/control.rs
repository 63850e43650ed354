//! The channel between the thread of a run and its owner. The run sends events; the owner sends
//! stop, pause and acknowledgements.
//!
//! The event queue stays short although step events never block the run: a step event replaces an
//! unread step event, and the run waits for the owner after every epoch.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use residual_spec::{Error, RunEvent, TrainResult};

/// Interval between calls of `on_idle` while a run waits.
const IDLE_INTERVAL: Duration = Duration::from_millis(20);

/// Reason for ending a run early. The run always saves a checkpoint first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopSignal {
    /// The owner called `stop()`: the run ends with a result.
    Requested,
    /// An `AbortSignal` fired: the run ends with `E_ABORTED`.
    Aborted,
    /// A hook of the owner threw: the run ends with its error.
    HookFailed,
    /// The process exits: the run no longer waits for the owner.
    Shutdown,
}

/// Outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done(Box<TrainResult>),
    Failed(Error),
}

/// A message to the owner, numbered from 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Event { seq: u64, event: Box<RunEvent> },
    Settled { seq: u64, outcome: Outcome },
}

#[derive(Default)]
struct Inner {
    entries: VecDeque<Entry>,
    seq: u64,
    acknowledged: u64,
    stop: Option<StopSignal>,
    /// Sequence number of the event whose acknowledgement the run waits for.
    awaited_seq: Option<u64>,
    is_paused: bool,
    is_settled: bool,
}

/// The shared state of a run and its owner.
pub struct Control {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// `None` after the owner has received the outcome.
    wake: Mutex<Option<WakeFn>>,
}

type WakeFn = Box<dyn Fn() + Send + Sync>;

/// Methods of the owner.
impl Control {
    /// Creates the channel. `wake` is called from any thread once [`Control::drain`] has entries to
    /// return, and dropped when [`Control::drain`] has returned the outcome.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Control {
        let wake: WakeFn = Box::new(wake);
        Control { inner: Mutex::default(), changed: Condvar::new(), wake: Mutex::new(Some(wake)) }
    }

    /// Returns all entries since the last call.
    pub fn drain(&self) -> Vec<Entry> {
        let entries: Vec<Entry> = self.lock().entries.drain(..).collect();
        if matches!(entries.last(), Some(Entry::Settled { .. })) {
            // Breaks a reference cycle: `wake` refers to the owner, which refers to this channel.
            let wake = self.lock_wake().take();
            drop(wake);
        }
        entries
    }

    /// Acknowledges all events up to `seq`.
    pub fn acknowledge(&self, seq: u64) {
        let mut inner = self.lock();
        inner.acknowledged = inner.acknowledged.max(seq);
        self.changed.notify_all();
    }

    /// Ends the run after the current step. Later signals are ignored, except `Shutdown`.
    pub fn stop(&self, signal: StopSignal) {
        let mut inner = self.lock();
        if inner.stop.is_none() || signal == StopSignal::Shutdown {
            inner.stop = Some(signal);
        }
        self.changed.notify_all();
    }

    /// Blocks until the run has settled.
    pub fn wait_settled(&self) {
        self.wait(|inner| inner.is_settled, &mut || {});
    }

    pub fn pause(&self) {
        self.lock().is_paused = true;
    }

    pub fn resume(&self) {
        self.lock().is_paused = false;
        self.changed.notify_all();
    }
}

/// Methods of the run.
impl Control {
    /// Sends an event to the owner and returns its sequence number.
    pub fn emit(&self, event: RunEvent) -> u64 {
        let mut inner = self.lock();
        inner.seq += 1;
        let seq = inner.seq;
        if event.may_coalesce()
            && let Some(Entry::Event { event: last, .. }) = inner.entries.back()
            && last.may_coalesce()
        {
            inner.entries.pop_back();
        }
        inner.entries.push_back(Entry::Event { seq, event: Box::new(event) });
        drop(inner);
        self.wake();
        seq
    }

    /// Sends the outcome, which is the last entry.
    pub fn settle(&self, outcome: Outcome) {
        let mut inner = self.lock();
        inner.seq += 1;
        let seq = inner.seq;
        inner.entries.push_back(Entry::Settled { seq, outcome });
        inner.is_settled = true;
        self.changed.notify_all();
        drop(inner);
        self.wake();
    }

    /// Returns the reason for ending the run; `None` if the run is not stopping.
    pub fn stop_signal(&self) -> Option<StopSignal> {
        self.lock().stop.clone()
    }

    pub fn is_stopping(&self) -> bool {
        self.lock().stop.is_some()
    }

    /// Returns whether the run is stopping and not waiting for a hook of its owner. Such a hook may
    /// itself wait for other work on the run's thread. `Shutdown` does not wait for hooks.
    pub fn can_stop_now(&self) -> bool {
        let inner = self.lock();
        match inner.stop {
            None => false,
            Some(StopSignal::Shutdown) => true,
            Some(StopSignal::Requested | StopSignal::Aborted | StopSignal::HookFailed) => {
                inner.awaited_seq.is_none_or(|seq| inner.acknowledged >= seq)
            }
        }
    }

    /// Blocks while the run is paused, and calls `on_idle` periodically.
    pub fn wait_while_paused(&self, on_idle: &mut dyn FnMut()) {
        self.wait(|inner| !inner.is_paused || inner.stop.is_some(), on_idle);
    }

    /// Blocks until the owner acknowledges event `seq` or the process exits.
    pub fn wait_acknowledged(&self, seq: u64, on_idle: &mut dyn FnMut()) {
        let is_ready =
            |inner: &Inner| inner.acknowledged >= seq || inner.stop == Some(StopSignal::Shutdown);
        self.lock().awaited_seq = Some(seq);
        self.wait(is_ready, on_idle);
        self.lock().awaited_seq = None;
    }
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The data are consistent even after a panic: no method panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_wake(&self) -> MutexGuard<'_, Option<WakeFn>> {
        self.wake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if let Some(wake) = &*self.lock_wake() {
            wake();
        }
    }

    fn wait(&self, is_ready: impl Fn(&Inner) -> bool, on_idle: &mut dyn FnMut()) {
        let mut inner = self.lock();
        while !is_ready(&inner) {
            let waited = self.changed.wait_timeout(inner, IDLE_INTERVAL);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            on_idle();
            inner = self.lock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::{ErrorCode, StepEvent, WarningEvent};
    use std::sync::Arc;

    fn step(step: u64) -> RunEvent {
        RunEvent::Step(StepEvent {
            epoch: 1,
            step,
            step_in_epoch: 1,
            steps_per_epoch: 1,
            loss: 0.0,
            epoch_loss: 0.0,
            epoch_accuracy: 0.0,
            lr: 0.1,
            loss_scale: None,
            images_per_second: 0.0,
            eta_seconds: None,
        })
    }

    fn warning() -> RunEvent {
        RunEvent::Warning(WarningEvent {
            code: ErrorCode::Image,
            message: "broken".into(),
            file: None,
            hint: None,
        })
    }

    #[test]
    fn only_unread_step_events_are_replaced() {
        let control = Control::new(|| {});
        for i in 1..=1000 {
            control.emit(step(i));
        }
        control.emit(warning());
        control.emit(step(1001));
        control.emit(step(1002));
        let steps: Vec<Option<u64>> = control
            .drain()
            .into_iter()
            .map(|entry| match entry {
                Entry::Event { event, .. } => event.step(),
                Entry::Settled { .. } => unreachable!(),
            })
            .collect();
        assert_eq!(steps, [Some(1000), None, Some(1002)]);
    }

    #[test]
    fn waiting_for_an_acknowledgement_calls_on_idle() {
        let control = Arc::new(Control::new(|| {}));
        let seq = control.emit(warning());
        let owner = Arc::clone(&control);
        let mut idle_calls = 0;
        control.wait_acknowledged(seq, &mut || {
            idle_calls += 1;
            if idle_calls == 3 {
                owner.acknowledge(seq);
            }
        });
        assert_eq!(idle_calls, 3);
    }

    #[test]
    fn wait_settled_returns_once_the_run_settles() {
        let control = Arc::new(Control::new(|| {}));
        let run = Arc::clone(&control);
        let thread = std::thread::spawn(move || {
            run.emit(warning());
            run.settle(Outcome::Failed(Error::new(ErrorCode::Aborted, "aborted")));
        });
        control.wait_settled();
        assert_eq!(control.drain().len(), 2);
        thread.join().unwrap();
    }

    #[test]
    fn cannot_stop_while_it_waits_for_its_owner() {
        let control = Arc::new(Control::new(|| {}));
        assert!(!control.can_stop_now());
        let seq = control.emit(warning());
        let owner = Arc::clone(&control);
        control.wait_acknowledged(seq, &mut || {
            owner.stop(StopSignal::Requested);
            assert!(!owner.can_stop_now());
            owner.acknowledge(seq);
            assert!(owner.can_stop_now());
        });
        assert!(control.can_stop_now());
    }

    #[test]
    fn shutdown_ends_all_waits() {
        let control = Control::new(|| {});
        let seq = control.emit(warning());
        control.pause();
        control.stop(StopSignal::Requested);
        control.stop(StopSignal::Shutdown);
        control.wait_acknowledged(seq, &mut || panic!("waited"));
        control.wait_while_paused(&mut || panic!("waited"));
        assert_eq!(control.stop_signal(), Some(StopSignal::Shutdown));
    }

    #[test]
    fn wake_is_dropped_when_the_outcome_is_drained() {
        let owner = Arc::new(());
        let held = Arc::clone(&owner);
        let control = Control::new(move || assert!(Arc::strong_count(&held) > 0));
        control.emit(warning());
        control.drain();
        assert_eq!(Arc::strong_count(&owner), 2);
        control.settle(Outcome::Failed(Error::new(ErrorCode::Aborted, "aborted")));
        assert_eq!(Arc::strong_count(&owner), 2);
        control.drain();
        assert_eq!(Arc::strong_count(&owner), 1);
    }
}
