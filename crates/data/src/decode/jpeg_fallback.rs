//! Decodes the JPEGs that [`jpeg`](super::jpeg) rejects (progressive, CMYK, ...) with `zune-jpeg`.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::Image;
use super::header::Header;

/// Decodes a JPEG at full size into gray or RGB. `after_header` is the part of `bytes` that follows
/// the frame header.
///
/// # Errors
/// A description of the damage, which follows "the image is damaged: " in the message.
pub(super) fn decode(
    bytes: &[u8],
    after_header: &[u8],
    header: &Header,
    image: &mut Image,
) -> Result<(), String> {
    // Entropy-coded data escapes 0xff, so these bytes can only be an EOI marker.
    if !after_header.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        return Err("it is truncated".into());
    }
    let colors = if header.channels == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default()
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(colors);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    // zune-jpeg puts its error texts in quotation marks.
    let reason = |cause: DecodeErrors| cause.to_string().trim_matches('"').to_string();
    decoder.decode_headers().map_err(reason)?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    // The size limit and the statistics of the data set rely on the parsed header. Refuse a file in
    // which the decoder finds a frame of another size.
    if [width, height] != header.encoded_size().map(|side| side as usize) {
        return Err("it has two frame headers".into());
    }
    let size = decoder.output_buffer_size().ok_or("it has no size")?;
    if size != width * height * header.channels as usize {
        return Err("its color space is not supported".into());
    }
    image.pixels.resize(size, 0);
    decoder.decode_into(&mut image.pixels).map_err(reason)?;
    (image.width, image.height) = (width as u32, height as u32);
    image.channels = header.channels;
    Ok(())
}
