//! Executes networks with libtorch: forward passes, evaluation, prediction.

mod evaluate;
mod layer;
mod model;
mod pass;
mod predict;
mod unit;

pub use evaluate::{count_right, evaluate, Evaluator};
pub use model::{bytes_of, from_weights, Compute, Model};
pub use pass::Response;
pub use predict::{predict, Input};
