//! Executes networks with libtorch: forward passes, evaluation, prediction.

mod average;
mod evaluate;
mod evaluator;
mod layer;
mod model;
mod pass;
mod predict;
mod resident;
mod unit;
mod views;

pub use average::Average;
pub use evaluate::{count_right, evaluate, log_probabilities, right};
pub use evaluator::Evaluator;
pub use model::{Compute, Model, bytes_of, from_weights, info_of};
pub use pass::Response;
pub use predict::{Answers, Input, in_one_pass, predict};
pub use resident::{Resident, input};
pub use views::classify;
