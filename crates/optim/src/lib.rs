//! Optimizers, learning-rate schedules, gradient clipping, loss scaling and weight averaging.
//!
//! To add an optimizer, implement [`UpdateRule`] in a new file and add the optimizer to
//! [`update_rule()`]. To add a schedule, write its function in `schedules/` and add the schedule to
//! [`LrSchedule`]. The matches over the configuration have no catch-all arm, so the compiler
//! reports every case that a new variant lacks.

mod adam;
mod clip;
mod ema;
mod grad_scaler;
mod lars;
mod metric;
mod optimizer;
mod schedules;
mod sgd;
mod update_rule;

pub use clip::{clip_gradients, clip_gradients_on_device, global_norm, global_norm_on_device};
pub use ema::Ema;
pub use grad_scaler::{GradScaler, MIN_SCALE};
pub use metric::lower_is_better;
pub use optimizer::{Optimizer, SkipTensors};
pub use schedules::{LrSchedule, Progress, ScheduleState};
pub use update_rule::{ParamGroup, Update, UpdateRule, update_rule};
