//! What a run and its owner say to each other, across threads: events one way; stop, pause and
//! acknowledgements the other.
//!
//! The queue is bounded without ever blocking the run: a step event replaces an unread one, and
//! the run waits for the owner after every epoch.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use residual_spec::{Error, RunEvent, TrainResult};

/// How long the run sleeps before it looks whether it has something else to do.
const NAP: Duration = Duration::from_millis(20);

/// Why a run is to end early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// By its owner's wish: save, and settle with a result.
    Requested,
    /// By an `AbortSignal`: save, and settle with `E_ABORTED`.
    Aborted,
    /// A hook of the owner threw: save, and settle with that.
    HookFailed,
    /// The process is ending: save, wait for nobody.
    Shutdown,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done(Box<TrainResult>),
    Failed(Error),
}

/// One thing for the owner to read, numbered from 1.
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
    stop: Option<Stop>,
    /// The event that the run waits for its owner to acknowledge.
    awaited: Option<u64>,
    paused: bool,
    settled: bool,
}

/// Shared by a run and its owner.
pub struct Control {
    inner: Mutex<Inner>,
    changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Control {
    /// `wake` is called, from any thread, when there is something to [`drain`](Control::drain).
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Control {
        Control { inner: Mutex::default(), changed: Condvar::new(), wake: Box::new(wake) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here panics while it holds the lock; if it did, the data would still be whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The owner's side.

    /// Everything that happened since the last call.
    pub fn drain(&self) -> Vec<Entry> {
        self.lock().entries.drain(..).collect()
    }

    /// The owner is done with all events up to `seq`.
    pub fn acknowledge(&self, seq: u64) {
        let mut inner = self.lock();
        inner.acknowledged = inner.acknowledged.max(seq);
        self.changed.notify_all();
    }

    /// Ends the run after the current step. The first wish counts, but leaving overrides.
    pub fn stop(&self, why: Stop) {
        let mut inner = self.lock();
        if inner.stop.is_none() || why == Stop::Shutdown {
            inner.stop = Some(why);
        }
        self.changed.notify_all();
    }

    /// Sleeps until the run has settled.
    pub fn wait_settled(&self) {
        self.wait(|inner| inner.settled, &mut || {});
    }

    pub fn pause(&self) {
        self.lock().paused = true;
    }

    pub fn resume(&self) {
        self.lock().paused = false;
        self.changed.notify_all();
    }

    // The run's side.

    /// Tells the owner of an event; its number is what the owner acknowledges.
    pub fn emit(&self, event: RunEvent) -> u64 {
        let mut inner = self.lock();
        inner.seq += 1;
        let seq = inner.seq;
        if event.may_coalesce() {
            if let Some(Entry::Event { event: last, .. }) = inner.entries.back() {
                if last.may_coalesce() {
                    inner.entries.pop_back();
                }
            }
        }
        inner.entries.push_back(Entry::Event { seq, event: Box::new(event) });
        drop(inner);
        (self.wake)();
        seq
    }

    /// The last entry.
    pub fn settle(&self, outcome: Outcome) {
        let mut inner = self.lock();
        inner.seq += 1;
        let seq = inner.seq;
        inner.entries.push_back(Entry::Settled { seq, outcome });
        inner.settled = true;
        self.changed.notify_all();
        drop(inner);
        (self.wake)();
    }

    /// Whether, and why, the run is to end.
    pub fn stopping(&self) -> Option<Stop> {
        self.lock().stop.clone()
    }

    /// Whether the run is to end, and nothing but other work on its thread keeps it from that. (A
    /// hook of its owner's, which it waits for, may itself wait for such work.)
    pub fn is_pressed(&self) -> bool {
        let inner = self.lock();
        match inner.stop {
            None => false,
            Some(Stop::Shutdown) => true,
            Some(_) => inner.awaited.is_none_or(|seq| inner.acknowledged >= seq),
        }
    }

    /// Sleeps while the run is paused, doing `meanwhile` now and then.
    pub fn wait_while_paused(&self, meanwhile: &mut dyn FnMut()) {
        self.wait(|inner| !inner.paused || inner.stop.is_some(), meanwhile);
    }

    /// Sleeps until the owner acknowledges event `seq` or the process is leaving.
    pub fn wait_acknowledged(&self, seq: u64, meanwhile: &mut dyn FnMut()) {
        let ready = |inner: &Inner| inner.acknowledged >= seq || inner.stop == Some(Stop::Shutdown);
        self.lock().awaited = Some(seq);
        self.wait(ready, meanwhile);
        self.lock().awaited = None;
    }

    fn wait(&self, ready: impl Fn(&Inner) -> bool, meanwhile: &mut dyn FnMut()) {
        let mut inner = self.lock();
        while !ready(&inner) {
            let waited = self.changed.wait_timeout(inner, NAP);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            meanwhile();
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
    fn unread_steps_are_replaced_and_nothing_else_is() {
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
    fn a_run_waits_until_its_event_is_acknowledged_and_does_other_work_meanwhile() {
        let control = Arc::new(Control::new(|| {}));
        let seq = control.emit(warning());
        let owner = Arc::clone(&control);
        let mut naps = 0;
        control.wait_acknowledged(seq, &mut || {
            naps += 1;
            if naps == 3 {
                owner.acknowledge(seq);
            }
        });
        assert_eq!(naps, 3);
    }

    #[test]
    fn waiting_for_the_end_ends_with_it() {
        let control = Arc::new(Control::new(|| {}));
        let run = Arc::clone(&control);
        let thread = std::thread::spawn(move || {
            run.emit(warning());
            run.settle(Outcome::Failed(Error::new(ErrorCode::Aborted, "left")));
        });
        control.wait_settled();
        assert_eq!(control.drain().len(), 2);
        thread.join().unwrap();
    }

    #[test]
    fn a_run_that_is_to_end_is_pressed_but_not_while_it_waits_for_its_owner() {
        let control = Arc::new(Control::new(|| {}));
        assert!(!control.is_pressed());
        let seq = control.emit(warning());
        let owner = Arc::clone(&control);
        control.wait_acknowledged(seq, &mut || {
            owner.stop(Stop::Requested);
            assert!(!owner.is_pressed());
            owner.acknowledge(seq);
            assert!(owner.is_pressed());
        });
        assert!(control.is_pressed());
    }

    #[test]
    fn leaving_waits_for_nobody() {
        let control = Control::new(|| {});
        let seq = control.emit(warning());
        control.pause();
        control.stop(Stop::Requested);
        control.stop(Stop::Shutdown);
        control.wait_acknowledged(seq, &mut || panic!("slept"));
        control.wait_while_paused(&mut || panic!("slept"));
        assert_eq!(control.stopping(), Some(Stop::Shutdown));
    }
}
