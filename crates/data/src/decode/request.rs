//! Size of an image before decoding, and the part of it to decode.

/// A rectangle of whole pixels inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Region {
    /// The whole image.
    pub fn whole(width: u32, height: u32) -> Region {
        Region { left: 0, top: 0, width, height }
    }
}

/// Size of an image before decoding, upright (after its EXIF orientation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    pub width: u32,
    pub height: u32,
    /// The largest scale denominator that the format supports: 8 for JPEG, 1 otherwise.
    pub max_scale: u32,
}

impl ImageSize {
    /// The size of an image that cannot be decoded at a smaller scale.
    pub fn unscalable(width: u32, height: u32) -> ImageSize {
        ImageSize { width, height, max_scale: 1 }
    }
}

/// The scale and the region at which an image is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeRequest {
    /// Scale denominator: 1, 2, 4 or 8. Each side of a JPEG is divided by it and rounded up. Other
    /// formats ignore it.
    pub scale: u32,
    /// The pixels that must be correct, in the scaled image. Other pixels may have any value.
    pub region: Region,
}

impl DecodeRequest {
    /// The whole image at full size.
    pub fn whole(size: ImageSize) -> DecodeRequest {
        DecodeRequest::whole_at_scale(1, size)
    }

    /// The whole image, each side divided by `scale` and rounded up.
    pub fn whole_at_scale(scale: u32, size: ImageSize) -> DecodeRequest {
        let [width, height] = [size.width, size.height].map(|side| side.div_ceil(scale));
        DecodeRequest { scale, region: Region::whole(width, height) }
    }
}
