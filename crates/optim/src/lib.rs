//! Optimizers, learning-rate schedules, gradient clipping, loss scaling and weight averaging.
//!
//! To add an optimizer, write its [`UpdateRule`] in a file of its own and list it in
//! `update_rule.rs`. To add a schedule, write its function in `schedules/` and list it in
//! `schedules/mod.rs`. The compiler names both lists once the configuration has the new variant.

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
pub use optimizer::{Optimizer, SkipFlags};
pub use schedules::{LrSchedule, Progress, ScheduleState};
pub use update_rule::{ParamGroup, Update, UpdateRule, update_rule};
