//! The registry of named data sets: their properties, download URLs and folders. `src/download`
//! uses the URLs of this table.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use residual_spec::{CifarLabels, DataConfig, DatasetInfo, Error, ErrorCode, Result};
use serde::Serialize;

/// Number of coarse classes of CIFAR-100.
const COARSE_CLASSES: u32 = 20;

/// A data set that can be opened by its name.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownDataset {
    pub name: &'static str,
    /// The name as its authors write it.
    pub title: &'static str,
    pub description: &'static str,
    pub classes: u32,
    /// Training images.
    pub train: u32,
    /// Test images.
    pub test: u32,
    pub channels: u32,
    /// Height and width.
    pub image_size: u32,
    pub license: &'static str,
    /// The page of the authors.
    pub homepage: &'static str,
    /// The published files; empty for a data set bundled with residual.
    pub downloads: &'static [Download],
    /// Files that the folder of the data set must contain.
    pub files: &'static [DataFile],
    /// Class names in the order of labels; empty if the files contain them, or for digits.
    #[serde(skip)]
    class_names: &'static [&'static str],
    /// The directory into which a package of a Linux distribution installs the data set.
    #[serde(skip)]
    system_dir: Option<&'static str>,
}

/// A published file.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    pub file: &'static str,
    pub bytes: u64,
    pub sha256: &'static str,
    /// URLs of the directories that contain the file, in order of preference.
    pub from: &'static [&'static str],
    /// The directory of the tar archive to unpack; `None` to store the file without unpacking.
    pub unpack: Option<&'static str>,
}

/// A file of an unpacked data set.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataFile {
    /// The file name without `.gz`; the file may also be gzipped.
    pub file: &'static str,
    /// Size of the unpacked file.
    pub bytes: u64,
    /// Checksum of the unpacked file, because gzip output differs between compressors.
    pub sha256: &'static str,
}

impl KnownDataset {
    /// Returns whether the data set is bundled with residual.
    fn is_bundled(&self) -> bool {
        self.downloads.is_empty()
    }

    /// Returns whether a folder contains all files, by name and size (gzipped files by name). The
    /// download and `data verify` check the content; reading a gzipped file checks its checksum.
    fn is_complete_in(&self, folder: &Path) -> bool {
        self.files.iter().all(|file| {
            let length = |name: &str| std::fs::metadata(folder.join(name)).ok().map(|m| m.len());
            length(file.file) == Some(file.bytes)
                || length(&format!("{}.gz", file.file)).is_some_and(|length| length > 0)
        })
    }

    /// Returns the folder into which the data set is downloaded: in `RESIDUAL_DATA` if set,
    /// otherwise in the directory of [`set_download_dir`].
    pub fn download_folder(&self) -> Option<PathBuf> {
        data_dir_of_env().or_else(|| lock(&DOWNLOAD_DIR).clone()).map(|root| root.join(self.name))
    }

    /// Returns the folder that contains all files: downloaded, bundled, or installed by a package
    /// of the system.
    pub fn folder(&self) -> Option<PathBuf> {
        let bundled_dir = lock(&BUNDLED_DIR).clone().filter(|_| self.is_bundled());
        let folders = [
            self.download_folder(),
            bundled_dir.map(|root| root.join(self.name)),
            self.system_dir.map(PathBuf::from),
        ];
        folders.into_iter().flatten().find(|folder| self.is_complete_in(folder))
    }

    /// Returns the folder that contains all files, as [`folder`](Self::folder).
    ///
    /// # Errors
    /// `E_DATA_NOT_FOUND` if there is none, with a hint about the download.
    pub(crate) fn require_folder(&self) -> Result<PathBuf> {
        self.folder().ok_or_else(|| {
            let message = match self.download_folder() {
                Some(folder) => format!("'{}' is not in {}", self.name, folder.display()),
                None => format!("the folder of '{}' is unknown", self.name),
            };
            let hint = if self.is_bundled() {
                "Set RESIDUAL_DATA to the `data` folder of the residual package.".into()
            } else {
                format!("Download it: `residual data download {}`.", self.name)
            };
            Error::new(ErrorCode::DataNotFound, message).key("data").hint(hint)
        })
    }

