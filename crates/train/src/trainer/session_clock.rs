//! Time and throughput of a run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::position::RunTime;

/// CropWindow of the current throughput.
const WINDOW: Duration = Duration::from_secs(3);

/// Counts the time of the current session on top of earlier ones, and images against the time that
/// was spent on training them.
pub(super) struct SessionClock {
    started: Instant,
    earlier: RunTime,
    /// Times of recent steps, with the number of images trained on until then.
    recent: VecDeque<(Instant, u64)>,
    last: Instant,
    images: u64,
    train_time: Duration,
}

impl SessionClock {
    /// Starts a session after `earlier` sessions.
    pub fn start(earlier: RunTime) -> SessionClock {
        let now = Instant::now();
        SessionClock {
            started: now,
            earlier,
            recent: VecDeque::from([(now, 0)]),
            last: now,
            images: 0,
            train_time: Duration::ZERO,
        }
    }

    /// Excludes the time since the last step from the training time.
    pub fn restart_training(&mut self) {
        self.last = Instant::now();
        self.recent = VecDeque::from([(self.last, self.images)]);
    }

    /// Counts the images of a step that ends now.
    pub fn add_step(&mut self, images: u64) {
        let now = Instant::now();
        self.train_time += now - self.last;
        self.last = now;
        self.images += images;
        self.recent.push_back((now, self.images));
        while self.recent.len() > 2 && now - self.recent[0].0 > WINDOW {
            self.recent.pop_front();
        }
    }

    /// Returns the throughput of the last seconds, in images per second.
    pub fn current_throughput(&self) -> f64 {
        let (since, images) = self.recent[0];
        throughput(self.images - images, (self.last - since).as_secs_f64())
    }

    /// Returns the throughput of this session, in images per second.
    pub fn session_throughput(&self) -> f64 {
        throughput(self.images, self.train_time.as_secs_f64())
    }

    /// Returns the seconds of all sessions.
    pub fn seconds(&self) -> f64 {
        self.earlier.seconds + self.started.elapsed().as_secs_f64()
    }

    /// Returns the time of all sessions.
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
