//! The interface of all image sources: opened, planned, then decoded, one image at a time.

use residual_spec::Result;

use crate::decode::EncodedImage;
use crate::{DecodeRequest, Image, ImageSize, ImageView};

/// Labeled images in a fixed order.
///
/// An image is used in three steps: [`open`](Self::open) gives its size, a
/// [`Pipeline`](crate::Pipeline) plans the crop from the size, and [`decode`](Self::decode) decodes
/// what the plan needs.
pub trait Source: Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class index of image `i`.
    fn label(&self, i: usize) -> u32;

    /// The name of image `i` in messages: a file path, or for example `train/123`.
    fn name(&self, i: usize) -> String;

    /// Reads the bytes of image `i` into `buffer`, unless they are in memory, and parses its
    /// header. Decoding will produce `channels` channels: 1 (gray) or 3 (RGB).
    ///
    /// # Errors
    /// `E_IMAGE` or `E_IO`, with the file.
    fn open<'a>(
        &'a self,
        i: usize,
        channels: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<OpenedImage<'a>>;

    /// Decodes `opened`, which is image `i`. Returns pixels in memory, or decodes into `buffer`.
    /// The result has its full size, whatever the request, if the image cannot be scaled.
    ///
    /// # Errors
    /// `E_IMAGE`, with the file. The request does not influence whether an image is refused.
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

/// Buffers of one thread, reused from image to image: new memory costs a page fault for each 4 KiB.
#[derive(Debug, Default)]
pub struct ReadBuffers {
    /// The bytes of the encoded file.
    pub bytes: Vec<u8>,
    /// The decoded image.
    pub image: Image,
}

/// An image whose size is known, before decoding.
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
    /// Pixels in memory, which will be converted to `channels` channels.
    pub fn from_pixels(image: ImageView<'a>, channels: u32) -> OpenedImage<'a> {
        OpenedImage { size: image.size(), channels, content: Content::Decoded(image) }
    }

    /// A JPEG or PNG file.
    pub fn from_encoded(image: EncodedImage<'a>, channels: u32) -> OpenedImage<'a> {
        OpenedImage { size: image.size(), channels, content: Content::Encoded(image) }
    }

    /// The upright size.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// The channels of the image after decoding.
    pub fn channels(&self) -> u32 {
        self.channels
    }

    /// Whether the pixels are in memory.
    pub fn is_decoded(&self) -> bool {
        matches!(self.content, Content::Decoded(_))
    }

    /// Decodes the requested part into `buffer`, or returns the pixels that are in memory.
    ///
    /// # Errors
    /// `E_IMAGE` for a damaged file, as "the image".
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

    /// The same image as if the format supported larger scales.
    #[cfg(test)]
    pub(crate) fn with_max_scale(mut self, max_scale: u32) -> OpenedImage<'a> {
        self.size.max_scale = max_scale;
        self
    }
}
