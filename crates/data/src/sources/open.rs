//! Opens a data set by name or path and detects its format.

use std::path::{Path, PathBuf};

use residual_spec::{Auto, CifarLabels, DataConfig, DataFormat, Error, ErrorCode, Result, nearest};

use super::dataset::Dataset;
use super::formats::arrays::{ARRAYS, Arrays};
use super::formats::folder;
use super::formats::layout::{Layout, check_fine_labels, find_layouts};
use super::formats::manifest::{self, ManifestFormat};
use super::formats::webdataset::Shards;
use super::listing::Listing;
use super::registry::{find_known_dataset, known_datasets};

/// Opens `arrays` if present, otherwise the data set of `config.source`.
///
/// # Errors
/// As [`Arrays::open`] and [`open`]; `E_CONFIG` if there are arrays and `config.source` is another
/// data set.
pub fn open_with_arrays(
    config: &DataConfig,
    arrays: Option<Arrays>,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    let Some(arrays) = arrays else { return open(config, cancelled) };
    let source = config.source.as_deref().unwrap_or(ARRAYS);
    if source != ARRAYS {
        let message = format!("`arrays` were passed, but `data` is '{source}'");
        return Err(Error::new(ErrorCode::Config, message)
            .key("data")
            .hint("Remove `data` to train on the arrays, or remove `arrays`."));
    }
    check_format(Path::new(ARRAYS), configured_format(config), DataFormat::Arrays)?;
    check_fine_labels(ARRAYS, config.labels.unwrap_or(CifarLabels::Fine))?;
    arrays.open()
}

fn configured_format(config: &DataConfig) -> Option<DataFormat> {
    config.format.as_ref().and_then(Auto::value).copied()
}

/// Opens the data set of `config.source`, a name or a path. Parses the headers of all images in
/// folders, manifests and shards without decoding them. Calls `cancelled` every few milliseconds.
///
/// # Errors
/// `E_DATA_NOT_FOUND`; `E_DATA_FORMAT` for malformed files; `E_DATA_UNUSABLE` for a data set that
/// no classifier can be trained on; `E_CONFIG` for an ambiguous name; `E_IO`; `E_ABORTED` if
/// cancelled.
pub fn open(config: &DataConfig, cancelled: &dyn Fn() -> bool) -> Result<Dataset> {
    let Some(source) = config.source.as_deref() else {
        return Err(Error::new(ErrorCode::Config, "no data set is configured")
            .key("data")
            .hint(format!("Set `data` to a folder of images or to one of {}.", known_names())));
    };
    let format = configured_format(config);
    if source == ARRAYS && (format == Some(DataFormat::Arrays) || !Path::new(source).exists()) {
        return Err(Error::new(
            ErrorCode::DataNotFound,
            "`data` is 'arrays', but no arrays were passed",
        )
        .key("data")
        .hint("Pass the arrays in the second argument: train(config, { arrays })."));
    }
    let labels = config.labels.unwrap_or(CifarLabels::Fine);
    let Some(known) = find_known_dataset(source) else {
        // Store an absolute path, so that a run can be resumed, and a model evaluated, from another
        // current directory.
        let absolute = absolute_path(source);
        let mut dataset = open_path(source, Path::new(&absolute), format, labels, cancelled)?;
        dataset.set_source_path(absolute);
        return Ok(dataset);
    };
    if Path::new(source).exists() {
        let message = format!("'{source}' is both the name of a data set and a folder");
        return Err(Error::new(ErrorCode::Config, message)
            .key("data")
            .hint(format!("Write './{source}' for the folder, or rename it.")));
    }
    let mut dataset = open_path(source, &known.require_folder()?, format, labels, cancelled)?;
    if let Some(names) = known.class_names() {
        dataset.set_class_names(names);
    }
    Ok(dataset)
}

/// Lists the names of all known data sets for a hint.
fn known_names() -> String {
    let names: Vec<String> =
        known_datasets().iter().map(|known| format!("'{}'", known.name)).collect();
    names.join(", ")
}

/// Returns the absolute form of a path, or the path itself if the current directory has no name
/// that is valid Unicode.
fn absolute_path(path: &str) -> String {
    let absolute = std::path::absolute(path).ok();
    absolute.and_then(|path| path.into_os_string().into_string().ok()).unwrap_or(path.into())
}

/// Opens the data set at `path`. Messages name it by `source`, the path or name that the user
/// wrote.
fn open_path(
    source: &str,
    path: &Path,
    format: Option<DataFormat>,
    labels: CifarLabels,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    if !path.is_dir() {
        if let Some(shards) = Shards::from_path(path)? {
            check_format(path, format, DataFormat::Webdataset)?;
            check_fine_labels(source, labels)?;
            let folder = path.parent().unwrap_or(Path::new(""));
            return shards.open(source, folder, cancelled);
        }
        if let (true, Some(manifest_format)) = (path.is_file(), ManifestFormat::from_path(path)) {
            check_format(path, format, DataFormat::Manifest)?;
            check_fine_labels(source, labels)?;
            return manifest::open(source, path, manifest_format, cancelled);
        }
    }
    open_folder(source, path, format, labels, cancelled)
}

