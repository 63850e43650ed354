//! Switches for the parts that this project implements itself, to measure what each is worth.

/// A part with a fallback in a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// 3x3 convolutions by Winograd's algorithm, instead of oneDNN's.
    Winograd,
    /// Batch normalization fused with ReLU and the shortcut addition, instead of ATen's operations.
    BatchNorm,
    /// Large tensors in huge pages, instead of c10's allocator.
    HugePages,
    /// The JPEG decoder, instead of zune-jpeg (the decoder of the `image` crate).
    JpegDecoder,
    /// Decoding only the crop region of a JPEG, instead of the whole image.
    CropDecoding,
}

/// Returns whether `part` is used. In a build with the feature `ablation`, the environment
/// variable `RESIDUAL_WITHOUT` lists the parts that are not, separated by commas:
/// `winograd,batch-norm,huge-pages,jpeg-decoder,crop-decoding`. Other builds use every part.
#[inline]
pub fn is_enabled(part: Part) -> bool {
    !cfg!(feature = "ablation") || !is_disabled(part)
}

fn is_disabled(part: Part) -> bool {
    use std::sync::OnceLock;

    static DISABLED: OnceLock<String> = OnceLock::new();
    let name = match part {
        Part::Winograd => "winograd",
        Part::BatchNorm => "batch-norm",
        Part::HugePages => "huge-pages",
        Part::JpegDecoder => "jpeg-decoder",
        Part::CropDecoding => "crop-decoding",
    };
    let disabled = DISABLED.get_or_init(|| std::env::var("RESIDUAL_WITHOUT").unwrap_or_default());
    disabled.split(',').any(|word| word == name)
}
