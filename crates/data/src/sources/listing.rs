//! Directory listings, and the check for cancellation while data is read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use residual_spec::{Error, ErrorCode, Result};

use super::ignored_entries::IgnoredEntries;

/// The visible entries of a directory, sorted by the bytes of their names.
pub(crate) struct Listing {
    pub files: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
    /// The files that are symbolic links to files.
    pub links: Vec<PathBuf>,
    /// The files that are symbolic links without a target.
    pub broken_links: Vec<PathBuf>,
    /// Files and folders that are never part of a data set.
    pub ignored: IgnoredEntries,
}

impl Listing {
    /// Reads a directory. Follows symbolic links. Skips hidden entries and special files, and
    /// collects ignored ones. Lists links without a target as files, so that they are reported: the
    /// images of git-annex and DVC are such links until they are downloaded.
    pub fn read(folder: &Path, cancelled: &dyn Fn() -> bool) -> Result<Listing> {
        let read_error = |cause| Error::read(folder, &cause).key("data");
        let ignored = IgnoredEntries::default();
        let mut listing = Listing {
            files: Vec::new(),
            folders: Vec::new(),
            links: Vec::new(),
            broken_links: Vec::new(),
            ignored,
        };
        for (count, entry) in std::fs::read_dir(folder).map_err(read_error)?.enumerate() {
            if count % 256 == 0 {
                check_cancelled(cancelled)?;
            }
            let entry = entry.map_err(read_error)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            let mut kind = entry.file_type().map_err(read_error)?;
            let is_link = kind.is_symlink();
            if is_link {
                match std::fs::metadata(&path) {
                    Ok(target) => kind = target.file_type(),
                    Err(_) => {
                        if !listing.ignored.add_file_if_ignored(&path) {
                            listing.broken_links.push(path.clone());
                            listing.files.push(path);
                        }
                        continue;
                    }
                }
            }
            if kind.is_dir() {
                if !listing.ignored.add_folder_if_ignored(&path) {
                    listing.folders.push(path);
                }
            } else if kind.is_file() && !listing.ignored.add_file_if_ignored(&path) {
                if is_link {
                    listing.links.push(path.clone());
                }
                listing.files.push(path);
            }
        }
        listing.files.sort_unstable();
        listing.folders.sort_unstable();
        listing.broken_links.sort_unstable();
        Ok(listing)
    }
}

/// Lists all files below a folder, sorted. Visits a folder once, even if several symbolic links
/// point to it. Adds ignored entries to `ignored`.
///
/// # Errors
/// `E_IO`; `E_ABORTED`.
pub(crate) fn list_files(
    folder: &Path,
    ignored: &mut IgnoredEntries,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut visited = HashSet::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(folder) = pending.pop() {
        let canonical = folder.canonicalize().map_err(|cause| Error::read(&folder, &cause))?;
        if visited.insert(canonical) {
            let listing = Listing::read(&folder, cancelled)?;
            files.extend(listing.files);
            pending.extend(listing.folders);
            ignored.extend(listing.ignored);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Returns whether a directory tree has more than `limit` files. Stops counting above the limit.
/// Skips folders that cannot be read.
pub fn has_more_files_than(folder: &Path, limit: usize, cancelled: &dyn Fn() -> bool) -> bool {
    let mut count = 0;
    let mut pending = vec![folder.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // Links are not followed, because they may be circular.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                _ => count += 1,
            }
            if count > limit || cancelled() {
                return count > limit;
            }
        }
    }
    false
}

/// Returns `E_ABORTED` if `cancelled` returns true.
pub(crate) fn check_cancelled(cancelled: &dyn Fn() -> bool) -> Result<()> {
    if !cancelled() {
        Ok(())
    } else {
        Err(Error::new(ErrorCode::Aborted, "cancelled while the data was being read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_files_stops_at_the_limit() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["a/b", "c"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["a/1", "a/b/2", "3"] {
            std::fs::write(root.path().join(file), b"").unwrap();
        }
        assert!(has_more_files_than(root.path(), 2, &|| false));
        assert!(!has_more_files_than(root.path(), 3, &|| false));
        assert!(!has_more_files_than(&root.path().join("none"), 0, &|| false));
        assert!(!has_more_files_than(root.path(), 2, &|| true));
    }
}
