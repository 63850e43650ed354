//! WebDataset shards (<https://github.com/webdataset/webdataset>): uncompressed tar archives in
//! which `key.jpg` is an image and `key.cls` or `key.json` its label. One pass over the tar headers
//! finds the offsets of the images, which are read on demand.

mod sample_image;
mod shard_samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use residual_spec::{DataFormat, Error, ErrorCode, Result, WarningEvent};

use super::image_list::ImageList;
use super::tar::{Entry, Tar, TarError};
use crate::sources::files::open_file;
use crate::sources::ignored_entries::{IgnoredEntries, format_paths};
use crate::sources::image_extension::is_image_extension;
use crate::sources::listing::{Listing, check_cancelled};
use crate::sources::skipped_files::SkippedFiles;
use crate::{Dataset, Split};
use sample_image::SecondImages;
use shard_samples::{ShardSamples, skipped_member};

/// Maximum number of shards.
const MAX_SHARDS: usize = 100_000;

/// Maximum number of file extensions that are counted.
const MAX_COUNTED_EXTENSIONS: usize = 1000;
/// Maximum number of file extensions that a message names.
const MAX_NAMED_EXTENSIONS: usize = 4;

/// The shards of a data set in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shards {
    /// The shards, each with the split of its folder if the folder is named after one.
    shards: Vec<(PathBuf, Option<Split>)>,
    /// Folders with shards that are not read: their name is not that of a split, or they contain
    /// folders.
    skipped_folders: Vec<PathBuf>,
}

impl Shards {
    /// Finds the shards of a folder. Returns `None` if there are none.
    pub fn find(files: &[PathBuf]) -> Option<Self> {
        let shards: Vec<_> = filter_shards(files).map(|shard| (shard, None)).collect();
        (!shards.is_empty()).then_some(Shards { shards, ..Shards::default() })
    }

