//! Images a second: lately, and since the beginning.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What "lately" means.
const WINDOW: Duration = Duration::from_secs(3);

/// Counts images against the time spent on training them; evaluation is left out by the caller,
/// who calls [`Throughput::restart`] after it.
pub struct Throughput {
    recent: VecDeque<(Instant, u64)>,
    last: Instant,
    images: u64,
    busy: Duration,
}

impl Throughput {
    pub fn start() -> Throughput {
        let now = Instant::now();
        Throughput {
            recent: VecDeque::from([(now, 0)]),
            last: now,
            images: 0,
            busy: Duration::ZERO,
        }
    }

    /// Time until now was not training.
    pub fn restart(&mut self) {
        self.last = Instant::now();
        self.recent = VecDeque::from([(self.last, self.images)]);
    }

    /// A step ended.
    pub fn add(&mut self, images: u64) {
        let now = Instant::now();
        self.busy += now - self.last;
        self.last = now;
        self.images += images;
        self.recent.push_back((now, self.images));
        while self.recent.len() > 2 && now - self.recent[0].0 > WINDOW {
            self.recent.pop_front();
        }
    }

    /// Over the last seconds.
    pub fn lately(&self) -> f64 {
        let (since, images) = self.recent[0];
        rate(self.images - images, self.last - since)
    }

    pub fn images(&self) -> u64 {
        self.images
    }

    pub fn busy(&self) -> Duration {
        self.busy
    }
}

/// Images a second.
pub fn rate(images: u64, time: Duration) -> f64 {
    images as f64 / time.as_secs_f64().max(1e-9)
}
