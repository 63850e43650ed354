//! Optimizers, learning-rate schedules, gradient clipping, loss scaling and weight averaging.

mod clip;
mod ema;
mod grad_scaler;
mod lars;
mod optimizer;
mod schedules;

pub use clip::{Accumulated, clip, common_norm};
pub use ema::Ema;
pub use grad_scaler::{LEAST, LossScale};
pub use optimizer::{Optimizer, Skip, states};
pub use schedules::{LrSchedule, Position, ScheduleState, lower_is_better};