    /// Finds the shards in folders that are named after splits: `train/000.tar`, `val/000.tar`.
    /// Returns `None` unless a folder of the training split has shards.
    ///
    /// # Errors
    /// `E_IO`; `E_ABORTED`.
    pub fn find_in_splits(
        folders: &[PathBuf],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Self>> {
        let (mut shards, mut other_folders) = (Vec::new(), Vec::new());
        for folder in folders {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(split) = Split::from_name(name) else {
                other_folders.push(folder);
                continue;
            };
            let listing = Listing::read(folder, cancelled)?;
            if listing.folders.is_empty() {
                let found = filter_shards(&listing.files);
                shards.extend(found.map(|shard| (shard, Some(split))));
            } else {
                other_folders.push(folder);
            }
        }
        if !shards.iter().any(|(_, split)| *split == Some(Split::Train)) {
            return Ok(None); // without reading the class folders of an image folder
        }
        let mut skipped_folders = Vec::new();
        for folder in other_folders {
            if filter_shards(&Listing::read(folder, cancelled)?.files).next().is_some() {
                skipped_folders.push(folder.clone());
            }
        }
        Ok(Some(Shards { shards, skipped_folders }))
    }

    /// Parses the path of one archive, or a range such as `train-{000000..000146}.tar`. Returns
    /// `None` for other paths.
    ///
    /// # Errors
    /// `E_DATA_FORMAT` for a malformed range.
    pub fn from_path(path: &Path) -> Result<Option<Self>> {
        let source = path.to_str().unwrap_or_default();
        if !is_shard(path) && !is_compressed(path) {
            return Ok(None);
        }
        if !source.contains('{') || path.exists() {
            Ok(Some(Shards { shards: vec![(path.into(), None)], ..Shards::default() }))
        } else {
            let mut shards = Vec::new();
            expand(source, &mut shards).map_err(|problem| {
                Error::new(ErrorCode::DataFormat, format!("'{source}' {problem}"))
                    .key("data")
                    .hint("Write a range of shards as 'train-{000000..000146}.tar'.")
            })?;
            let shards = shards.into_iter().map(|shard| (shard, None)).collect();
            Ok(Some(Shards { shards, ..Shards::default() }))
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
        if let Some((compressed, _)) = self.shards.iter().find(|(shard, _)| is_compressed(shard)) {
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
        let mut index = Index::new();
        for (shard, split) in &self.shards {
            index_shard(shard, split.unwrap_or_else(|| split_of(shard)), &mut index, cancelled)?;
        }
        let first = self.shards.first().map_or(folder, |(shard, _)| shard);
        if index.list.is_empty() {
            return Err(index.no_samples(source).file(first));
        }
        let Index { list, skipped, conflicts, second_images, leftovers, .. } = index;
        let mut set = list.open(source, DataFormat::Webdataset, first, folder, cancelled)?;
        set.add_warnings(skipped.warnings());
        set.add_warnings(conflicts.warning(source).into_iter().collect());
        set.add_warnings(second_images.warning(source).into_iter().collect());
        set.add_warnings(leftovers.warnings(Path::new("")));
        set.add_warnings(skipped_folders_warning(folder, &self.skipped_folders));
        Ok(set)
    }
}

/// The samples of all shards, and the problems that were found in the shards.
struct Index {
    list: ImageList,
    skipped: SkippedFiles,
    conflicts: LabelConflicts,
    second_images: SecondImages,
    /// The message about the first sample that has no image of its own but several further images.
    ambiguous: Option<String>,
    /// Backups and incomplete downloads in the shards.
    leftovers: IgnoredEntries,
    /// Numbers of members by extension.
    extensions: BTreeMap<String, usize>,
}

impl Index {
    fn new() -> Index {
        let (conflicts, second_images, ambiguous, leftovers, extensions) = Default::default();
        let (list, skipped) = (ImageList::new(), SkippedFiles::members());
        Index { list, skipped, conflicts, second_images, ambiguous, leftovers, extensions }
    }

    fn count_extension(&mut self, extension: &str) {
        if let Some(count) = self.extensions.get_mut(extension) {
            *count += 1;
        } else if self.extensions.len() < MAX_COUNTED_EXTENSIONS {
            self.extensions.insert(extension.into(), 1);
        }
    }

    /// Returns the error for shards without a labeled image, which names their most common file
    /// extensions.
    fn no_samples(&self, source: &str) -> Error {
        let mut extensions: Vec<(&String, &usize)> = self.extensions.iter().collect();
        extensions.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let found = extensions.iter().take(MAX_NAMED_EXTENSIONS);
        let found: Vec<String> =
            found.map(|(extension, count)| format!(".{extension} ({count})")).collect();
        let found = if found.is_empty() { "no files".into() } else { found.join(", ") };
        let mut names = self.extensions.keys();
        let hint = match (names.next(), names.next()) {
            (Some(only), None) if is_image_extension(only) => {
                "If the archive contains class folders, unpack it and set `data` to the folder."
            }
            _ => {
                "An image and its label have the same name: key.jpg and key.cls, or key.json with \
                 the key `label`."
            }
        };
        let (found, hint) = match &self.ambiguous {
            Some(sample) => (sample, "Name the image of each sample key.png or key.image.png."),
            None => (&format!("found {found}"), hint),
        };
        let message = format!("{source} has no labeled images; {found}");
        Error::new(ErrorCode::DataUnusable, message).key("data").hint(hint)
    }
}

/// Samples whose labels in .cls and .json differ.
#[derive(Default)]
struct LabelConflicts {
    count: usize,
    /// The member name and the two labels of the first sample.
    first: String,
}

impl LabelConflicts {
    /// Returns the warning about the samples, if there are any.
    fn warning(&self, source: &str) -> Option<WarningEvent> {
        (self.count > 0).then(|| WarningEvent {
            code: ErrorCode::DataFormat,
            message: format!(
                "{source} has samples with different labels in .cls and .json ({}), for example {}",
                self.count, self.first
            ),
            file: None,
            hint: Some("The labels of .cls are used.".into()),
        })
    }
}

/// Warns about folders with shards that are not read.
fn skipped_folders_warning(root: &Path, folders: &[PathBuf]) -> Vec<WarningEvent> {
    if folders.is_empty() {
        return Vec::new();
    }
    let folders = format_paths(root, folders);
    vec![WarningEvent {
        code: ErrorCode::DataUnusable,
        message: format!("{} has shards in folders that are not splits: {folders}", root.display()),
        file: None,
        hint: Some(
            "They were skipped. Splits are folders named train, val and test without sub-folders."
                .into(),
        ),
    }]
}

fn filter_shards(files: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    files.iter().filter(|file| is_shard(file) || is_compressed(file)).cloned()
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

/// Reads the tar headers of a shard and appends its samples to the index.
fn index_shard(
    shard: &Path,
    split: Split,
    index: &mut Index,
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
    let mut samples = ShardSamples::new(shard);
    let mut tar = Tar::new(file).map_err(|cause| samples.read_error(TarError::Io(cause)))?;
    loop {
        check_cancelled(cancelled)?;
        match tar.next().map_err(|error| samples.read_error(error))? {
            Entry::File(member) => samples.add(&mut tar, member, index)?,
            Entry::Folder => {}
            Entry::Other(kind, name) => {
                let message = format!("'{name}' in {} is {kind}", shard.display());
                index.skipped.add(skipped_member(shard, message));
            }
            Entry::End { has_end_marker } => {
                if !has_end_marker {
                    let message =
                        format!("{} has no end marker: it may be truncated", shard.display());
                    index.skipped.add(skipped_member(shard, message));
                }
                break;
            }
        }
    }
    samples.finish(split, index);
    Ok(())
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

    /// Returns a shard with the samples 1 and 2. `names` are the name of the image and that of the
    /// label file without its extension `label`; `#` stands for the number of the sample. `labels`
    /// are the contents of the label files.
    fn samples(names: [&str; 2], label: &str, labels: [&[u8]; 2]) -> Vec<u8> {
        let png = read_fixture("picture.png");
        let entries = ["1", "2"].iter().zip(labels).flat_map(|(number, content)| {
            let name = |index: usize| names[index].replace('#', number);
            [entry(b'0', &name(0), &png), entry(b'0', &(name(1) + label), content)]
        });
        let entries: Vec<u8> = entries.flatten().collect();
        [entries, vec![0; 1024]].concat()
    }

    #[test]
    fn reads_samples_with_unusual_names_extensions_and_labels() {
        for (names, label, labels) in [
            (["img.v1.#.png", "img.v1.#"], ".cls", [&b"0"[..], b"1"]),
            (["set.v1/#.png", "set.v1/#"], ".cls", [b"0", b"1"]),
            (["./#.webp", "./#"], ".cls", [b"0", b"1"]), // PNG by content
            (["#.img", "#"], ".cls", [b"0.0", b"1.0"]),
            (["#.PNG", "#"], ".CLS", [b"0\r\n", b"1\r\n"]),
            (["#.png", "#"], ".json", [br#"{"class": 0}"#, br#"{"class": 1}"#]),
            (["#.png", "#"], ".json", [br#"{"label": 0.0}"#, br#"{"label": 1.0}"#]),
        ] {
            let set = open(&[("train-0.tar", samples(names, label, labels))]).unwrap();
            let facts = set.facts();
            assert_eq!((facts.train, facts.classes.join(" ")), (2, "0 1".into()), "{names:?}");
            assert!(set.warnings().is_empty(), "{names:?}: {:?}", set.warnings());
        }
    }

    #[test]
    fn further_images_of_a_sample_are_ignored() {
        let png = read_fixture("picture.png");
        let shard = archive(&[
            ("0.seg.png", &png),
            ("0.png", &png),
            ("0.cls", b"0"),
            ("1.v2.png", &png),
            ("1.v2.cls", b"1"),
            ("2.v2.png", &png),
        ]);
        let set = open(&[("0.tar", shard)]).unwrap();
        assert_eq!(set.facts().train, 2);
        assert_eq!(set.warnings().len(), 1, "{:?}", set.warnings());
        assert!(set.warnings()[0].message.starts_with("'2.v2.png' in"));
    }

    #[test]
    fn uses_the_preferred_of_two_images_with_one_key() {
        let (jpeg, png) = (read_fixture("baseline.jpg"), read_fixture("picture.png"));
        let webp = b"RIFF\x24\0\0\0WEBPVP8 ";
        let shard = archive(&[
            ("0.png", &png),
            ("0.jpg", &jpeg),
            ("0.cls", b"0"),
            ("1.jpg", &jpeg),
            ("1.png", &png),
            ("1.cls", b"1"),
            ("2.webp", webp),
            ("2.png", &png),
            ("2.cls", b"1"),
            ("2.png~", &png),
        ]);
        let set = open(&[("0.tar", shard)]).unwrap();
        let train = set.source(Split::Train);
        let names: Vec<String> = (0..3).map(|i| train.name(i)).collect();
        assert!(names[0].starts_with("0.jpg") && names[1].starts_with("1.jpg"), "{names:?}");
        assert!(names[2].starts_with("2.png in"), "{names:?}");
        let messages: Vec<&str> = set.warnings().iter().map(|warning| &*warning.message).collect();
        let [second, leftover] = messages[..] else { panic!("{messages:?}") };
        assert!(
            second.contains("(2), for example '0.jpg' and '0.png': '0.jpg' is used"),
            "{second}"
        );
        assert_eq!(leftover, "skipped a backup, temporary file or incomplete download: 2.png~");
    }

    #[test]
    fn a_sample_without_an_image_of_its_own_uses_its_only_further_image() {
        let png = read_fixture("picture.png");
        let shard = archive(&[
            ("0.rgb.png", &png),
            ("0.mask.png", &png),
            ("0.cls", b"0"),
            ("1.image.png", &png),
            ("1.small.png", &png),
            ("1.cls", b"1"),
            ("2.left.png", &png),
            ("2.right.png", &png),
            ("2.cls", b"1"),
        ]);
        let set = open(&[("0.tar", shard)]).unwrap();
        let train = set.source(Split::Train);
        assert_eq!((train.len(), train.label(1)), (2, 1));
        assert!(train.name(0).starts_with("0.rgb.png in"));
        let messages: Vec<&str> = set.warnings().iter().map(|warning| &*warning.message).collect();
        let choice = "has no image of its own, but 2.left, 2.right; skipped";
        assert!(messages.iter().any(|message| message.ends_with(choice)), "{messages:?}");
        let error =
            open_error(archive(&[("a.left.png", &png), ("a.right.png", &png), ("a.cls", b"0")]));
        assert!(error.message.ends_with("own, but a.left, a.right"), "{error}");
    }

    #[test]
    fn text_that_starts_like_a_bmp_is_no_image() {
        let png = read_fixture("picture.png");
        let shard = archive(&[
            ("0.png", &png),
            ("0.cls", b"0"),
            ("0.txt", b"BMW in a street"),
            ("1.png", &png),
            ("1.cls", b"1"),
        ]);
        let set = open(&[("0.tar", shard)]).unwrap();
        assert_eq!((set.facts().train, set.warnings().len()), (2, 0));
    }

    #[test]
    fn labels_of_cls_take_precedence_over_json() {
        let png = read_fixture("picture.png");
        let shard = archive(&[
            ("a.json", br#"{"label": "cat"}"#),
            ("a.png", &png),
            ("a.cls", b"0"),
            ("b.png", &png),
            ("b.cls", b"1"),
            ("b.json", br#"{"label": "dog"}"#),
        ]);
        let set = open(&[("0.tar", shard)]).unwrap();
        assert_eq!(set.facts().classes, ["0", "1"]);
        assert_eq!(set.warnings().len(), 1);
        assert!(set.warnings()[0].message.contains("(2), for example 'a.cls'"));
    }

    #[test]
    fn shards_in_folders_named_after_splits_belong_to_the_splits() {
        let root = tempfile::tempdir().unwrap();
        for split in ["train", "val"] {
            std::fs::create_dir(root.path().join(split)).unwrap();
            std::fs::write(root.path().join(split).join("000.tar"), two_samples()).unwrap();
        }
        let set = open_path(root.path()).unwrap();
        assert_eq!((set.facts().train, set.facts().val), (2, 2));
        assert_eq!(set.facts().format, DataFormat::Webdataset);
        assert!(set.warnings().is_empty());
    }

    #[test]
    fn folders_of_shards_that_are_not_splits_are_skipped_with_a_warning() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["train", "extra", "docs"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        for shard in ["train/0.tar", "extra/0.tar"] {
            std::fs::write(root.path().join(shard), two_samples()).unwrap();
        }
        std::fs::write(root.path().join("docs/readme.txt"), "text").unwrap();
        let set = open_path(root.path()).unwrap();
        assert_eq!(set.facts().train, 2);
        let [warning] = set.warnings() else { panic!("{:?}", set.warnings()) };
        assert!(warning.message.ends_with("that are not splits: extra"), "{}", warning.message);
    }

    #[test]
    fn the_error_for_shards_without_samples_names_their_file_extensions() {
        let png = read_fixture("picture.png");
        let error = open_error(archive(&[("a.png", &png), ("a.txt", b"a cat")]));
        assert!(error.message.ends_with("found .png (1), .txt (1)"), "{error}");
        assert!(error.hint.unwrap().contains("key.cls"));
        let error = open_error(archive(&[("cat/1.png", &png), ("dog/1.png", &png)]));
        assert!(error.hint.unwrap().contains("unpack it"));
        let webp = b"RIFF\x24\0\0\0WEBPVP8 ";
        let error = open_error(archive(&[("a.webp", webp), ("a.cls", b"0")]));
        assert!(error.message.ends_with("found WebP images (1)"), "{error}");
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
        assert_malformed(with(entry(b'0', "a.jpg", b"")), "two images for one key");
        assert_malformed(with(entry(b'0', "a.cls", b"0")), "and '0'");
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
