//! The interface of image sources: labeled images that are opened and decoded one at a time.

use residual_spec::Result;

use crate::decode::EncodedImage;
use crate::{DecodeRequest, Image, ImageSize, ImageView};

/// Labeled images in a fixed order.
///
/// An image is used in three steps: [`open`](Self::open) gives its size, a
/// [`Pipeline`](crate::Pipeline) plans the crop from the size, and [`decode`](Self::decode) decodes
/// the part of the image that the plan needs.
pub trait Source: Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the class index of image `i`.
    fn label(&self, i: usize) -> u32;

    /// Returns the name of image `i` for messages: a file path, or for example `train/123`.
    fn name(&self, i: usize) -> String;

    /// Reads the file of image `i` into `buffer`, unless the image is in memory, and parses its
    /// header. [`decode`](Self::decode) will produce `channels` channels: 1 (gray) or 3 (RGB).
    ///
    /// # Errors
    /// `E_IMAGE` or `E_IO`, with the file.
    fn open<'a>(
        &'a self,
        i: usize,
        channels: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<OpenedImage<'a>>;

    /// Decodes image `i`, which [`open`](Self::open) returned as `opened`, into `buffer`, or
    /// returns the pixels in memory. An image that cannot be scaled has its full size, whatever the
    /// request.
    ///
    /// # Errors
    /// `E_IMAGE`, with the file. Whether an image is refused does not depend on the request.
    fn decode<'a>(
        &'a self,
        i: usize,
        opened: OpenedImage<'a>,
        request: DecodeRequest,
        buffer: &'a mut Image,
    ) -> Result<ImageView<'a>> {
        let _ = i;
        opened.decode(request, buffer)
    }

    /// Opens and decodes the whole image `i`.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`decode`](Self::decode).
    fn read<'a>(
        &'a self,
        i: usize,
        channels: u32,
        buffers: &'a mut ReadBuffers,
    ) -> Result<ImageView<'a>> {
        let opened = self.open(i, channels, &mut buffers.bytes)?;
        let request = DecodeRequest::whole(opened.size());
        self.decode(i, opened, request, &mut buffers.image)
    }

    /// Opens and decodes the whole image `i` into `image`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_into(&self, i: usize, channels: u32, image: &mut Image) -> Result<()> {
        image.copy_from(self.read(i, channels, &mut ReadBuffers::default())?);
        Ok(())
    }
}

/// Buffers of one thread, reused for each image, because new memory costs a page fault per 4 KiB.
#[derive(Debug, Default)]
pub struct ReadBuffers {
    /// The bytes of the encoded file.
    pub bytes: Vec<u8>,
    /// The decoded image.
    pub image: Image,
}

/// An image with a known size that is not decoded yet, or pixels in memory.
pub struct OpenedImage<'a> {
    size: ImageSize,
    channels: u32,
    content: Content<'a>,
}

enum Content<'a> {
    Decoded(ImageView<'a>),
    Encoded(EncodedImage<'a>),
}

impl<'a> OpenedImage<'a> {
    /// Wraps pixels in memory, which `decode` converts to `channels` channels.
    pub fn from_pixels(image: ImageView<'a>, channels: u32) -> OpenedImage<'a> {
        OpenedImage { size: image.size(), channels, content: Content::Decoded(image) }
    }

    /// Wraps a JPEG or PNG file, which `decode` converts to `channels` channels.
    pub fn from_encoded(image: EncodedImage<'a>, channels: u32) -> OpenedImage<'a> {
        OpenedImage { size: image.size(), channels, content: Content::Encoded(image) }
    }

    /// Returns the size, after applying the orientation.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Returns the number of channels after decoding.
    pub fn channels(&self) -> u32 {
        self.channels
    }

    /// Returns whether the pixels are in memory.
    pub fn is_decoded(&self) -> bool {
        matches!(self.content, Content::Decoded(_))
    }

    /// Decodes the requested part into `buffer`, or returns the pixels that are in memory.
    ///
    /// # Errors
    /// `E_IMAGE` for a damaged file; the message calls it "the image".
    pub fn decode(self, request: DecodeRequest, buffer: &'a mut Image) -> Result<ImageView<'a>> {
        match self.content {
            Content::Decoded(image) if image.channels == self.channels => return Ok(image),
            Content::Decoded(image) => {
                buffer.copy_from(image);
                buffer.set_channels(self.channels);
            }
            Content::Encoded(image) => image.decode(request, self.channels, buffer)?,
        }
        Ok(buffer.view())
    }

    /// Returns the image with another maximum scale, as if its format supported it.
    #[cfg(test)]
    pub(crate) fn with_max_scale(mut self, max_scale: u32) -> OpenedImage<'a> {
        self.size.max_scale = max_scale;
        self
    }
}
