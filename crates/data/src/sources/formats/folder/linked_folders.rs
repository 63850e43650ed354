//! Symbolic links in an image folder that lead to images a second time: from one class to another,
//! from one split to another, or back to the folder that contains the link.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use residual_spec::{Error, ErrorCode, Result, WarningEvent};

use crate::Split;
use crate::sources::ignored_entries::{IgnoredEntries, format_paths};
use crate::sources::listing::Listing;

/// Lists the files of class folders, and finds folders and files that are reached twice.
pub(super) struct LinkedFolders<'a> {
    root: &'a Path,
    /// Canonical path of `root`.
    real_root: PathBuf,
    /// The folders of each split by canonical path.
    visited: [HashMap<PathBuf, VisitedFolder>; 3],
    /// Links to a folder that contains them.
    cycles: Vec<PathBuf>,
    /// Symbolic links to files, with their split and class folder.
    file_links: Vec<(Split, PathBuf, PathBuf)>,
}

/// A folder within a class folder.
struct VisitedFolder {
    class: PathBuf,
    path: PathBuf,
}

impl<'a> LinkedFolders<'a> {
    pub fn new(root: &'a Path) -> Result<Self> {
        let real_root = canonicalize(root)?;
        let (visited, cycles, file_links) = Default::default();
        Ok(LinkedFolders { root, real_root, visited, cycles, file_links })
    }

