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
/// A description of the damage, to be placed after "the image is damaged: ".
pub(super) fn decode(
    bytes: &[u8],
    after_header: &[u8],
    header: &Header,
    into: &mut Image,
) -> Result<(), String> {
    // 0xff is escaped within entropy-coded data, so these bytes can only be an end marker.
    if !after_header.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        return Err("it is cut short".into());
    }
    let colors = if header.channels == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default()
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(colors);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    // The error texts of zune-jpeg are quoted.
    let reason = |cause: DecodeErrors| cause.to_string().trim_matches('"').to_string();
    decoder.decode_headers().map_err(reason)?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    // The size limit and the statistics of the data set rely on the parsed header, so a file in
    // which the decoder finds another frame is refused.
    if [width, height] != header.encoded_size().map(|side| side as usize) {
        return Err("it has two sizes".into());
    }
    let size = decoder.output_buffer_size().ok_or("it has no size")?;
    if size != width * height * header.channels as usize {
        return Err("its colors are of no known kind".into());
    }
    into.pixels.resize(size, 0);
    decoder.decode_into(&mut into.pixels).map_err(reason)?;
    (into.width, into.height) = (width as u32, height as u32);
    into.channels = header.channels;
    Ok(())
}
