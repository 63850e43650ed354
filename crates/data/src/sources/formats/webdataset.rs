//! WebDataset shards (<https://github.com/webdataset/webdataset>): uncompressed tar archives in
//! which `key.jpg` is an image and `key.cls` or `key.json` its label. One pass over the tar headers
//! finds the offsets of the images, which are read on demand.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use residual_spec::{DataFormat, Error, ErrorCode, Result};
use serde_json::Value;

use super::image_list::ImageList;
use super::tar::{Entry, Member, Tar, TarError};
use crate::sources::disk::ImageLocation;
use crate::sources::files::{damaged, open_file};
use crate::sources::listing::check_cancelled;
use crate::sources::skipped_files::SkippedFiles;
use crate::{Dataset, Split};

const IMAGE_EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];
/// Maximum size of a label file in bytes.
const MAX_LABEL_BYTES: u64 = 1 << 20;
/// Maximum number of shards.
const MAX_SHARDS: usize = 100_000;

/// The shards of a data set in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shards(Vec<PathBuf>);

impl Shards {
    /// Finds the shards of a folder. Returns `None` if there are none.
    pub fn find(files: &[PathBuf]) -> Option<Self> {
        let shards: Vec<PathBuf> =
            files.iter().filter(|file| is_shard(file) || is_compressed(file)).cloned().collect();
        (!shards.is_empty()).then_some(Shards(shards))
    }

    /// Parses the path of one archive, or a range such as `train-{000000..000146}.tar`. Returns
    /// `None` for other paths.
    ///
    /// # Errors
    /// `E_DATA_FORMAT` for a malformed range.
    pub fn from_path(source: &str) -> Result<Option<Self>> {
        let path = Path::new(source);
        if !is_shard(path) && !is_compressed(path) {
            return Ok(None);
        }
        if !source.contains('{') || path.exists() {
            Ok(Some(Shards(vec![path.into()])))
        } else {
            let mut shards = Vec::new();
            expand(source, &mut shards).map_err(|problem| {
                Error::new(ErrorCode::DataFormat, format!("'{source}' {problem}"))
                    .key("data")
                    .hint("Write a range of shards as 'train-{000000..000146}.tar'.")
            })?;
            Ok(Some(Shards(shards)))
        }
    }

    /// Indexes all shards and opens the data set.
    ///
    /// # Errors
    /// `E_DATA_FORMAT` with the shard if it is compressed, truncated or damaged, or has a duplicate
    /// key or a name outside the archive; `E_DATA_NOT_FOUND`; `E_DATA_UNUSABLE`; `E_IO`;
    /// `E_ABORTED`.
    pub fn open(
        self,
        source: &str,
        folder: &Path,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        if let Some(compressed) = self.0.iter().find(|shard| is_compressed(shard)) {
            let message = format!(
                "{} is compressed; only plain .tar archives are supported",
                compressed.display()
            );
            return Err(Error::new(ErrorCode::DataFormat, message)
                .key("data")
                .file(compressed)
                .hint(
                    "Decompress the archive to a plain .tar, for example with `gunzip`, or unpack \
                     it into a folder.",
                ));
        }
        let (mut list, mut skipped) = (ImageList::new(), SkippedFiles::members());
        for shard in &self.0 {
            index_shard(shard, &mut list, &mut skipped, cancelled)?;
        }
        let first = self.0.first().map_or(folder, |shard| shard);
        if list.is_empty() {
            let message =
                format!("{source} has no labeled images: key.jpg with key.cls or key.json");
            return Err(Error::new(ErrorCode::DataUnusable, message).key("data").file(first).hint(
                "If the archive contains class folders, unpack it and set `data` to the folder.",
            ));
        }
        let mut set = list.open(source, DataFormat::Webdataset, first, folder, cancelled)?;
        set.add_warnings(skipped.warnings());
        Ok(set)
    }
}

fn is_shard(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}