/// Checks the configured format against the detected one.
///
/// # Errors
/// `E_DATA_FORMAT` if they differ.
fn check_format(path: &Path, configured: Option<DataFormat>, detected: DataFormat) -> Result<()> {
    match configured {
        Some(configured) if configured != detected => {
            Err(format_mismatch(path, configured, detected))
        }
        _ => Ok(()),
    }
}

fn format_mismatch(path: &Path, configured: DataFormat, detected: DataFormat) -> Error {
    let (configured, detected) = (configured.as_str(), detected.as_str());
    let message = format!("{} is not in the format '{configured}'", path.display());
    Error::new(ErrorCode::DataFormat, message)
        .key("data.format")
        .file(path)
        .hint(format!("The detected format is '{detected}'; remove `data.format`."))
}

fn open_folder(
    source: &str,
    folder: &Path,
    format: Option<DataFormat>,
    labels: CifarLabels,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    check_is_folder(source, folder)?;
    let listing = Listing::read(folder, cancelled)?;
    let mut layouts = find_layouts(&listing.files)?;
    if layouts.is_empty() {
        // MNIST archives on Kaggle contain each file in a folder of the same name.
        let inner = |folder: &PathBuf| folder.file_name().map(|name| folder.join(name));
        let inner: Vec<PathBuf> = listing.folders.iter().filter_map(inner).collect();
        let inner: Vec<PathBuf> = inner.into_iter().filter(|file| file.is_file()).collect();
        layouts = find_layouts(&inner)?;
    }
    // Class folders beside an archive are its unpacked content: read the folders.
    if layouts.is_empty() && (listing.folders.is_empty() || format == Some(DataFormat::Webdataset))
    {
        layouts.extend(Shards::find(&listing.files).map(Layout::Webdataset));
    }
    if layouts.is_empty() {
        let shards = Shards::find_in_splits(&listing.folders, cancelled)?;
        layouts.extend(shards.map(Layout::Webdataset));
    }
    let detected = match (format, layouts.as_slice()) {
        (None, [first, second, ..]) => {
            let [first, second] = [first, second].map(|layout| layout.format().as_str());
            let folder_name = folder.display();
            let message =
                format!("{folder_name} has files of the formats '{first}' and '{second}'");
            return Err(Error::new(ErrorCode::DataFormat, message)
                .key("data.format")
                .file(folder)
                .hint("Select one format with `data.format`."));
        }
        (_, [first, ..]) => first.format(),
        (_, []) => DataFormat::ImageFolder,
    };
    let configured = format.unwrap_or(detected);
    let layout = layouts.into_iter().find(|layout| layout.format() == configured);
    match (configured, layout) {
        (_, Some(layout)) => {
            let mut set = layout.open(source, folder, labels, cancelled)?;
            set.add_warnings(listing.ignored.warnings(folder));
            Ok(set)
        }
        (DataFormat::ImageFolder, None) if detected == configured => {
            check_fine_labels(source, labels)?;
            folder::open(source, folder, listing, cancelled)
        }
        _ => Err(format_mismatch(folder, configured, detected)),
    }
}

/// Extensions, in lower case, of files other than manifests that are often given as a data set.
const FILE_EXTENSIONS: [&str; 15] = [
    "json", "txt", "xls", "xlsx", "parquet", "npz", "npy", "mat", "tar", "tgz", "zip", "gz", "bz2",
    "xz", "7z",
];

/// Returns whether a path that does not exist looks like that of a file.
fn has_file_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ManifestFormat::from_path(path).is_some()
        || FILE_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
}

/// Returns the path of the folder, manifest or shard beside a missing `path` whose name is most
/// similar.
fn nearest_sibling(path: &Path) -> Option<String> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let entries = std::fs::read_dir(parent).ok()?.flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir() || has_file_extension(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let name = path.file_name()?.to_str()?;
    // The name may lack the extension only.
    let with_extension =
        names.iter().find(|other| Path::new(other).file_stem() == path.file_name());
    let name = match with_extension {
        Some(name) => name,
        None => nearest(name, names.iter().map(String::as_str))?,
    };
    Some(parent.join(name).display().to_string())
}

