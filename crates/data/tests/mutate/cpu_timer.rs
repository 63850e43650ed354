//! Processor time of the current thread.

use std::time::{Duration, Instant};

/// Measures the processor time of a thread. Other programs, which would make an attempt exceed a limit
/// of elapsed time, do not affect the processor time.
pub struct CpuTimer {
    /// Processor time of the thread at the start, on systems that report it.
    cpu: Option<Duration>,
    wall: Instant,
}

impl CpuTimer {
    pub fn start() -> CpuTimer {
        CpuTimer { cpu: thread_time(), wall: Instant::now() }
    }

    /// Returns the processor time since the start; the elapsed time on systems that do not report
    /// processor time.
    pub fn elapsed(&self) -> Duration {
        match (self.cpu, thread_time()) {
            (Some(start), Some(now)) => now - start,
            _ => self.wall.elapsed(),
        }
    }
}

/// Returns the processor time of the current thread, which Linux reports in nanoseconds.
fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