fn is_compressed(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("").to_ascii_lowercase();
    [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"].iter().any(|end| name.ends_with(end))
}

/// Expands all ranges of a pattern into `shards`. Numbers are padded to the width of the first.
fn expand(pattern: &str, shards: &mut Vec<PathBuf>) -> Result<(), String> {
    let Some((before, rest)) = pattern.split_once('{') else {
        if shards.len() == MAX_SHARDS {
            return Err(format!("is a range of more than {MAX_SHARDS} shards"));
        }
        shards.push(pattern.into());
        return Ok(());
    };
    let range = rest.split_once('}').and_then(|(range, after)| {
        let (first, last) = range.split_once("..")?;
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(first) || !is_number(last) {
            return None;
        }
        Some((first.len(), first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, after))
    });
    let Some((width, first, last, after)) = range.filter(|(_, first, last, _)| first <= last)
    else {
        return Err("is not a valid range of shards".into());
    };
    for number in first..=last {
        expand(&format!("{before}{number:0width$}{after}"), shards)?;
    }
    Ok(())
}

/// Returns the split in the name of a shard, as in `imagenet-val-0001.tar`; otherwise the training
/// split.
fn split_of(shard: &Path) -> Split {
    let stem = shard.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    stem.split(['-', '_', '.']).find_map(Split::from_name).unwrap_or(Split::Train)
}

/// The image and the label of a key.
#[derive(Default)]
struct Sample {
    image: Option<Member>,
    label: Option<String>,
}

/// The samples of a shard, collected member by member.
struct ShardSamples<'a> {
    shard: &'a Path,
    samples: HashMap<String, Sample>,
    /// The keys in the order of their first members.
    order: Vec<String>,
}

impl ShardSamples<'_> {
    fn read_error(&self, error: TarError) -> Error {
        match error {
            TarError::Io(cause) => Error::read(self.shard, &cause).key("data"),
            TarError::Malformed(problem) => damaged(self.shard, problem),
        }
    }

    /// Adds an image or a label to the sample of its key; ignores other files.
    fn add(&mut self, tar: &mut Tar<File>, member: Member) -> Result<()> {
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
        // A key ends at the first dot. Skip hidden files, whose names start with a dot.
        let Some((stem, extension)) = file.split_once('.').filter(|(stem, _)| !stem.is_empty())
        else {
            return Ok(());
        };
        let extension = extension.to_ascii_lowercase();
        let is_image = IMAGE_EXTENSIONS.contains(&extension.as_str());
        if !is_image && extension != "cls" && extension != "json" {
            return Ok(());
        }
        let label = if is_image { None } else { self.read_label(tar, &member, &extension)? };
        let key = format!("{folder}/{stem}");
        let sample = match self.samples.get_mut(&key) {
            Some(sample) => sample,
            None => {
                self.order.push(key.clone());
                self.samples.entry(key).or_default()
            }
        };
        if is_image {
            if let Some(other) = &sample.image {
                let message = format!("has two images for one key: '{}' and '{name}'", other.name);
                return Err(damaged(shard, message));
            }
            sample.image = Some(member);
            return Ok(());
        }
        match (&sample.label, label) {
            (_, None) => {}
            (Some(other), Some(label)) if *other != label => {
                let message = format!("has two labels for '{name}': '{label}' and '{other}'");
                return Err(damaged(shard, message));
            }
            (_, label) => sample.label = label,
        }
        Ok(())
    }

    /// Reads a label file. Returns `None` for JSON without a label.
    fn read_label(
        &self,
        tar: &mut Tar<File>,
        member: &Member,
        extension: &str,
    ) -> Result<Option<String>> {
        let bytes = tar.read(member, MAX_LABEL_BYTES).map_err(|error| self.read_error(error))?;
        let label = match extension {
            "cls" => parse_cls(&bytes).map(Some),
            _ => parse_json(&bytes),
        };
        label.map_err(|problem| damaged(self.shard, format!("{problem} in '{}'", member.name)))
    }

    /// Appends the complete samples to `list` and the others to `skipped`.
    fn finish(mut self, list: &mut ImageList, skipped: &mut SkippedFiles) {
        let shard = self.shard;
        let (split, archive) = (split_of(shard), Arc::<Path>::from(shard));
        let shard_name = shard.file_name().unwrap_or_default().to_string_lossy();
        for key in self.order {
            match self.samples.remove(&key) {
                Some(Sample { image: Some(image), label: Some(label) }) => {
                    let unique_name = format!("{shard_name}/{}", image.name);
                    let Member { name, offset, bytes } = image;
                    let (archive, name) = (archive.clone(), name.into());
                    let location = ImageLocation::Member { archive, name, offset, bytes };
                    list.add(split, &label, location, unique_name.as_bytes(), 0);
                }
                Some(Sample { image: Some(image), label: None }) => {
                    let message = format!("'{}' in {} has no label", image.name, shard.display());
                    skipped.add(skipped_member(shard, message));
                }
                Some(Sample { image: None, label: Some(_) }) => {
                    let key = key.trim_start_matches('/');
                    let message = format!("'{key}' in {} has no image", shard.display());
                    skipped.add(skipped_member(shard, message));
                }
                Some(Sample { image: None, label: None }) | None => {}
            }
        }
    }
}

fn skipped_member(shard: &Path, message: String) -> Error {
    Error::new(ErrorCode::DataFormat, message).file(shard)
}

