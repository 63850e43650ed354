//! Chooses the image of a sample that has several: images of one key, such as `key.jpg` and
//! `key.png`, or further images, such as `key.rgb.png` and `key.mask.png`.

use std::path::Path;

use residual_spec::{ErrorCode, Result, WarningEvent};

use super::super::tar::Member;
use crate::sources::files::damaged;
use crate::sources::image_extension::is_image_extension;

/// Samples with two images of one key, such as `key.jpg` and `key.png`.
#[derive(Default)]
pub(super) struct SecondImages {
    count: usize,
    /// The names of the image that is used and of the other one, in the first sample.
    first: [String; 2],
}

impl SecondImages {
    pub fn add(&mut self, used: &str, other: &str) {
        if self.count == 0 {
            self.first = [used, other].map(String::from);
        }
        self.count += 1;
    }

    /// Returns the warning about the samples, if there are any.
    pub fn warning(&self, source: &str) -> Option<WarningEvent> {
        let [used, other] = &self.first;
        let message = format!(
            "{source} has samples with two images ({}), for example '{used}' and '{other}': \
             '{used}' is used",
            self.count
        );
        let hint = "The order of preference is .jpg, .jpeg, .png. If the other images are the \
                    right ones, remove those that are used.";
        (self.count > 0).then(|| WarningEvent {
            code: ErrorCode::DataFormat,
            message,
            file: None,
            hint: Some(hint.into()),
        })
    }
}

/// Returns the preference of an image among the images of a key by its extension, lowest first:
/// JPEG, PNG, another image by content, formats that are not supported.
fn image_preference(extension: &str) -> usize {
    const PREFERRED: [&str; 6] = ["jpg", "jpeg", "jpe", "jfif", "jif", "png"];
    match PREFERRED.iter().position(|preferred| *preferred == extension) {
        Some(position) => position,
        None if is_image_extension(extension) => UNSUPPORTED,
        None => PREFERRED.len(),
    }
}

/// Preference of image formats that are not supported.
const UNSUPPORTED: usize = usize::MAX;

/// Words, in lower case, in the names of images that belong to a sample and are not its input.
const ANNOTATION_WORDS: [&str; 22] = [
    "mask",
    "masks",
    "seg",
    "segm",
    "segmentation",
    "semantic",
    "instance",
    "panoptic",
    "label",
    "labels",
    "target",
    "gt",
    "depth",
    "normal",
    "normals",
    "edge",
    "edges",
    "trimap",
    "alpha",
    "thumb",
    "output",
    "outputs",
];

/// Names, in lower case, of a further image that is the input of its sample.
const INPUT_WORDS: [&str; 5] = ["image", "img", "rgb", "input", "photo"];

/// Returns the key that is the input of the sample `owner` among the keys of its further images:
/// the only one with a name such as `image`, or else the only one that is not an annotation.
pub(super) fn find_input<'a>(owner: &str, keys: &'a [String]) -> Option<&'a String> {
    let field = |key: &String| key[owner.len()..].to_lowercase();
    let is_annotation = |key: &String| {
        let field = field(key);
        let mut words = field.split(|c: char| !c.is_alphanumeric());
        words.any(|word| ANNOTATION_WORDS.contains(&word))
    };
    let is_named = |key: &String| INPUT_WORDS.contains(&field(key).trim_start_matches('.'));
    let only = |keys: Vec<&'a String>| if let [key] = keys[..] { Some(key) } else { None };
    only(keys.iter().filter(|key| is_named(key)).collect())
        .or_else(|| only(keys.iter().filter(|key| !is_annotation(key)).collect()))
}

/// Returns the extension of a member's name in lower case.
fn extension_of(name: &str) -> String {
    name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase()
}

/// Adds an image to a sample. Of two images of one key, keeps the preferred one.
///
/// # Errors
/// `E_DATA_FORMAT` for two images with the same extension.
pub(super) fn add_image(
    shard: &Path,
    image: &mut Option<Member>,
    member: Member,
    second_images: &mut SecondImages,
) -> Result<()> {
    let Some(other) = image else {
        *image = Some(member);
        return Ok(());
    };
    let extensions = [&member, &*other].map(|member| extension_of(&member.name));
    if extensions[0] == extensions[1] {
        let message = format!("has two images for one key: '{}' and '{}'", other.name, member.name);
        return Err(damaged(shard, message).hint("Keep one image for each key."));
    }
    let [new, old] = extensions.map(|extension| image_preference(&extension));
    let unused = if new < old { std::mem::replace(other, member) } else { member };
    if new.max(old) != UNSUPPORTED {
        second_images.add(&other.name, &unused.name);
    }
    Ok(())
}
