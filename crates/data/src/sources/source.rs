//! Where images come from, one at a time, by index.

use residual_spec::Result;

use crate::{Image, Wanted};

/// A part of a data set: images in a fixed order, each with its class.
pub trait Source: Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of image `i`, an index into the data set's class names.
    fn label(&self, i: usize) -> u32;

    /// What to call image `i` in a message: its file's path, or `train/123`.
    fn name(&self, i: usize) -> String;

    /// Decodes image `i` into `into`, as grey (1 channel) or RGB (3). The buffer is reused.
    ///
    /// # Errors
    /// `E_IMAGE` or `E_IO`, with the file.
    fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()>;

    /// Image `i` as `read` gives it: where it is kept, or read into `room`. Of its pixels only those
    /// that are wanted have to be right.
    ///
    /// # Errors
    /// As [`read`](Self::read), whatever is wanted.
    fn look<'a>(
        &'a self,
        i: usize,
        channels: u32,
        wanted: Wanted,
        room: &'a mut Image,
    ) -> Result<&'a Image> {
        let _ = wanted;
        self.read(i, channels, room)?;
        Ok(room)
    }
}