/// Reads the tar headers of a shard and appends its samples to `list`.
fn index_shard(
    shard: &Path,
    list: &mut ImageList,
    skipped: &mut SkippedFiles,
    cancelled: &dyn Fn() -> bool,
) -> Result<()> {
    let file = open_file(shard).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(ErrorCode::DataNotFound, format!("there is no shard {}", shard.display()))
                .key("data")
                .file(shard)
                .hint(
                    "Use existing shards: a folder, a .tar file, or a range such as \
                     `train-{000000..000146}.tar`.",
                )
        }
        _ => Error::read(shard, &cause).key("data"),
    })?;
    let mut samples = ShardSamples { shard, samples: HashMap::new(), order: Vec::new() };
    let mut tar = Tar::new(file).map_err(|cause| samples.read_error(TarError::Io(cause)))?;
    loop {
        check_cancelled(cancelled)?;
        match tar.next().map_err(|error| samples.read_error(error))? {
            Entry::File(member) => samples.add(&mut tar, member)?,
            Entry::Folder => {}
            Entry::Other(kind, name) => {
                let message = format!("'{name}' in {} is {kind}", shard.display());
                skipped.add(skipped_member(shard, message));
            }
            Entry::End { has_end_marker } => {
                if !has_end_marker {
                    let message =
                        format!("{} has no end marker: it may be truncated", shard.display());
                    skipped.add(skipped_member(shard, message));
                }
                break;
            }
        }
    }
    samples.finish(list, skipped);
    Ok(())
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