    /// Returns the properties of the published files, which allow checks of `config` before the
    /// download.
    pub fn published_facts(&self, config: &DataConfig) -> DatasetInfo {
        let num_classes = match config.labels {
            Some(CifarLabels::Coarse) => COARSE_CLASSES.min(self.classes),
            Some(CifarLabels::Fine) | None => self.classes,
        };
        let classes = (0..num_classes).map(|class| class.to_string()).collect();
        DatasetInfo {
            source: self.name.into(),
            train: self.train,
            test: self.test,
            fingerprint: config.fingerprint.clone().unwrap_or_default(),
            ..DatasetInfo::unknown(classes, self.channels, Some([self.image_size; 2]))
        }
    }

    /// Returns the class names that the files of the data set do not contain.
    pub(crate) fn class_names(&self) -> Option<Vec<String>> {
        let names = self.class_names.iter().map(|name| name.to_string()).collect();
        Some(names).filter(|_| !self.class_names.is_empty())
    }
}

static BUNDLED_DIR: Mutex<Option<PathBuf>> = Mutex::new(None);
static DOWNLOAD_DIR: Mutex<Option<PathBuf>> = Mutex::new(None);

fn lock(dir: &Mutex<Option<PathBuf>>) -> std::sync::MutexGuard<'_, Option<PathBuf>> {
    dir.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the directory of the bundled data sets. The environment variable `RESIDUAL_DATA` takes
/// precedence.
pub fn set_bundled_dir(folder: impl Into<PathBuf>) {
    *lock(&BUNDLED_DIR) = Some(folder.into());
}

/// Sets the directory of downloaded data sets, each in a folder named after it. The environment
/// variable `RESIDUAL_DATA` takes precedence.
pub fn set_download_dir(folder: impl Into<PathBuf>) {
    *lock(&DOWNLOAD_DIR) = Some(folder.into());
}

fn data_dir_of_env() -> Option<PathBuf> {
    std::env::var_os("RESIDUAL_DATA").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Returns all named data sets.
pub fn known_datasets() -> &'static [KnownDataset] {
    &KNOWN
}

/// Returns the data set with this name.
pub fn find_known_dataset(name: &str) -> Option<&'static KnownDataset> {
    KNOWN.iter().find(|known| known.name == name)
}

const FASHION_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// The author's page at the University of Toronto: the published address and its new host.
const TORONTO: &[&str] =
    &["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"];
/// Mirrors that torchvision and TensorFlow use, because the authors' page (yann.lecun.com) no
/// longer serves the files.
const MNIST_MIRRORS: &[&str] = &[
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];
const ZALANDO: &[&str] = &[
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
];