    /// Lists all files below a class folder, sorted. Visits a folder once, and skips links to a
    /// folder that contains them. Returns `None` if the class folder is such a link. Adds ignored
    /// entries to `ignored`.
    ///
    /// # Errors
    /// `E_DATA_UNUSABLE` for a folder that belongs to another class of the split too; `E_IO`;
    /// `E_ABORTED`.
    pub fn list_files(
        &mut self,
        split: Split,
        class: &Path,
        ignored: &mut IgnoredEntries,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<PathBuf>>> {
        let real_class = canonicalize(class)?;
        if self.real_root.starts_with(&real_class) {
            self.cycles.push(class.into());
            return Ok(None);
        }
        let (mut files, mut visited) = (Vec::new(), HashSet::new());
        let mut pending = vec![class.to_path_buf()];
        while let Some(folder) = pending.pop() {
            let real = canonicalize(&folder)?;
            let contains_class = real != real_class && real_class.starts_with(&real);
            if contains_class || self.real_root.starts_with(&real) {
                self.cycles.push(folder);
                continue;
            }
            if !visited.insert(real.clone()) {
                continue;
            }
            let listing = Listing::read(&folder, cancelled)?;
            files.extend(listing.files);
            pending.extend(listing.folders);
            ignored.extend(listing.ignored);
            let links = listing.links.into_iter();
            self.file_links.extend(links.map(|link| (split, class.to_path_buf(), link)));
            let visited_folder = VisitedFolder { class: class.into(), path: folder };
            self.add_folder(split, visited_folder, real)?;
        }
        files.sort_unstable();
        Ok(Some(files))
    }

    /// Adds a folder, whose canonical path is `real`.
    ///
    /// # Errors
    /// `E_DATA_UNUSABLE` if the folder belongs to another class of the split.
    fn add_folder(&mut self, split: Split, folder: VisitedFolder, real: PathBuf) -> Result<()> {
        let Some(other) = self.visited[split as usize].get(&real) else {
            self.visited[split as usize].insert(real, folder);
            return Ok(());
        };
        let message = format!(
            "{} and {} lead to the same folder {}: its images would belong to both classes",
            other.path.display(),
            folder.path.display(),
            real.display()
        );
        Err(Error::new(ErrorCode::DataUnusable, message)
            .key("data")
            .file(&folder.path)
            .hint("Remove the symbolic link from one of the two classes."))
    }

    /// Returns the warnings about links that were skipped, and about folders and files that belong
    /// to several splits or classes.
    pub fn warnings(&self) -> Vec<WarningEvent> {
        let warning = |message: String, hint: &str| WarningEvent {
            code: ErrorCode::DataUnusable,
            message,
            file: None,
            hint: Some(hint.into()),
        };
        let cycles = (!self.cycles.is_empty()).then(|| {
            let links = format_paths(self.root, &self.cycles);
            warning(
                format!("skipped symbolic links to folders that contain them: {links}"),
                "Remove the links: their images would belong to several classes.",
            )
        });
        let shared = [Split::Val, Split::Test].into_iter().filter_map(|split| {
            let folders = self.shared_folders(split);
            let (name, paths) = (split.as_str(), format_paths(self.root, &folders));
            (!folders.is_empty()).then(|| {
                warning(
                    format!(
                        "the {name} split has folders of another split, through symbolic links: \
                         {paths}"
                    ),
                    "The accuracy on this split is too high, because the network is trained on its \
                     images. Use other images.",
                )
            })
        });
        let (count, example) = self.shared_files();
        let files = example.map(|example| {
            let example = format_paths(self.root, &example);
            warning(
                format!(
                    "symbolic links lead to images of other classes ({count}), for example: \
                     {example}"
                ),
                "Remove the links, unless these images belong to several classes.",
            )
        });
        cycles.into_iter().chain(shared).chain(files).collect()
    }

    /// Returns the folders of a split that the training split has too, or of the test split that
    /// the validation split has.
    fn shared_folders(&self, split: Split) -> Vec<PathBuf> {
        let earlier = &self.visited[..split as usize];
        let is_shared = |real: &PathBuf| earlier.iter().any(|visited| visited.contains_key(real));
        let visited = self.visited[split as usize].iter();
        let shared = visited.filter(|(real, _)| is_shared(real));
        let mut folders: Vec<PathBuf> = shared.map(|(_, folder)| folder.path.clone()).collect();
        folders.sort_unstable();
        folders
    }

    /// Returns the number of links to files that belong to another class of their split, with the
    /// first link and the other file.
    fn shared_files(&self) -> (usize, Option<[PathBuf; 2]>) {
        let (mut count, mut example) = (0, None);
        let mut targets: HashMap<(usize, PathBuf), (&Path, &Path)> = HashMap::new();
        for (split, class, link) in &self.file_links {
            let Ok(target) = link.canonicalize() else { continue };
            let folder = target.parent().and_then(|real| self.visited[*split as usize].get(real));
            let other = match folder {
                Some(folder) => {
                    Some((&*folder.class, folder.path.join(target.file_name().unwrap_or_default())))
                }
                None => {
                    let first = targets.entry((*split as usize, target)).or_insert((class, link));
                    Some((first.0, first.1.to_path_buf()))
                }
            };
            if let Some((_, other)) = other.filter(|(other, _)| *other != class.as_path()) {
                count += 1;
                example.get_or_insert([link.clone(), other]);
            }
        }
        (count, example)
    }
}

fn canonicalize(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().map_err(|cause| Error::read(folder, &cause).key("data"))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::tests::{counts, create_two_classes, messages, open, read_fixture};

    #[test]
    fn refuses_classes_that_are_links_to_one_another() {
        let png = read_fixture("picture.png");
        for (target, link) in [("bee", "cat"), ("bee", "ant/more"), ("bee", "cat/deep/link")] {
            let root = create_two_classes(&["."], &png);
            let link = root.path().join(link);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(root.path().join(target), &link).unwrap();
            let error = open(root.path()).err().unwrap();
            assert!(error.message.contains("would belong to both classes"), "{error}");
            assert!(error.message.contains(&link.display().to_string()), "{error}");
            assert!(error.message.contains("bee"), "{error}");
        }
    }

    #[test]
    fn warns_of_links_to_images_of_other_classes() {
        let png = read_fixture("picture.png");
        let store = create_two_classes(&["."], &png);
        for (links, count) in [
            (&[("ant/x.png", "../bee/1.png")][..], 1),
            (&[("ant/x.png", "../ant/1.png")], 0),
            (&[("ant/x.png", "STORE/ant/1.png"), ("bee/y.png", "STORE/ant/1.png")], 1),
            (&[("ant/x.png", "STORE/ant/1.png"), ("bee/y.png", "STORE/bee/1.png")], 0),
        ] {
            let root = create_two_classes(&["."], &png);
            for (link, target) in links {
                let target = target.replace("STORE", store.path().to_str().unwrap());
                symlink(target, root.path().join(link)).unwrap();
            }
            let set = open(root.path()).unwrap();
            let texts = messages(&set);
            assert_eq!(texts.len(), count, "{links:?}: {texts:?}");
            let start = "symbolic links lead to images of other classes (1), for example: ";
            assert!(texts.iter().all(|text| text.starts_with(start)), "{texts:?}");
        }
    }

    #[test]
    fn skips_links_to_a_folder_that_contains_them() {
        let png = read_fixture("picture.png");
        let root = create_two_classes(&["."], &png);
        let path = |name: &str| root.path().join(name);
        symlink(root.path(), path("ant/circle")).unwrap();
        symlink(".", path("all")).unwrap();
        symlink(path("ant"), path("ant/again")).unwrap();
        symlink("itself", path("ant/itself")).unwrap();
        symlink("nowhere", path("bee/gone.png")).unwrap();
        let set = open(root.path()).unwrap();
        assert_eq!((set.facts().classes.join(" "), counts(&set)), ("ant bee".into(), [2, 0, 0]));
        let texts = messages(&set);
        let expected = "skipped symbolic links to folders that contain them: all, ant/circle";
        assert!(texts.contains(&expected), "{texts:?}");
        assert!(!texts.iter().any(|text| text.contains("all has no images")), "{texts:?}");
    }

    #[test]
    fn reads_links_to_folders_elsewhere() {
        let png = read_fixture("picture.png");
        let (store, root) = (create_two_classes(&["."], &png), tempfile::tempdir().unwrap());
        for class in ["ant", "bee"] {
            symlink(store.path().join(class), root.path().join(class)).unwrap();
        }
        let set = open(root.path()).unwrap();
        assert_eq!((counts(&set), messages(&set)), ([2, 0, 0], vec![]));
    }

    #[test]
    fn warns_of_splits_that_share_folders() {
        let png = read_fixture("picture.png");
        for split in ["val", "test"] {
            let root = create_two_classes(&["train"], &png);
            symlink("train", root.path().join(split)).unwrap();
            let set = open(root.path()).unwrap();
            assert_eq!(counts(&set).iter().sum::<u32>(), 4);
            let texts = messages(&set);
            assert_eq!(texts.len(), 1, "{texts:?}");
            let start = format!("the {split} split has folders of another split");
            assert!(texts[0].starts_with(&start), "{texts:?}");
            assert!(texts[0].ends_with(&format!("{split}/ant, {split}/bee")), "{texts:?}");
        }
    }
}