/// Returns the `label` of a JSON object, if it has one.
fn parse_json(bytes: &[u8]) -> Result<Option<String>, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|cause| format!("has invalid JSON ({cause})"))?;
    match &value["label"] {
        Value::Null => Ok(None),
        Value::String(label) if !label.trim().is_empty() => Ok(Some(label.trim().into())),
        Value::Number(label) if label.is_u64() => Ok(Some(label.to_string())),
        _ => Err("has a `label` that is neither a string nor an integer".into()),
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::DataConfig;
    use tempfile::TempDir;

    use super::*;
    use crate::Image;
    use crate::sources::formats::tar::tests::{archive, entry, entry_with_size};

    fn read_fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    fn create_folder(shards: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in shards {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn open_path(path: &Path) -> Result<Dataset> {
        let source = Some(path.display().to_string());
        crate::open(&DataConfig { source, ..DataConfig::default() }, &|| false)
    }

    fn open(shards: &[(&str, Vec<u8>)]) -> Result<Dataset> {
        open_path(create_folder(shards).path())
    }

    /// Returns a shard with one image of each of two classes.
    fn two_samples() -> Vec<u8> {
        let (jpeg, png) = (read_fixture("baseline.jpg"), read_fixture("picture.png"));
        archive(&[
            ("a.jpg", &jpeg),
            ("a.cls", b"1\n"),
            ("deep/b.cls", b"0"),
            ("deep/b.PNG", &png),
            ("deep/b.json", br#"{"width": 37}"#),
        ])
    }

    fn open_error(bytes: Vec<u8>) -> Error {
        let error = open(&[("train-0.tar", bytes)]).err().expect("an error");
        assert!(error.at.file.as_deref().unwrap().ends_with("train-0.tar"), "{error:?}");
        assert!(error.hint.is_some());
        error
    }

    #[test]
    fn reads_shards_with_splits_from_their_names() {
        let root = create_folder(&[
            ("train-000000.tar", two_samples()),
            ("train-000001.tar", two_samples()),
            ("photos_val_0.tar", two_samples()),
            ("test-0.tar", two_samples()),
            ("classes.txt", b"ant\nbee\n".to_vec()),
        ]);
        let set = open_path(root.path()).unwrap();
        let facts = set.facts();
        assert_eq!((facts.train, facts.val, facts.test), (4, 2, 2));
        assert_eq!(
            (facts.classes.join(" "), facts.format),
            ("ant bee".into(), DataFormat::Webdataset)
        );
        assert_eq!((facts.channels, facts.image_size), (3, Some([29, 37])));
        assert!(set.warnings().is_empty(), "{:?}", set.warnings());
        let train = set.source(Split::Train);
        assert_eq!((0..4).map(|i| train.label(i)).collect::<Vec<_>>(), [1, 0, 1, 0]);
        assert!(train.name(3).starts_with("deep/b.PNG in "), "{}", train.name(3));
        let (mut found, mut expected) = (Image::default(), Image::default());
        train.read_into(3, 3, &mut found).unwrap();
        crate::decode(&read_fixture("picture.png"), 3, &mut expected).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn opens_single_shards_and_ranges() {
        let root = create_folder(&[
            ("s-08.tar", two_samples()),
            ("s-09.tar", two_samples()),
            ("s-10.tar", two_samples()),
        ]);
        let count = |name: &str| open_path(&root.path().join(name)).map(|set| set.facts().train);
        assert_eq!(count("s-08.tar").unwrap(), 2);
        assert_eq!(count("s-{08..10}.tar").unwrap(), 6);
        let error = count("s-{09..11}.tar").unwrap_err();
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert!(error.message.ends_with("s-11.tar"));
        for pattern in ["s-{9..8}.tar", "s-{a..b}.tar", "s-{1.tar", "s-{0..9999999}.tar"] {
            assert_eq!(count(pattern).unwrap_err().code, ErrorCode::DataFormat, "{pattern}");
        }
        let mut shards = Vec::new();
        expand("a{0..1}-{8..10}.tar", &mut shards).unwrap();
        assert_eq!(shards.len(), 6);
        assert_eq!(shards[5], Path::new("a1-10.tar"));
    }

    #[test]
    fn labels_come_from_cls_and_json() {
        let jpeg = read_fixture("baseline.jpg");
        let set = open(&[(
            "0.tar",
            archive(&[
                ("a.jpg", &jpeg),
                ("a.json", br#"{"label": "cat"}"#),
                ("b.jpg", &jpeg),
                ("b.cls", b"dog"),
                ("b.txt", b"a dog"),
            ]),
        )]);
        assert_eq!(set.unwrap().facts().classes, ["cat", "dog"]);
    }

    #[test]
    fn skips_incomplete_samples_with_a_warning() {
        let jpeg = read_fixture("baseline.jpg");
        let shard = [
            entry(b'2', "link.jpg", b""),
            entry(b'3', "device", b""),
            entry(b'0', "lonely.jpg", &jpeg),
            entry(b'0', "c.cls", b"1"),
            entry(b'0', "d.jpg", b"GIF89a"),
            entry(b'0', "d.cls", b"1"),
            entry(b'0', "README", b"text"),
            entry(b'0', "._a.jpg", b"text"),
            two_samples(),
        ];
        let set = open(&[("0.tar", shard.concat())]).unwrap();
        assert_eq!(set.facts().train, 2);
        let messages: Vec<&str> = set.warnings().iter().map(|warning| &*warning.message).collect();
        assert_eq!(messages.len(), 5, "{messages:?}");
        for text in ["a symbolic link", "a device", "'lonely.jpg' in", "'c' in", "d.jpg in"] {
            assert!(messages.iter().any(|message| message.contains(text)), "{text}: {messages:?}");
        }
    }

    #[test]
    fn refuses_hostile_shards() {
        let with = |first_entry: Vec<u8>| [first_entry, two_samples()].concat();
        let assert_malformed = |bytes, text: &str| {
            let error = open_error(bytes);
            assert_eq!(error.code, ErrorCode::DataFormat, "{error}");
            assert!(error.message.contains(text), "{error}");
        };
        assert_malformed(with(entry(b'0', "../a.jpg", b"")), "outside the archive");
        assert_malformed(with(entry(b'0', "x/..\\a.jpg", b"")), "outside the archive");
        assert_malformed(with(entry(b'0', "/etc/a.jpg", b"")), "outside the archive");
        assert_malformed(with(entry(b'0', "a.png", b"")), "two images for one key");
        assert_malformed(with(entry(b'0', "a.json", br#"{"label": 0}"#)), "and '0'");
        assert_malformed(with(entry(b'0', "c.cls", b"")), "no label in 'c.cls'");
        assert_malformed(with(entry(b'0', "c.cls", b"\xff")), "invalid UTF-8");
        assert_malformed(
            with(entry(b'0', "c.cls", &vec![b'1'; 2 << 20])),
            "more than the limit of 1048576",
        );
        assert_malformed(with(entry(b'0', "c.json", b"{")), "invalid JSON");
        assert_malformed(with(entry(b'0', "c.json", "[".repeat(9999).as_bytes())), "invalid JSON");
        assert_malformed(with(entry_with_size(b'0', "c.jpg", b"", 1 << 32)), "truncated");
        assert_malformed(vec![1; 4096], "not a tar archive");
        assert_eq!(open_error(archive(&[("a/1.jpg", b"")])).code, ErrorCode::DataUnusable);
    }

    #[test]
    fn refuses_compressed_shards() {
        let error = open(&[("train-0.tar.gz", vec![])]).err().unwrap();
        assert_eq!(error.code, ErrorCode::DataFormat);
        assert!(error.hint.unwrap().contains("gunzip"));
    }
}