/// The authors publish MD5 checksums (CIFAR, Fashion-MNIST) or none (MNIST). The SHA-256 checksums
/// of the downloads are from other libraries (for example MLDatasets.jl and GoMLX for CIFAR). The
/// checksums of the unpacked files are from torchvision-ruby for CIFAR, and computed from Debian's
/// package for Fashion-MNIST.
const KNOWN: [KnownDataset; 5] = [
    KnownDataset {
        name: "cifar10",
        title: "CIFAR-10",
        description: "photographs of animals and vehicles",
        classes: 10,
        train: 50_000,
        test: 10_000,
        channels: 3,
        image_size: 32,
        license: "none stated; cite Krizhevsky 2009",
        homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
        downloads: &[Download {
            file: "cifar-10-binary.tar.gz",
            bytes: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            from: TORONTO,
            unpack: Some("cifar-10-batches-bin"),
        }],
        files: &[
            DataFile {
                file: "data_batch_1.bin",
                bytes: 30_730_000,
                sha256: "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            },
            DataFile {
                file: "data_batch_2.bin",
                bytes: 30_730_000,
                sha256: "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            },
            DataFile {
                file: "data_batch_3.bin",
                bytes: 30_730_000,
                sha256: "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            },
            DataFile {
                file: "data_batch_4.bin",
                bytes: 30_730_000,
                sha256: "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            },
            DataFile {
                file: "data_batch_5.bin",
                bytes: 30_730_000,
                sha256: "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            },
            DataFile {
                file: "test_batch.bin",
                bytes: 30_730_000,
                sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            },
        ],
        class_names: &[],
        system_dir: None,
    },
    KnownDataset {
        name: "cifar100",
        title: "CIFAR-100",
        description: "photographs of 100 things in 20 groups",
        classes: 100,
        train: 50_000,
        test: 10_000,
        channels: 3,
        image_size: 32,
        license: "none stated; cite Krizhevsky 2009",
        homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
        downloads: &[Download {
            file: "cifar-100-binary.tar.gz",
            bytes: 168_513_733,
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            from: TORONTO,
            unpack: Some("cifar-100-binary"),
        }],
        files: &[
            DataFile {
                file: "train.bin",
                bytes: 153_700_000,
                sha256: "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
            },
            DataFile {
                file: "test.bin",
                bytes: 30_740_000,
                sha256: "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
            },
        ],
        class_names: &[],
        system_dir: None,
    },
    KnownDataset {
        name: "mnist",
        title: "MNIST",
        description: "handwritten digits",
        classes: 10,
        train: 60_000,
        test: 10_000,
        channels: 1,
        image_size: 28,
        license: "CC BY-SA 3.0",
        homepage: "http://yann.lecun.com/exdb/mnist/",
        downloads: &[
            Download {
                file: "train-images-idx3-ubyte.gz",
                bytes: 9_912_422,
                sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                from: MNIST_MIRRORS,
                unpack: None,
            },
            Download {
                file: "train-labels-idx1-ubyte.gz",
                bytes: 28_881,
                sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                from: MNIST_MIRRORS,
                unpack: None,
            },
            Download {
                file: "t10k-images-idx3-ubyte.gz",
                bytes: 1_648_877,
                sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                from: MNIST_MIRRORS,
                unpack: None,
            },
            Download {
                file: "t10k-labels-idx1-ubyte.gz",
                bytes: 4_542,
                sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                from: MNIST_MIRRORS,
                unpack: None,
            },
        ],
        files: &[
            DataFile {
                file: "train-images-idx3-ubyte",
                bytes: 47_040_016,
                sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            },
            DataFile {
                file: "train-labels-idx1-ubyte",
                bytes: 60_008,
                sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            },
            DataFile {
                file: "t10k-images-idx3-ubyte",
                bytes: 7_840_016,
                sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            },
            DataFile {
                file: "t10k-labels-idx1-ubyte",
                bytes: 10_008,
                sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            },
        ],
        class_names: &[],
        system_dir: None,
    },
    KnownDataset {
        name: "fashion-mnist",
        title: "Fashion-MNIST",
        description: "clothing",
        classes: 10,
        train: 60_000,
        test: 10_000,
        channels: 1,
        image_size: 28,
        license: "MIT",
        homepage: "https://github.com/zalandoresearch/fashion-mnist",
        downloads: &[
            Download {
                file: "train-images-idx3-ubyte.gz",
                bytes: 26_421_880,
                sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                from: ZALANDO,
                unpack: None,
            },
            Download {
                file: "train-labels-idx1-ubyte.gz",
                bytes: 29_515,
                sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                from: ZALANDO,
                unpack: None,
            },
            Download {
                file: "t10k-images-idx3-ubyte.gz",
                bytes: 4_422_102,
                sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                from: ZALANDO,
                unpack: None,
            },
            Download {
                file: "t10k-labels-idx1-ubyte.gz",
                bytes: 5_148,
                sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                from: ZALANDO,
                unpack: None,
            },
        ],
        files: &[
            DataFile {
                file: "train-images-idx3-ubyte",
                bytes: 47_040_016,
                sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            },
            DataFile {
                file: "train-labels-idx1-ubyte",
                bytes: 60_008,
                sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            },
            DataFile {
                file: "t10k-images-idx3-ubyte",
                bytes: 7_840_016,
                sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            },
            DataFile {
                file: "t10k-labels-idx1-ubyte",
                bytes: 10_008,
                sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            },
        ],
        class_names: &FASHION_CLASSES,
        // The package `dataset-fashion-mnist` of Debian.
        system_dir: Some("/usr/share/datasets/fashion-mnist"),
    },
    KnownDataset {
        name: "fashion-mnist-mini",
        title: "Fashion-MNIST mini",
        description: "clothing, a subset of Fashion-MNIST that comes with residual",
        classes: 10,
        train: 12_000,
        test: 2_000,
        channels: 1,
        image_size: 28,
        license: "MIT",
        homepage: "https://github.com/zalandoresearch/fashion-mnist",
        downloads: &[],
        files: &[
            DataFile {
                file: "train-images-idx3-ubyte",
                bytes: 9_408_016,
                sha256: "6e27947f3f18cee8b416ffce2b315a0e28900e9088fdfddf8ddf946c02050737",
            },
            DataFile {
                file: "train-labels-idx1-ubyte",
                bytes: 12_008,
                sha256: "9c66e87c71e7035e706ef3b9c2beaa0b10c9f062380b53d440539ae3819c6573",
            },
            DataFile {
                file: "t10k-images-idx3-ubyte",
                bytes: 1_568_016,
                sha256: "49f24a23fba213c168d9f91351f0542da86f05e96c589abf2736eaf908f21f31",
            },
            DataFile {
                file: "t10k-labels-idx1-ubyte",
                bytes: 2_008,
                sha256: "0293625855a756776b2b7b8f8bf527b416716abc95ab0a114a29c0e554ab1e1b",
            },
        ],
        class_names: &FASHION_CLASSES,
        system_dir: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_consistent() {
        let is_hash = |hash: &str| {
            hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        for set in known_datasets() {
            assert!(!set.files.is_empty());
            assert!(set.files.iter().all(|file| is_hash(file.sha256)), "{}", set.name);
            for download in set.downloads {
                assert!(is_hash(download.sha256), "{}", set.name);
                assert!(download.from.len() >= 2, "{} has no mirror", set.name);
                assert!(download.from.iter().all(|base| base.ends_with('/')));
                // A download that is not unpacked is a file of the data set.
                let name = download.file.trim_end_matches(".gz");
                let is_data_file = set.files.iter().any(|file| file.file == name);
                assert_eq!(is_data_file, download.unpack.is_none(), "{}", download.file);
            }
            let bytes: u64 = set.files.iter().map(|file| file.bytes).sum();
            let image_bytes = u64::from(set.channels * set.image_size * set.image_size);
            assert!(bytes > u64::from(set.train + set.test) * image_bytes, "{}", set.name);
        }
    }

    #[test]
    fn the_facts_of_a_data_set_are_known_before_its_download() {
        let facts = |name: &str, labels: CifarLabels| {
            let config = DataConfig { labels: Some(labels), ..DataConfig::default() };
            find_known_dataset(name).unwrap().published_facts(&config)
        };
        let cifar = facts("cifar100", CifarLabels::Fine);
        assert_eq!((cifar.classes.len(), cifar.train, cifar.test), (100, 50_000, 10_000));
        assert_eq!((cifar.channels, cifar.image_size), (3, Some([32, 32])));
        assert_eq!(facts("cifar100", CifarLabels::Coarse).classes.len(), 20);
        assert_eq!(facts("mnist", CifarLabels::Fine).classes.len(), 10);
    }

    #[test]
    fn a_folder_is_complete_if_all_files_have_their_size() {
        let folder = tempfile::tempdir().unwrap();
        let set = find_known_dataset("fashion-mnist-mini").unwrap();
        let write = |name: &str, length: usize| {
            std::fs::write(folder.path().join(name), vec![0; length]).unwrap();
        };
        for file in &set.files[1..] {
            write(file.file, file.bytes as usize);
        }
        assert!(!set.is_complete_in(folder.path()));
        write("train-images-idx3-ubyte", 9_408_015);
        assert!(!set.is_complete_in(folder.path()));
        write("train-images-idx3-ubyte", 9_408_016);
        assert!(set.is_complete_in(folder.path()));
        std::fs::remove_file(folder.path().join("train-images-idx3-ubyte")).unwrap();
        write("train-images-idx3-ubyte.gz", 100);
        assert!(set.is_complete_in(folder.path()));
    }
}
