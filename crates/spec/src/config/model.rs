//! The network.

use crate::Auto;
use crate::macros::{config, string_enum};

config! {
    /// The network.
    ModelConfig => Model {
        /// For photographs `resnet18`, `resnet34`, `resnet50`, `resnet101`, `resnet152`; for small
        /// images the paper's CIFAR networks `resnet{6n+2}`: `resnet20`, `resnet56`, ... Likewise
        /// `plain...` without shortcuts and `preresnet...` with pre-activation. `resnext50_32x4d`,
        /// `wide_resnet50_2`, `wrn28_10`, `vgg16`, `vgg16_bn` and their like.
        arch: Auto<String> => String,
        /// `cifar`: 3x3 stride 1, no pooling. `imagenet`: 7x7 stride 2 and 3x3 max pooling.
        stem: Auto<Stem> => Stem,
        /// The paper's shortcut options. Default: A for its CIFAR networks, else B; none for plain
        /// networks.
        shortcut: Auto<Shortcut> => Shortcut,
        /// Start the last batch-norm of every block at zero (Goyal et al. 2017).
        zero_init_residual: bool => bool,
        /// The layer of a bottleneck that halves the resolution. Default: `3x3`.
        bottleneck_stride: BottleneckStride => BottleneckStride,
        /// Weights to begin with: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet`
        /// for the ones that torchvision published, or `none`. A head for other classes begins
        /// anew. Default: `imagenet` for a folder of fewer than 50,000 training photographs, where
        /// the file is here or can be fetched; else `none`.
        weights: Auto<String> => String,
        /// The SHA-256 of that file: written down by a run, and checked where it is given.
        weights_sha256: String => Option<String>,
        /// Layers that are not trained, by the beginning of their names (`conv1`, `layer1`);
        /// `backbone` is all but the head. Their normalisation uses its running statistics.
        freeze: Vec<String> => Vec<String>,
    }
}

string_enum! {
    /// The layer of a bottleneck that halves the resolution.
    BottleneckStride {
        /// torchvision's ("ResNet v1.5").
        "3x3" Middle,
        /// The paper's.
        "1x1" First,
    }
}

string_enum! {
    /// The layers before the first block.
    Stem {
        "cifar" Cifar,
        "imagenet" Imagenet,
    }
}

string_enum! {
    /// He et al. 2015, section 3.3: what a shortcut does where the shape changes.
    Shortcut {
        /// Subsample and pad with zero channels; no parameters.
        "A" A,
        /// 1x1 convolution and batch-norm where the shape changes, identity elsewhere.
        "B" B,
        /// 1x1 convolution and batch-norm everywhere.
        "C" C,
        /// No shortcuts: a plain network.
        "none" None,
    }
}