fn check_is_folder(source: &str, folder: &Path) -> Result<()> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let not_found = |message: String, hint: String| {
        Err(Error::new(ErrorCode::DataNotFound, message).key("data").file(&absolute).hint(hint))
    };
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => {
            let hint = match folder.extension().and_then(|extension| extension.to_str()) {
                Some("zip" | "gz" | "bz2" | "xz" | "7z" | "rar") => {
                    "Unpack the archive, and set `data` to the folder with its content."
                }
                Some("yaml" | "yml" | "json") => {
                    "On the command line, pass a configuration file with `--config`. Set `data` to a \
                     folder, or to a .csv or .jsonl manifest."
                }
                _ => "Set `data` to the folder of the file, or to a .csv or .jsonl manifest.",
            };
            let message = format!("{} is a file, not a folder", absolute.display());
            not_found(message, hint.into())
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let is_file = has_file_extension(folder);
            let known = nearest(source, known_datasets().iter().map(|known| known.name));
            let known = known.filter(|name| *name != source).map(String::from);
            let hint = match known.or_else(|| nearest_sibling(folder)) {
                Some(suggestion) => format!("Did you mean '{suggestion}'?"),
                None if is_file => {
                    "Check the path: it is relative to the current directory.".into()
                }
                None => {
                    format!("Set `data` to an existing folder, or to one of {}.", known_names())
                }
            };
            let kind = if is_file { "file" } else { "folder" };
            not_found(format!("there is no {kind} {}", absolute.display()), hint)
        }
        Err(cause) => Err(Error::read(&absolute, &cause).key("data")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{set_bundled_dir, set_download_dir};

    fn config(source: &str) -> DataConfig {
        DataConfig { source: Some(source.into()), ..DataConfig::default() }
    }

    fn open_error(config: &DataConfig) -> Error {
        open(config, &|| false).err().expect("an error")
    }

    #[test]
    fn bundled_data_sets_match_the_registry() {
        set_bundled_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data"));
        for known in known_datasets().iter().filter(|known| known.downloads.is_empty()) {
            let set = open(&config(known.name), &|| false).unwrap();
            let facts = set.facts();
            assert_eq!(facts.source, known.name);
            assert_eq!((facts.train, facts.test), (known.train, known.test));
            assert_eq!(facts.classes.len(), known.classes as usize);
            assert_eq!(facts.channels, known.channels);
            assert_eq!(facts.image_size, Some([known.image_size; 2]));
            assert!(facts.flip_preserves_label);
            assert!(set.warnings().is_empty());
        }
    }

    /// One test for all of this, because the directory is global to the process.
    #[test]
    fn downloaded_data_sets_are_found_by_name_with_class_names() {
        let download_dir = tempfile::tempdir().unwrap();
        set_download_dir(download_dir.path());
        let error = open_error(&config("mnist"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert_eq!(error.hint.unwrap(), "Download it: `residual data download mnist`.");

        let folder = download_dir.path().join("fashion-mnist");
        std::fs::create_dir(&folder).unwrap();
        // The files of the mini data set are accepted: gzipped files are checked by name only.
        let mini = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/fashion-mnist-mini"));
        for file in find_known_dataset("fashion-mnist").unwrap().files {
            let name = format!("{}.gz", file.file);
            std::fs::copy(mini.join(&name), folder.join(&name)).unwrap();
        }
        let facts = open(&config("fashion-mnist"), &|| false).unwrap().facts().clone();
        assert_eq!(facts.classes[9], "Ankle boot");
        assert!(facts.flip_preserves_label);
        assert_eq!(facts.source, "fashion-mnist");
    }

    #[test]
    fn suggests_the_nearest_data_set_name() {
        let error = open_error(&config("fashion-mnist-mni"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert_eq!(error.hint.unwrap(), "Did you mean 'fashion-mnist-mini'?");
    }

    #[test]
    fn a_missing_folder_is_reported_with_its_absolute_path() {
        let error = open_error(&config("./no/such/photos"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert!(Path::new(error.at.file.as_deref().unwrap()).is_absolute());
        assert_eq!(error.at.key.as_deref(), Some("data"));
    }

    #[test]
    fn suggests_the_nearest_sibling_folder() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::create_dir(parent.path().join("photos")).unwrap();
        std::fs::write(parent.path().join("phots"), "a file").unwrap();
        let path = |name: &str| parent.path().join(name).display().to_string();
        let error = open_error(&config(&path("Photo")));
        assert_eq!(error.hint.unwrap(), format!("Did you mean '{}'?", path("photos")));
        let error = open_error(&config(&path("pictures")));
        assert!(error.hint.unwrap().starts_with("Set `data` to an existing folder"));
    }

    #[test]
    fn a_configuration_in_place_of_data_is_passed_by_its_option() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.yaml");
        std::fs::write(&file, "epochs: 1").unwrap();
        let hint = open_error(&config(file.to_str().unwrap())).hint.unwrap();
        assert!(hint.contains("`--config`"), "{hint}");
    }

    #[test]
    fn an_archive_file_must_be_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("photos.zip");
        std::fs::write(&archive, b"PK").unwrap();
        let error = open_error(&config(archive.to_str().unwrap()));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert!(error.hint.unwrap().starts_with("Unpack"));
    }

    #[test]
    fn refuses_a_configured_format_that_differs_from_the_detected_format() {
        let folder = tempfile::tempdir().unwrap();
        let config = DataConfig {
            format: Some(Auto::Value(DataFormat::Idx)),
            ..config(folder.path().to_str().unwrap())
        };
        let error = open_error(&config);
        assert_eq!(error.code, ErrorCode::DataFormat);
        assert_eq!(error.at.key.as_deref(), Some("data.format"));
        assert!(error.hint.unwrap().contains("'image-folder'"));
    }

    #[test]
    fn arrays_must_be_passed_and_match_the_configuration() {
        let error = open_error(&config("arrays"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert!(error.hint.unwrap().contains("{ arrays }"));
        let train = crate::ArraySplit {
            images: vec![1, 2].into(),
            labels: vec![0, 1].into(),
            height: 1,
            width: 1,
            channels: 1,
        };
        let arrays = || Some(Arrays { train: train.clone(), val: None, test: None, classes: None });
        let open = |config: &DataConfig| open_with_arrays(config, arrays(), &|| false);
        assert!(open(&config("arrays")).is_ok() && open(&DataConfig::default()).is_ok());
        let error = open(&config("./photos")).err().unwrap();
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Config, Some("data")));
    }

    #[test]
    fn the_source_is_an_absolute_path() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let relative = Path::new(".").join(folder.path().file_name().unwrap());
        std::fs::write(relative.join("train-images-idx3-ubyte"), idx(3)).unwrap();
        std::fs::write(relative.join("train-labels-idx1-ubyte"), idx(1)).unwrap();
        let set = open(&config(relative.to_str().unwrap()), &|| false).unwrap();
        let absolute = std::env::current_dir().unwrap().join(folder.path().file_name().unwrap());
        assert_eq!(Path::new(&set.facts().source), absolute);
    }

    /// Returns an IDX file of two labels, or of two images of one pixel.
    fn idx(dimensions: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dimensions, 0, 0, 0, 2];
        bytes.extend([0, 0, 0, 1].repeat(usize::from(dimensions) - 1));
        bytes.extend([0, 1]);
        bytes
    }

    #[test]
    fn mnist_files_may_be_in_folders_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in
            [("train-images-idx3-ubyte", idx(3)), ("train-labels-idx1-ubyte", idx(1))]
        {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join(name), bytes).unwrap();
        }
        let set = open(&config(folder.path().to_str().unwrap()), &|| false).unwrap();
        assert_eq!((set.facts().format, set.facts().train), (DataFormat::Idx, 2));
    }

    #[test]
    fn a_missing_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["labels.csv", "train.jsonl", "notes.md", "photos-000.tar"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let error = |name: &str| {
            let path = folder.path().join(name);
            let error = open_error(&config(path.to_str().unwrap()));
            assert_eq!(error.code, ErrorCode::DataNotFound);
            (error.message, error.hint.unwrap())
        };
        let hint = |name: &str| format!("Did you mean '{}'?", folder.path().join(name).display());
        for (name, kind, meant) in [
            ("label.csv", "file", "labels.csv"),
            ("labels", "folder", "labels.csv"),
            ("trian.jsonl", "file", "train.jsonl"),
        ] {
            let (message, found) = error(name);
            let path = folder.path().join(name);
            assert_eq!(message, format!("there is no {kind} {}", path.display()));
            assert_eq!(found, hint(meant));
        }
        assert!(error("zzzzzzzz.csv").1.starts_with("Check the path"));
    }

    #[test]
    fn suggests_the_folder_with_the_files_of_torchvision() {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("MNIST/raw");
        std::fs::create_dir_all(&raw).unwrap();
        std::fs::write(raw.join("train-images-idx3-ubyte"), idx(3)).unwrap();
        let error = open_error(&config(folder.path().to_str().unwrap()));
        assert_eq!(error.hint.unwrap(), format!("Did you mean {}?", raw.display()));
    }

    #[test]
    fn two_formats_in_a_folder_require_data_format() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data_batch_1.bin", "train-images-idx3-ubyte"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let source = config(folder.path().to_str().unwrap());
        assert_eq!(open_error(&source).at.key.as_deref(), Some("data.format"));
        let cifar = DataConfig { format: Some(Auto::Value(DataFormat::CifarBinary)), ..source };
        assert!(open_error(&cifar).message.contains("data_batch_1.bin"));
    }
}
