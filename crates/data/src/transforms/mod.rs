//! Image transforms with torchvision's names and parameters: crop, flip, augmentation policies,
//! normalization, PCA color augmentation, random erasing, mixup and CutMix.

mod augment_ops;
mod color;
mod crop;
mod mixup;
mod normalize;
mod pipeline;
mod pixel_mean;
mod policy;
mod random_erasing;
mod resize;
mod test_time_augment;
mod thumbnail;

pub use crop::CropPlan;
pub use mixup::MixedLabels;
pub use normalize::CropWindow;
pub use pipeline::{CropNormalize, Pipeline};
pub use pixel_mean::PixelMean;
pub use thumbnail::thumbnail;
