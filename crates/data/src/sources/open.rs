//! Opens a data set by name or path, detecting its format.

use std::path::Path;

use residual_spec::{Auto, CifarLabels, DataConfig, DataFormat, Error, ErrorCode, Result, nearest};

use super::dataset::Dataset;
use super::formats::arrays::{ARRAYS, Arrays};
use super::formats::folder;
use super::formats::layout::{Layout, check_fine_labels, find_layouts};
use super::formats::manifest::{self, ManifestFormat};
use super::formats::webdataset::Shards;
use super::listing::Listing;
use super::registry::{find_known_dataset, known_datasets};

/// Opens the given arrays, or the data set that `config` names.
///
/// # Errors
/// As [`Arrays::open`] and [`open`]; `E_CONFIG` if there are arrays and `config` names another data
/// set.
pub fn open_with_arrays(
    config: &DataConfig,
    arrays: Option<Arrays>,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    let Some(arrays) = arrays else { return open(config, cancelled) };
    let source = config.source.as_deref().unwrap_or(ARRAYS);
    if source != ARRAYS {
        let message = format!("`arrays` were given, but `data` is '{source}'");
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

/// Opens the data set that `config.source` names. Parses the headers of all images in folders,
/// lists and shards without decoding them. Calls `cancelled` at least every few milliseconds.
///
/// # Errors
/// `E_DATA_NOT_FOUND`; `E_DATA_FORMAT` for malformed files; `E_DATA_UNUSABLE` for a data set that
/// no classifier can be trained on; `E_CONFIG` for an ambiguous name; `E_IO`; `E_ABORTED` if
/// cancelled.
pub fn open(config: &DataConfig, cancelled: &dyn Fn() -> bool) -> Result<Dataset> {
    let Some(source) = config.source.as_deref() else {
        return Err(Error::new(ErrorCode::Config, "no data set is configured")
            .key("data")
            .hint(format!("Set `data` to a folder of images or to one of {}.", names())));
    };
    let format = configured_format(config);
    if source == ARRAYS && (format == Some(DataFormat::Arrays) || !Path::new(source).exists()) {
        return Err(Error::new(ErrorCode::DataNotFound, "the images in memory are missing")
            .key("data")
            .hint("Pass them in the second argument: train(config, { arrays })."));
    }
    let labels = config.labels.unwrap_or(CifarLabels::Fine);
    let Some(set) = find_known_dataset(source) else {
        return open_path(source, Path::new(source), format, labels, cancelled);
    };
    if Path::new(source).exists() {
        let message = format!("'{source}' is both the name of a data set and a folder");
        return Err(Error::new(ErrorCode::Config, message)
            .key("data")
            .hint(format!("Write './{source}' for the folder, or rename it.")));
    }
    let mut dataset = open_path(source, &set.found()?, format, labels, cancelled)?;
    if let Some(names) = set.class_names() {
        dataset.name_classes(names);
    }
    Ok(dataset)
}

/// The names of all known data sets, for hints.
fn names() -> String {
    let names: Vec<String> =
        known_datasets().iter().map(|known| format!("'{}'", known.name)).collect();
    names.join(", ")
}

fn open_path(
    source: &str,
    path: &Path,
    format: Option<DataFormat>,
    labels: CifarLabels,
    cancelled: &dyn Fn() -> bool,
) -> Result<Dataset> {
    if !path.is_dir() {
        if let Some(shards) = Shards::from_path(source)? {
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
fn check_format(path: &Path, requested: Option<DataFormat>, found: DataFormat) -> Result<()> {
    match requested {
        Some(requested) if requested != found => Err(other_format(path, requested, found)),
        _ => Ok(()),
    }
}

fn other_format(path: &Path, requested: DataFormat, found: DataFormat) -> Error {
    let (requested, found) = (requested.as_str(), found.as_str());
    let message = format!("{} is not of the format '{requested}'", path.display());
    Error::new(ErrorCode::DataFormat, message)
        .key("data.format")
        .file(path)
        .hint(format!("It looks like '{found}'; remove `data.format`."))
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
    // Class folders beside an archive were unpacked from it.
    if layouts.is_empty() && (listing.folders.is_empty() || format == Some(DataFormat::Webdataset))
    {
        layouts.extend(Shards::find(&listing.files).map(Layout::Webdataset));
    }
    let found = match (format, layouts.as_slice()) {
        (None, [one, other, ..]) => {
            let (one, other) = (one.format(), other.format());
            let (one, other) = (one.as_str(), other.as_str());
            let message = format!("{} holds files of '{one}' and of '{other}'", folder.display());
            return Err(Error::new(ErrorCode::DataFormat, message)
                .key("data.format")
                .file(folder)
                .hint("Select one format with `data.format`."));
        }
        (_, [one, ..]) => one.format(),
        (_, []) => DataFormat::ImageFolder,
    };
    let requested = format.unwrap_or(found);
    let layout = layouts.into_iter().find(|layout| layout.format() == requested);
    match (requested, layout) {
        (_, Some(layout)) => layout.open(source, folder, labels, cancelled),
        (DataFormat::ImageFolder, None) if found == requested => {
            check_fine_labels(source, labels)?;
            folder::open(source, folder, listing, cancelled)
        }
        _ => Err(other_format(folder, requested, found)),
    }
}

/// The path of a sibling folder whose name is similar to a missing one.
fn nearest_name(folder: &Path) -> Option<String> {
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let entries = std::fs::read_dir(parent).ok()?.flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let name = nearest(folder.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(parent.join(name).display().to_string())
}

fn check_is_folder(source: &str, folder: &Path) -> Result<()> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let refuse = |code, message: String, hint: String| {
        Err(Error::new(code, message).key("data").file(&absolute).hint(hint))
    };
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => {
            let hint = match folder.extension().and_then(|extension| extension.to_str()) {
                Some("zip" | "gz" | "bz2" | "xz" | "7z" | "rar") => {
                    "Unpack it, and give the folder with the images or data files."
                }
                _ => "Give the folder that the file is in, or a list of images as .csv or .jsonl.",
            };
            let message = format!("{} is a file, not a folder", absolute.display());
            refuse(ErrorCode::DataNotFound, message, hint.into())
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let named = nearest(source, known_datasets().iter().map(|known| known.name));
            let named = named.filter(|name| *name != source).map(String::from);
            let hint = match named.or_else(|| nearest_name(folder)) {
                Some(meant) => format!("Did you mean '{meant}'?"),
                None => format!("Give an existing folder, or one of {}.", names()),
            };
            let message = format!("there is no folder {}", absolute.display());
            refuse(ErrorCode::DataNotFound, message, hint)
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

    fn refused(config: &DataConfig) -> Error {
        open(config, &|| false).err().expect("refused")
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

    /// A single test, because the directory is global to the process.
    #[test]
    fn downloaded_data_sets_are_found_by_name_with_class_names() {
        let store = tempfile::tempdir().unwrap();
        set_download_dir(store.path());
        let error = refused(&config("mnist"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert_eq!(error.hint.unwrap(), "Download it: `residual data download mnist`.");

        let folder = store.path().join("fashion-mnist");
        std::fs::create_dir(&folder).unwrap();
        // The files of the mini data set suffice: gzipped files are accepted by name.
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
        let error = refused(&config("fashion-mnist-mni"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert_eq!(error.hint.unwrap(), "Did you mean 'fashion-mnist-mini'?");
    }

    #[test]
    fn a_missing_folder_is_reported_with_its_absolute_path() {
        let error = refused(&config("./no/such/photos"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert!(Path::new(error.at.file.as_deref().unwrap()).is_absolute());
        assert_eq!(error.at.key.as_deref(), Some("data"));
    }

    #[test]
    fn suggests_the_nearest_sibling_folder() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::create_dir(parent.path().join("photos")).unwrap();
        std::fs::write(parent.path().join("phots"), "a file").unwrap();
        let place = |name: &str| parent.path().join(name).display().to_string();
        let error = refused(&config(&place("Photo")));
        assert_eq!(error.hint.unwrap(), format!("Did you mean '{}'?", place("photos")));
        let error = refused(&config(&place("pictures")));
        assert!(error.hint.unwrap().starts_with("Give an existing folder"));
    }

    #[test]
    fn an_archive_file_must_be_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("photos.zip");
        std::fs::write(&archive, b"PK").unwrap();
        let error = refused(&config(archive.to_str().unwrap()));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert!(error.hint.unwrap().starts_with("Unpack"));
    }

    #[test]
    fn refuses_a_format_that_the_files_do_not_have() {
        let folder = tempfile::tempdir().unwrap();
        let request = DataConfig {
            format: Some(Auto::Value(DataFormat::Idx)),
            ..config(folder.path().to_str().unwrap())
        };
        let error = refused(&request);
        assert_eq!(error.code, ErrorCode::DataFormat);
        assert_eq!(error.at.key.as_deref(), Some("data.format"));
        assert!(error.hint.unwrap().contains("'image-folder'"));
    }

    #[test]
    fn arrays_must_be_given_and_agree_with_the_configuration() {
        let error = refused(&config("arrays"));
        assert_eq!(error.code, ErrorCode::DataNotFound);
        assert!(error.hint.unwrap().contains("{ arrays }"));
        let part = crate::ArraySplit {
            images: vec![1, 2].into(),
            labels: vec![0, 1].into(),
            height: 1,
            width: 1,
            channels: 1,
        };
        let arrays = || Some(Arrays { train: part.clone(), val: None, test: None, classes: None });
        let with = |config: &DataConfig| open_with_arrays(config, arrays(), &|| false);
        assert!(with(&config("arrays")).is_ok() && with(&DataConfig::default()).is_ok());
        let error = with(&config("./photos")).err().unwrap();
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Config, Some("data")));
    }

    #[test]
    fn two_formats_in_a_folder_require_data_format() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data_batch_1.bin", "train-images-idx3-ubyte"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let source = config(folder.path().to_str().unwrap());
        assert_eq!(refused(&source).at.key.as_deref(), Some("data.format"));
        let request = DataConfig { format: Some(Auto::Value(DataFormat::CifarBinary)), ..source };
        assert!(refused(&request).message.contains("data_batch_1.bin"));
    }
}
