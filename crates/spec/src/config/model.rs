//! The network.

use crate::Auto;
use crate::macros::{config, string_enum};

config! {
    /// The network and its initial weights.
    ModelConfig => Model {
        /// Architecture. ImageNet networks: `resnet18` to `resnet152`, `resnext50_32x4d`,
        /// `wide_resnet50_2`, `vgg16`, `vgg16_bn`. CIFAR networks of He et al. 2015: `resnet20`,
        /// `resnet56`, `resnet110` (any depth 6n+2), and `wrn28_10`. Prefix `plain` removes the
        /// shortcuts; prefix `preresnet` is the pre-activation variant. Default: `resnet20` for
        /// images of up to 96 pixels, else `resnet18`.
        arch: Auto<String> => String,
        /// First layers. `cifar`: 3x3 convolution, stride 1. `imagenet`: 7x7 convolution, stride 2,
        /// and 3x3 max pooling. Default: `cifar` for CIFAR networks and for images of up to 96
        /// pixels, else `imagenet`.
        stem: Auto<Stem> => Stem,
        /// Shortcut option of He et al. 2015 where a block changes the shape. Default: `A` for
        /// CIFAR networks of basic blocks, `none` for plain networks and VGG, else `B`.
        shortcut: Auto<Shortcut> => Shortcut,
        /// Initialize the last batch normalization of every block (with pre-activation, the last
        /// convolution) with weight 0, as torchvision's `zero_init_residual` (Goyal et al. 2017).
        /// Default: false.
        zero_init_residual: bool => bool,
        /// Convolution with stride 2 in a bottleneck block: `3x3` as in torchvision, or the first
        /// `1x1` as in He et al. 2015. Default: `3x3`.
        bottleneck_stride: BottleneckStride => BottleneckStride,
        /// Initial weights: a file (.safetensors, .pth, .pt, .th), a run folder, `imagenet` for
        /// torchvision's published weights, or `none` for random initialization. If the number of
        /// classes differs, the head is initialized randomly. Default: `imagenet` for an image
        /// folder or manifest with fewer than 50,000 training images of more than 96 pixels, if the
        /// weights are cached or can be downloaded; else `none`.
        weights: Auto<String> => String,
        /// Expected SHA-256 of the weights file, in hexadecimal. Runs record it.
        weights_sha256: String => Option<String>,
        /// Layers that are not trained, by name or prefix (`conv1`, `layer1`); `backbone` is every
        /// layer except the head. Frozen batch normalization uses its running statistics. Default:
        /// [].
        freeze: Vec<String> => Vec<String>,
    }
}

string_enum! {
    /// Convolution with stride 2 in a bottleneck block.
    BottleneckStride {
        /// The 3x3 convolution, as in torchvision ("ResNet v1.5").
        "3x3" Middle,
        /// The first 1x1 convolution, as in He et al. 2015.
        "1x1" First,
    }
}

string_enum! {
    /// Layers before the first block.
    Stem {
        /// 3x3 convolution with stride 1, no pooling.
        "cifar" Cifar,
        /// 7x7 convolution with stride 2, and 3x3 max pooling with stride 2.
        "imagenet" Imagenet,
    }
}

string_enum! {
    /// Shortcut where a block changes the shape (He et al. 2015, section 3.3).
    Shortcut {
        /// Subsampling and zero-padded channels, without parameters.
        "A" A,
        /// 1x1 convolution and batch normalization where the shape changes, identity elsewhere.
        "B" B,
        /// 1x1 convolution and batch normalization in every block.
        "C" C,
        /// No shortcuts: a plain network.
        "none" None,
    }
}
