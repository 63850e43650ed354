//! Which part of an image to decode, and at which scale.

/// A rectangle of whole pixels inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Region {
    /// All of an image.
    pub fn whole(width: u32, height: u32) -> Region {
        Region { left: 0, top: 0, width, height }
    }
}

/// How an image is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// 1, 2, 4 or 8: a pixel is made of a square of so many to the side, where the format allows that (a JPEG's
    /// sides are divided by it, and rounded up). Other images come at their own size.
    pub scale: u32,
    /// What is looked at of the image at this scale.
    pub region: Region,
}

impl Look {
    /// At all pixels of an image.
    pub fn whole(width: u32, height: u32) -> Look {
        Look::all_at(1, width, height)
    }

    /// At all of an image of this size, at a scale.
    pub fn all_at(scale: u32, width: u32, height: u32) -> Look {
        Look { scale, region: Region::whole(width.div_ceil(scale), height.div_ceil(scale)) }
    }
}

/// Says how an image of a width and a height will be looked at.
pub type Wanted<'a> = &'a dyn Fn(u32, u32) -> Look;
