//! Executes networks with libtorch: forward passes, evaluation and prediction.

mod compute_options;
mod conv_norm_act;
mod device_dataset;
mod ensemble;
mod evaluate;
mod evaluation_metrics;
mod forward_context;
mod layer;
mod model;
mod predict;
mod tensor_conversion;
mod test_time_augment;

pub use compute_options::ComputeOptions;
pub use device_dataset::{DeviceDataset, model_input};
pub use ensemble::Ensemble;
pub use evaluate::{count_correct, evaluate, log_probs, num_correct};
pub use evaluation_metrics::EvaluationMetrics;
pub use forward_context::{NotFiniteOutput, ResponseStats};
pub use model::Model;
pub use predict::{GroupPredictions, ImageInput, predict, prediction_batch_size};
pub use tensor_conversion::{from_tch, tensor_info, to_tch};
pub use test_time_augment::predict_log_probs;
