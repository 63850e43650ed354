//! The size of an encoded image, and the request for the part of the image to decode.

/// A rectangle inside an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Region {
    /// Returns the region of the whole image.
    pub fn whole(width: u32, height: u32) -> Region {
        Region { left: 0, top: 0, width, height }
    }
}

/// Size of an image before decoding, with its orientation applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    pub width: u32,
    pub height: u32,
    /// The largest scale denominator that the format supports: 8 for JPEG, 1 otherwise.
    pub max_scale: u32,
}

impl ImageSize {
    /// Returns the size of an image that cannot be decoded at a smaller scale.
    pub fn unscalable(width: u32, height: u32) -> ImageSize {
        ImageSize { width, height, max_scale: 1 }
    }
}

/// The scale and the region to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeRequest {
    /// Scale denominator: 1, 2, 4 or 8. A JPEG decoder divides each side by the denominator and
    /// rounds up. Other formats are decoded at full size.
    pub scale: u32,
    /// The region of the scaled image to decode. Pixels outside have unspecified values.
    pub region: Region,
}

impl DecodeRequest {
    /// Requests the whole image at full size.
    pub fn whole(size: ImageSize) -> DecodeRequest {
        DecodeRequest::whole_at_scale(1, size)
    }

    /// Requests the whole image, with each side divided by `scale` and rounded up.
    pub fn whole_at_scale(scale: u32, size: ImageSize) -> DecodeRequest {
        let [width, height] = [size.width, size.height].map(|side| side.div_ceil(scale));
        DecodeRequest { scale, region: Region::whole(width, height) }
    }
}
