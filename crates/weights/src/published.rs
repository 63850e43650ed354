//! The weights that torchvision publishes: trained on ImageNet's 1,000 classes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use residual_spec::{Error, ErrorCode, Result};

use crate::sha256;

/// A published file. Its name ends in the first digits of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub arch: &'static str,
    pub file: &'static str,
}

/// `IMAGENET1K_V1` of each: trained by the recipes of the papers, evaluated at 256 -> 224.
/// (torchvision 0.26, `torchvision/models/{resnet,vgg}.py`)
const PUBLISHED: [Published; 18] = [
    Published { arch: "resnet18", file: "resnet18-f37072fd.pth" },
    Published { arch: "resnet34", file: "resnet34-b627a593.pth" },
    Published { arch: "resnet50", file: "resnet50-0676ba61.pth" },
    Published { arch: "resnet101", file: "resnet101-63fe2227.pth" },
    Published { arch: "resnet152", file: "resnet152-394f9c45.pth" },
    Published { arch: "resnext50_32x4d", file: "resnext50_32x4d-7cdf4587.pth" },
    Published { arch: "resnext101_32x8d", file: "resnext101_32x8d-8ba56ff5.pth" },
    Published { arch: "resnext101_64x4d", file: "resnext101_64x4d-173b62eb.pth" },
    Published { arch: "wide_resnet50_2", file: "wide_resnet50_2-95faca4d.pth" },
    Published { arch: "wide_resnet101_2", file: "wide_resnet101_2-32ee1156.pth" },
    Published { arch: "vgg11", file: "vgg11-8a719046.pth" },
    Published { arch: "vgg13", file: "vgg13-19584684.pth" },
    Published { arch: "vgg16", file: "vgg16-397923af.pth" },
    Published { arch: "vgg19", file: "vgg19-dcbb9e9d.pth" },
    Published { arch: "vgg11_bn", file: "vgg11_bn-6002323d.pth" },
    Published { arch: "vgg13_bn", file: "vgg13_bn-abd245e5.pth" },
    Published { arch: "vgg16_bn", file: "vgg16_bn-6c64b313.pth" },
    Published { arch: "vgg19_bn", file: "vgg19_bn-c79401a0.pth" },
];

/// The folder that they are published in.
const FROM: &str = "https://download.pytorch.org/models/";

/// The word that asks for them, in `model.weights`.
pub const IMAGENET: &str = "imagenet";

static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Says in which folder published weights are kept. Nothing here fetches them.
pub fn set_published_folder(folder: impl Into<PathBuf>) {
    *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.into());
}

impl Published {
    /// The file for an architecture; for ResNet-18 if none is said.
    ///
    /// # Errors
    /// `E_CONFIG` if none is published.
    pub fn of(arch: Option<&str>) -> Result<Published> {
        let arch = arch.unwrap_or("resnet18");
        PUBLISHED.iter().find(|published| published.arch == arch).copied().ok_or_else(|| {
            let known: Vec<_> = PUBLISHED.iter().map(|published| published.arch).collect();
            let message = format!("nobody published ImageNet weights for '{arch}'");
            Error::new(ErrorCode::Config, message)
                .key("model.weights")
                .hint(format!("There are some for {}.", known.join(", ")))
        })
    }

    /// The address of the folder that it is published in.
    pub fn from(&self) -> &'static str {
        FROM
    }

    pub fn url(&self) -> String {
        format!("{FROM}{}", self.file)
    }

    /// The first eight digits of its SHA-256.
    pub fn hash(&self) -> &'static str {
        let stem = self.file.trim_end_matches(".pth");
        &stem[stem.len() - 8..]
    }

    /// Where it is kept, if it is there and whole.
    ///
    /// # Errors
    /// `E_CHECKPOINT`, saying where to put it and from where.
    pub fn find(&self) -> Result<PathBuf> {
        let folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.find_in(&folder.unwrap_or_else(|| PathBuf::from(".")))
    }

    fn find_in(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(self.file);
        let refuse = |what: String| {
            Error::new(ErrorCode::Checkpoint, what).key("model.weights").file(&path).hint(format!(
                "Fetch {} and put it there: {}",
                self.url(),
                path.display()
            ))
        };
        if !path.is_file() {
            return Err(refuse(format!("torchvision's weights for {} are not here", self.arch)));
        }
        match sha256(&path)? {
            hash if hash.starts_with(self.hash()) => Ok(path),
            hash => Err(refuse(format!(
                "{} is not the file that torchvision published: its SHA-256 begins with {}",
                path.display(),
                &hash[..8],
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_file_is_known_by_its_name() {
        for published in PUBLISHED {
            assert!(published.file.starts_with(&format!("{}-", published.arch)));
            assert!(published.hash().bytes().all(|digit| digit.is_ascii_hexdigit()));
            assert_eq!(Published::of(Some(published.arch)).unwrap(), published);
        }
        let resnet18 = Published::of(None).unwrap();
        assert_eq!(resnet18.url(), "https://download.pytorch.org/models/resnet18-f37072fd.pth");
        assert_eq!(Published::of(Some("resnet20")).unwrap_err().code, ErrorCode::Config);
    }

    #[test]
    fn a_file_that_is_not_there_or_another_says_where_to_put_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        // The SHA-256 of 'abc' begins so.
        let published = Published { arch: "x", file: "x-ba7816bf.pth" };
        let path = folder.path().join(published.file);
        let missing = published.find_in(folder.path()).unwrap_err();
        std::fs::write(&path, "abcd").unwrap();
        let other = published.find_in(folder.path()).unwrap_err();
        for error in [missing, other] {
            assert_eq!(error.code, ErrorCode::Checkpoint);
            let hint = error.hint.unwrap();
            assert!(hint.contains(&published.url()) && hint.contains(path.to_str().unwrap()));
        }
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(published.find_in(folder.path()).unwrap(), path);
    }
}
