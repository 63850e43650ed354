//! Detects the data set formats that are files with fixed names in a folder.

use std::path::{Path, PathBuf};

use residual_spec::{CifarLabels, DataFormat, Result};

use super::cifar::{CifarFiles, no_coarse_labels};
use super::cifar_python::CifarPythonFiles;
use super::idx::IdxFiles;
use super::webdataset::Shards;
use crate::Dataset;

/// A detected format with its files.
pub(crate) enum Layout {
    Idx(IdxFiles),
    CifarBinary(CifarFiles),
    CifarPython(CifarPythonFiles),
    Webdataset(Shards),
}

/// Returns all formats whose files are in a folder: at most one in a well-formed folder, none in an
/// image folder.
pub(crate) fn find_layouts(files: &[PathBuf]) -> Result<Vec<Layout>> {
    let mut found = Vec::new();
    found.extend(IdxFiles::find(files)?.map(Layout::Idx));
    found.extend(CifarFiles::find(files).map(Layout::CifarBinary));
    found.extend(CifarPythonFiles::find(files).map(Layout::CifarPython));
    Ok(found)
}

impl Layout {
    pub fn format(&self) -> DataFormat {
        match self {
            Layout::Idx(_) => DataFormat::Idx,
            Layout::CifarBinary(_) => DataFormat::CifarBinary,
            Layout::CifarPython(_) => DataFormat::CifarPython,
            Layout::Webdataset(_) => DataFormat::Webdataset,
        }
    }

    pub fn open(
        self,
        source: &str,
        folder: &Path,
        labels: CifarLabels,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Dataset> {
        match self {
            Layout::Idx(files) => {
                check_fine_labels(source, labels)?;
                files.open(source, folder, cancelled)
            }
            Layout::CifarBinary(files) => files.open(source, folder, labels, cancelled),
            Layout::CifarPython(files) => files.open(source, labels, cancelled),
            Layout::Webdataset(shards) => {
                check_fine_labels(source, labels)?;
                shards.open(source, folder, cancelled)
            }
        }
    }
}

/// Checks the label set requested for a data set other than CIFAR-100.
///
/// # Errors
/// `E_CONFIG` for coarse labels, which only CIFAR-100 has.
pub(crate) fn check_fine_labels(source: &str, labels: CifarLabels) -> Result<()> {
    match labels {
        CifarLabels::Fine => Ok(()),
        CifarLabels::Coarse => Err(no_coarse_labels(source)),
    }
}

/// Returns whether a folder's files include the files of one of the formats above.
pub(crate) fn has_data_files(files: &[PathBuf]) -> bool {
    !matches!(find_layouts(files).as_deref(), Ok([])) || Shards::find(files).is_some()
}
