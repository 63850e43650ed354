//! What happens to an image between the file and the network.

use crate::Auto;
use crate::macros::{config, tagged_union};

config! {
    /// What happens to an image between the file and the network. Training images are augmented,
    /// evaluation images never are.
    TransformConfig => Transform {
        /// How a training image gets its final size.
        crop: Auto<CropConfig> => Crop,
        /// Mirror half of the training images.
        flip: Auto<bool> => bool,
        /// Mean of each channel, of values in 0..1. Default: that of the training images where
        /// they are in memory, else ImageNet's.
        mean: Auto<Vec<f64>> => Vec<f64>,
        /// Standard deviation of each channel, of values in 0..1. Default: as for `mean`.
        std: Auto<Vec<f64>> => Vec<f64>,
        /// At evaluation the short side is resized to this many pixels before the centre crop.
        /// Default: `imageSize` for small images, 8/7 of it for photographs (256 for 224).
        eval_resize: Auto<u32> => u32,
        /// JPEGs are decoded at a half, a quarter or an eighth of their size where their short side keeps at
        /// least so many pixels: each then is the mean of a square, and a large photograph takes a
        /// fraction of the time and memory. (As Pillow's `draft`.) 0 for never, else no less than
        /// `evalResize`. Default: twice `evalResize`, which no longer shows after resizing; 0 for
        /// weights of others, which were trained without it.
        decode_short_side: Auto<u32> => u32,
        /// Subtract the training images' mean image, pixel by pixel, in place of `mean` (He et al.
        /// 2015, sections 3.4 and 4.2). Needs images of one size. Default: false.
        pixel_mean: bool => bool,
        /// Random operations on the whole picture. Default: none.
        policy: PolicyConfig => Policy,
        /// Random colour. Default: none.
        color: ColorConfig => Color,
        /// Random holes. Default: none.
        erase: EraseConfig => Erase,
        /// Training on mixtures of two images. Default: none.
        mix: MixConfig => Mix,
    }
}

tagged_union! {
    /// How a training image gets its final size.
    CropConfig => Crop {
        /// Resized like an evaluation image.
        "none" None,
        "pad" Pad(PadCropConfig => PadCrop),
        "random-resized" RandomResized(RandomResizedCropConfig => RandomResizedCrop),
        "random-short-side" RandomShortSide(RandomShortSideCropConfig => RandomShortSideCrop),
    }
}

config! {
    /// Zero padding on each side, then a random crop (He et al. 2015, section 4.2).
    PadCropConfig => PadCrop {
        /// Pixels added on each side. Default: 4.
        padding: u32 => u32,
    }
}

config! {
    /// A random part of the image, resized (torchvision's `RandomResizedCrop`).
    RandomResizedCropConfig => RandomResizedCrop {
        /// Smallest and largest share of the area. Default: [0.08, 1].
        scale: Vec<f64> => [f64; 2],
        /// Narrowest and widest aspect ratio. Default: [3/4, 4/3].
        ratio: Vec<f64> => [f64; 2],
    }
}

config! {
    /// The short side resized to a random length, then a random crop (the paper's scale
    /// augmentation, section 3.4, after Simonyan & Zisserman 2014).
    RandomShortSideCropConfig => RandomShortSideCrop {
        /// Pixels. Default: 256.
        min: u32 => u32,
        /// Pixels. Default: 480.
        max: u32 => u32,
    }
}

tagged_union! {
    /// Random operations on the whole picture.
    PolicyConfig => Policy {
        /// No random operations.
        "none" None,
        "randaugment" RandAugment(RandAugmentConfig => RandAugment),
        /// One operation of a random strength (Müller & Hutter 2021; torchvision's
        /// `TrivialAugmentWide`).
        "trivialaugment" TrivialAugment,
    }
}

config! {
    /// Several operations of one strength (Cubuk et al. 2019; torchvision's `RandAugment`).
    RandAugmentConfig => RandAugment {
        /// Operations on each image, one after another. Default: 2.
        num_ops: u32 => u32,
        /// Strength, 0 to 30. Default: 9.
        magnitude: u32 => u32,
    }
}

tagged_union! {
    /// Random colour.
    ColorConfig => Color {
        /// Colours as they are.
        "none" None,
        "pca" Pca(PcaColorConfig => PcaColor),
    }
}

config! {
    /// Shifts along the principal components of ImageNet's colours (Krizhevsky et al. 2012,
    /// section 4.1; used by the paper, section 3.4).
    PcaColorConfig => PcaColor {
        /// Standard deviation of the shifts. Default: 0.1.
        std: f64 => f64,
    }
}

tagged_union! {
    /// Random holes, filled with the mean colour.
    EraseConfig => Erase {
        /// No holes.
        "none" None,
        "cutout" Cutout(CutoutConfig => Cutout),
        "random-erasing" RandomErasing(RandomErasingConfig => RandomErasing),
    }
}

config! {
    /// One square anywhere, also partly outside (DeVries & Taylor 2017).
    CutoutConfig => Cutout {
        /// Side in pixels. Default: half of `data.imageSize`.
        size: Auto<u32> => u32,
    }
}

config! {
    /// One rectangle within the image (Zhong et al. 2017; torchvision's `RandomErasing`).
    RandomErasingConfig => RandomErasing {
        /// Share of the images that get one. Default: 0.25.
        probability: f64 => f64,
        /// Smallest and largest share of the area. Default: [0.02, 1/3].
        scale: Vec<f64> => [f64; 2],
        /// Narrowest and widest aspect ratio. Default: [0.3, 3.3].
        ratio: Vec<f64> => [f64; 2],
    }
}

tagged_union! {
    /// Training on mixtures of two images.
    MixConfig => Mix {
        /// Each image by itself.
        "none" None,
        "mixup" Mixup(MixupConfig => Mixup),
        "cutmix" Cutmix(CutmixConfig => Cutmix),
    }
}

config! {
    /// Weighted sums of two images and of their losses (Zhang et al. 2017).
    MixupConfig => Mixup {
        /// Of the Beta distribution that the weight is drawn from, once a batch. Default: 0.2.
        alpha: f64 => f64,
    }
}

config! {
    /// A rectangle of another image in each (Yun et al. 2019).
    CutmixConfig => Cutmix {
        /// Of the Beta distribution that the rectangle's share is drawn from, once a batch.
        /// Default: 1.
        alpha: f64 => f64,
    }
}
