//! The samples of a shard: images and labels with the same key.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use residual_spec::{Error, ErrorCode, Result};
use serde_json::Value;

use super::super::columns::Column;
use super::super::manifest::parse_json_label;
use super::super::tar::{Member, Tar, TarError};
use super::Index;
use super::sample_image::{add_image, find_input};
use crate::Split;
use crate::decode::header::{SIGNATURE_BYTES, has_image_signature};
use crate::sources::disk::ImageLocation;
use crate::sources::files::damaged;
use crate::sources::image_extension::is_image_extension;

/// Maximum size of a label file in bytes.
const MAX_LABEL_BYTES: u64 = 1 << 20;

/// The image and the label of a key.
#[derive(Default)]
struct Sample {
    image: Option<Member>,
    label: Option<Label>,
}

impl Sample {
    fn is_complete(&self) -> bool {
        self.image.is_some() && self.label.is_some()
    }
}

/// The label of a sample.
struct Label {
    text: String,
    /// Whether the label is from a .cls file, which takes precedence over a .json file.
    is_cls: bool,
}

/// The samples of a shard, collected member by member.
pub(super) struct ShardSamples<'a> {
    pub shard: &'a Path,
    samples: HashMap<String, Sample>,
    /// The keys in the order of their first members.
    order: Vec<String>,
}

/// The kinds of members that belong to samples.
enum MemberKind {
    Image,
    Cls,
    Json,
}

impl<'a> ShardSamples<'a> {
    pub fn new(shard: &'a Path) -> Self {
        ShardSamples { shard, samples: HashMap::new(), order: Vec::new() }
    }

    pub fn read_error(&self, error: TarError) -> Error {
        match error {
            TarError::Io(cause) => Error::read(self.shard, &cause).key("data"),
            TarError::Malformed(problem) => damaged(self.shard, problem),
        }
    }

    /// Adds an image or a label to the sample of its key; ignores other files.
    ///
    /// A key ends at the last dot of the name. The `webdataset` library ends it at the first dot,
    /// but keys with dots are common. [`finish`](Self::finish) therefore recognizes further images
    /// of a sample, such as `key.seg.png`.
    pub fn add(&mut self, tar: &mut Tar<File>, member: Member, index: &mut Index) -> Result<()> {
        let shard = self.shard;
        let name = member.name.as_str();
        if name.starts_with('/') || name.split(['/', '\\']).any(|component| component == "..") {
            return Err(damaged(
                shard,
                format!("has a member with a path outside the archive: '{name}'"),
            ));
        }
        let (folder, file) =
            name.rsplit_once('/').map_or(("", name), |(folder, file)| (folder, file));
        if index.leftovers.add_file_if_ignored(Path::new(name)) {
            return Ok(());
        }
        // Skip hidden files, whose names start with a dot.
        let Some((stem, extension)) = file.rsplit_once('.').filter(|_| !file.starts_with('.'))
        else {
            return Ok(());
        };
        let extension = extension.to_ascii_lowercase();
        index.count_extension(&extension);
        let Some(kind) = self.detect_kind(tar, &member, &extension)? else { return Ok(()) };
        let label = match kind {
            MemberKind::Image => None,
            MemberKind::Cls | MemberKind::Json => match self.read_label(tar, &member, &kind)? {
                None => return Ok(()),
                label => label,
            },
        };
        let key = format!("{folder}/{stem}");
        let sample = match self.samples.get_mut(&key) {
            Some(sample) => sample,
            None => {
                self.order.push(key.clone());
                self.samples.entry(key).or_default()
            }
        };
        match (label, &mut sample.label) {
            (None, _) => add_image(shard, &mut sample.image, member, &mut index.second_images)?,
            (Some(label), slot @ None) => *slot = Some(label),
            (Some(label), Some(other)) if label.text == other.text => {}
            (Some(label), Some(other)) if label.is_cls == other.is_cls => {
                let (label, other) = (label.text, &other.text);
                let message = format!("has two labels for '{name}': '{label}' and '{other}'");
                let hint = "Keep one label for each key.";
                return Err(damaged(shard, message).hint(hint));
            }
            (Some(label), Some(other)) => {
                if index.conflicts.count == 0 {
                    let (label, other) = (&label.text, &other.text);
                    index.conflicts.first = format!("'{name}': '{label}' and '{other}'");
                }
                index.conflicts.count += 1;
                if label.is_cls {
                    *other = label;
                }
            }
        }
        Ok(())
    }

    /// Determines the kind of a member by its extension; an image with another extension, by its
    /// first bytes. Returns `None` for other files.
    fn detect_kind(
        &self,
        tar: &mut Tar<File>,
        member: &Member,
        extension: &str,
    ) -> Result<Option<MemberKind>> {
        match extension {
            "cls" => return Ok(Some(MemberKind::Cls)),
            "json" => return Ok(Some(MemberKind::Json)),
            _ if is_image_extension(extension) => return Ok(Some(MemberKind::Image)),
            _ => {}
        }
        let bytes = member.bytes.min(SIGNATURE_BYTES as u64);
        let start = Member { bytes, ..member.clone() };
        let start = tar.read(&start, bytes).map_err(|error| self.read_error(error))?;
        Ok(has_image_signature(&start).then_some(MemberKind::Image))
    }

