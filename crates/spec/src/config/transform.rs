//! Transforms between the image file and the network.

use crate::Auto;
use crate::macros::{config, tagged_union};

config! {
    /// Resizing, augmentation and normalization. Augmentation applies to training images only.
    TransformConfig => Transform {
        /// Crop of training images. Default: `pad` for images of up to 96 pixels, else
        /// `random-resized`.
        crop: Auto<CropConfig> => Crop,
        /// Flip training images horizontally with probability 0.5. Default: true, except for
        /// digits.
        flip: Auto<bool> => bool,
        /// Mean of each channel, for values from 0 to 1. Default: the mean of the training images
        /// if they are in memory, else ImageNet's.
        mean: Auto<Vec<f64>> => Vec<f64>,
        /// Standard deviation of each channel, for values from 0 to 1. Default: as for `mean`.
        std: Auto<Vec<f64>> => Vec<f64>,
        /// Length in pixels to which the short side of evaluation images is resized before the
        /// center crop, `data.imageSize` to 2048. Default: `data.imageSize` up to 96 pixels, else
        /// 8/7 of it (256 for 224).
        eval_resize: Auto<u32> => u32,
        /// Decode large JPEGs at 1/2, 1/4 or 1/8 scale as long as the short side keeps at least
        /// this many pixels, like Pillow's `draft`. 0 disables it. Default: twice `evalResize`; 0
        /// for external weights, which were trained without it.
        decode_short_side: Auto<u32> => u32,
        /// Subtract the mean image of the training images, pixel by pixel, instead of `mean` (He et
        /// al. 2015, sections 3.4 and 4.2). Requires images of equal size. Default: false.
        pixel_mean: bool => bool,
        /// Automatic augmentation policy. Default: `none`.
        policy: PolicyConfig => Policy,
        /// Color augmentation. Default: `none`.
        color: ColorConfig => Color,
        /// Erasing of image regions. Default: `none`.
        erase: EraseConfig => Erase,
        /// Mixing of two images. Default: `none`.
        mix: MixConfig => Mix,
    }
}

tagged_union! {
    /// Crop of training images to `data.imageSize`.
    CropConfig => Crop {
        /// Resize and center crop, as for evaluation images.
        "none" None,
        "pad" Pad(PadCropConfig => PadCrop),
        "random-resized" RandomResized(RandomResizedCropConfig => RandomResizedCrop),
        "random-short-side" RandomShortSide(RandomShortSideCropConfig => RandomShortSideCrop),
    }
}

config! {
    /// Zero padding on each side, then a random crop (He et al. 2015, section 4.2; torchvision's
    /// `RandomCrop`).
    PadCropConfig => PadCrop {
        /// Padding on each side, in pixels. Default: 4.
        padding: u32 => u32,
    }
}

config! {
    /// A crop of random size and aspect ratio, resized (torchvision's `RandomResizedCrop`).
    RandomResizedCropConfig => RandomResizedCrop {
        /// Minimum and maximum fraction of the image area. Default: [0.08, 1].
        scale: [f64; 2] => [f64; 2],
        /// Minimum and maximum aspect ratio. Default: [3/4, 4/3].
        ratio: [f64; 2] => [f64; 2],
    }
}

config! {
    /// The short side resized to a random length, then a random crop: scale augmentation of He et
    /// al. 2015, section 3.4 (after Simonyan and Zisserman 2014).
    RandomShortSideCropConfig => RandomShortSideCrop {
        /// Minimum length in pixels. Default: 256.
        min: u32 => u32,
        /// Maximum length in pixels. Default: 480.
        max: u32 => u32,
    }
}

tagged_union! {
    /// Automatic augmentation policy.
    PolicyConfig => Policy {
        /// No policy.
        "none" None,
        "randaugment" RandAugment(RandAugmentConfig => RandAugment),
        /// One random operation of random strength (Müller and Hutter 2021; torchvision's
        /// `TrivialAugmentWide`).
        "trivialaugment" TrivialAugment,
    }
}

config! {
    /// Several random operations of equal strength (Cubuk et al. 2019; torchvision's
    /// `RandAugment`).
    RandAugmentConfig => RandAugment {
        /// Number of operations per image, 1 to 16. Default: 2.
        num_ops: u32 => u32,
        /// Strength, 0 to 30. Default: 9.
        magnitude: u32 => u32,
    }
}

tagged_union! {
    /// Color augmentation.
    ColorConfig => Color {
        /// No color augmentation.
        "none" None,
        "pca" Pca(PcaColorConfig => PcaColor),
    }
}

config! {
    /// Random shifts along the principal components of ImageNet's colors (Krizhevsky et al. 2012,
    /// section 4.1; used by He et al. 2015, section 3.4). RGB images only.
    PcaColorConfig => PcaColor {
        /// Standard deviation of the shifts. Default: 0.1.
        std: f64 => f64,
    }
}

tagged_union! {
    /// Erasing of image regions, filled with the mean color.
    EraseConfig => Erase {
        /// No erasing.
        "none" None,
        "cutout" Cutout(CutoutConfig => Cutout),
        "random-erasing" RandomErasing(RandomErasingConfig => RandomErasing),
    }
}

config! {
    /// One square at a random position, possibly partly outside of the image (DeVries and Taylor
    /// 2017).
    CutoutConfig => Cutout {
        /// Side length in pixels. Default: half of `data.imageSize`.
        size: Auto<u32> => u32,
    }
}

config! {
    /// One rectangle inside the image (Zhong et al. 2017; torchvision's `RandomErasing`).
    RandomErasingConfig => RandomErasing {
        /// Probability of erasing. Default: 0.25.
        probability: f64 => f64,
        /// Minimum and maximum fraction of the image area. Default: [0.02, 1/3].
        scale: [f64; 2] => [f64; 2],
        /// Minimum and maximum aspect ratio. Default: [0.3, 3.3].
        ratio: [f64; 2] => [f64; 2],
    }
}

tagged_union! {
    /// Mixing of two images.
    MixConfig => Mix {
        /// No mixing.
        "none" None,
        "mixup" Mixup(MixupConfig => Mixup),
        "cutmix" Cutmix(CutmixConfig => Cutmix),
    }
}

config! {
    /// Weighted mean of two images and of their losses (Zhang et al. 2017).
    MixupConfig => Mixup {
        /// Parameter of the Beta distribution of the weight, drawn once per batch. Default: 0.2.
        alpha: f64 => f64,
    }
}

config! {
    /// A rectangle pasted from another image (Yun et al. 2019).
    CutmixConfig => Cutmix {
        /// Parameter of the Beta distribution of the rectangle's area, drawn once per batch.
        /// Default: 1.
        alpha: f64 => f64,
    }
}
