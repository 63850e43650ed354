//! Time and throughput of a run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::position::RunTime;

/// Time window of the current throughput.
const WINDOW: Duration = Duration::from_secs(3);

/// Measures the time of a run over all sessions, and the throughput of training.
pub(super) struct SessionClock {
    started: Instant,
    earlier: RunTime,
    /// End times of recent steps, each with the number of images trained on before it.
    recent: VecDeque<(Instant, u64)>,
    last_step: Instant,
    /// Images of this session.
    images: u64,
    /// Training time of this session.
    train_time: Duration,
}

impl SessionClock {
    /// Starts a session; `earlier` is the time of all earlier sessions.
    pub fn start(earlier: RunTime) -> SessionClock {
        let now = Instant::now();
        SessionClock {
            started: now,
            earlier,
            recent: VecDeque::from([(now, 0)]),
            last_step: now,
            images: 0,
            train_time: Duration::ZERO,
        }
    }

    /// Excludes the time since the last step from the training time.
    pub fn restart_training(&mut self) {
        self.last_step = Instant::now();
        self.recent = VecDeque::from([(self.last_step, self.images)]);
    }

    /// Counts the images of a step that ends now.
    pub fn add_step(&mut self, images: u64) {
        let now = Instant::now();
        self.train_time += now - self.last_step;
        self.last_step = now;
        self.images += images;
        self.recent.push_back((now, self.images));
        while self.recent.len() > 2 && now - self.recent[0].0 > WINDOW {
            self.recent.pop_front();
        }
    }

    /// Returns the throughput of the last [`WINDOW`], in images per second.
    pub fn current_throughput(&self) -> f64 {
        let (start, images) = self.recent[0];
        throughput(self.images - images, (self.last_step - start).as_secs_f64())
    }

    /// Returns the throughput of this session, in images per second.
    pub fn session_throughput(&self) -> f64 {
        throughput(self.images, self.train_time.as_secs_f64())
    }

    /// Returns the duration of all sessions in seconds.
    pub fn seconds(&self) -> f64 {
        self.earlier.seconds + self.started.elapsed().as_secs_f64()
    }

    /// Returns the times and images of all sessions.
    pub fn total(&self) -> RunTime {
        RunTime {
            seconds: self.seconds(),
            train_seconds: self.earlier.train_seconds + self.train_time.as_secs_f64(),
            images: self.earlier.images + self.images,
        }
    }
}

/// Returns images per second.
pub(super) fn throughput(images: u64, seconds: f64) -> f64 {
    images as f64 / seconds.max(1e-9)
}