    /// Reads a label file. Returns `None` for JSON without a label.
    fn read_label(
        &self,
        tar: &mut Tar<File>,
        member: &Member,
        kind: &MemberKind,
    ) -> Result<Option<Label>> {
        let bytes = tar.read(member, MAX_LABEL_BYTES).map_err(|error| self.read_error(error))?;
        let is_cls = matches!(kind, MemberKind::Cls);
        let label = if is_cls { parse_cls(&bytes).map(Some) } else { parse_json(&bytes) };
        let label =
            label.map_err(|problem| damaged(self.shard, format!("{problem} in '{}'", member.name)));
        Ok(label?.map(|text| Label { text, is_cls }))
    }

    /// Returns whether a key with a dot is that of a further image or label of a complete sample:
    /// `a.seg` of `a`.
    fn is_field_of_sample(&self, key: &str) -> bool {
        owner_key(key).and_then(|key| self.samples.get(key)).is_some_and(Sample::is_complete)
    }

    /// Completes samples that have a label, no image of their own, and one further image that is no
    /// annotation: `a.cls` and `a.rgb.png`, also beside `a.mask.png`. Returns the keys of the further
    /// images of the samples that remain without an image, by the key of the sample.
    fn adopt_images(&mut self) -> HashMap<String, Vec<String>> {
        let mut further: HashMap<String, Vec<String>> = HashMap::new();
        for key in &self.order {
            let is_image =
                matches!(self.samples.get(key), Some(Sample { image: Some(_), label: None }));
            let Some(owner) = owner_key(key).filter(|_| is_image) else { continue };
            let is_owner =
                matches!(self.samples.get(owner), Some(Sample { image: None, label: Some(_) }));
            if is_owner {
                further.entry(owner.into()).or_default().push(key.clone());
            }
        }
        further.retain(|owner, keys| {
            let Some(input) = find_input(owner, keys) else { return true };
            let image = self.samples.get_mut(input).and_then(|sample| sample.image.take());
            if let Some(sample) = self.samples.get_mut(owner) {
                sample.image = image;
            }
            false
        });
        further
    }

    /// Appends the complete samples to the list, and the others to the skipped members.
    pub fn finish(mut self, split: Split, index: &mut Index) {
        let shard = self.shard;
        let further = self.adopt_images();
        let archive = Arc::<Path>::from(shard);
        let shard_name = shard.file_name().unwrap_or_default().to_string_lossy();
        let order = std::mem::take(&mut self.order);
        let is_field: Vec<bool> = order
            .iter()
            .map(|key| !self.samples[key].is_complete() && self.is_field_of_sample(key))
            .collect();
        for (key, is_field) in order.into_iter().zip(is_field) {
            match self.samples.remove(&key) {
                _ if is_field => {}
                Some(Sample { image: Some(image), label: Some(label) }) => {
                    let unique_name = format!("{shard_name}/{}", image.name);
                    let Member { name, offset, bytes } = image;
                    let (archive, name) = (archive.clone(), name.into());
                    let location = ImageLocation::Member { archive, name, offset, bytes };
                    index.list.add(split, &label.text, location, unique_name.as_bytes(), 0);
                }
                Some(Sample { image: Some(image), label: None }) => {
                    let message = format!("'{}' in {} has no label", image.name, shard.display());
                    index.skipped.add(skipped_member(shard, message));
                }
                Some(Sample { image: None, label: Some(_) }) => {
                    let name = key.trim_start_matches('/');
                    let mut message = format!("'{name}' in {} has no image", shard.display());
                    if let Some(images) = further.get(&key) {
                        let images: Vec<&str> =
                            images.iter().map(|key| key.trim_start_matches('/')).collect();
                        message += &format!(" of its own, but {}", images.join(", "));
                        index.ambiguous.get_or_insert_with(|| message.clone());
                    }
                    index.skipped.add(skipped_member(shard, message));
                }
                Some(Sample { image: None, label: None }) | None => {}
            }
        }
    }
}

pub(super) fn skipped_member(shard: &Path, message: String) -> Error {
    Error::new(ErrorCode::DataFormat, message).file(shard)
}

/// Returns the key up to the first dot of its file name: `a` for `a.seg`.
fn owner_key(key: &str) -> Option<&str> {
    let start = key.rfind('/').map_or(0, |slash| slash + 1);
    key[start..].find('.').map(|dot| &key[..start + dot])
}

/// Parses a `.cls` file: a class name or number.
fn parse_cls(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "has invalid UTF-8".to_string())?.trim();
    if text.is_empty() || text.contains('\0') {
        Err("has no label".into())
    } else {
        Ok(text.into())
    }
}

/// Returns the label of a JSON object, if it has one.
fn parse_json(bytes: &[u8]) -> Result<Option<String>, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|cause| format!("has invalid JSON ({cause})"))?;
    let Value::Object(object) = value else { return Ok(None) };
    let Some((key, value)) = Column::Label.find_in_object(&object) else { return Ok(None) };
    if value.is_null() {
        return Ok(None);
    }
    parse_json_label(value).map(Some).ok_or_else(|| {
        format!("has a `{key}` that is neither a string, a whole number nor a boolean")
    })
}
