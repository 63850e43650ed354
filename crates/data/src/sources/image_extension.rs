//! File name extensions of image formats, supported or not. The extension of a file decides which
//! problems are reported; whether a file in a folder is an image depends only on its content.

use std::path::Path;

const EXTENSIONS: [&str; 38] = [
    "jpg", "jpeg", "jpe", "jfif", "jif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff",
    "heic", "heif", "hif", "avif", "jxl", "jp2", "j2k", "jpx", "ppm", "pgm", "pbm", "pnm", "tga",
    "ico", "psd", "svg", "exr", "hdr", "dds", "qoi", "dng", "cr2", "nef", "arw", "dcm",
];

/// Returns whether a file has the extension of an image format.
pub(crate) fn has_image_extension(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(is_image_extension)
}

/// Returns whether `extension` is that of an image format.
pub(crate) fn is_image_extension(extension: &str) -> bool {
    EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
}
