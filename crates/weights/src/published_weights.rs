//! The ImageNet weights that torchvision publishes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use residual_spec::{
    Auto, DatasetInfo, Error, ErrorCode, PRETRAINED_ARCH, Result, TrainConfig, WarningEvent,
    check_pretrained_default,
};

use crate::sha256;

/// A published weight file. Its name ends with the first eight digits of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedWeights {
    pub arch: &'static str,
    pub file: &'static str,
    /// File size that torchvision documents.
    mebibytes: f64,
}

const fn published(arch: &'static str, file: &'static str, mebibytes: f64) -> PublishedWeights {
    PublishedWeights { arch, file, mebibytes }
}

/// `IMAGENET1K_V1` weights: trained with the recipes of the papers, evaluated with resize 256 and
/// crop 224. Source: torchvision 0.26, `torchvision/models/{resnet,vgg}.py`.
const PUBLISHED: [PublishedWeights; 18] = [
    published("resnet18", "resnet18-f37072fd.pth", 44.661),
    published("resnet34", "resnet34-b627a593.pth", 83.275),
    published("resnet50", "resnet50-0676ba61.pth", 97.781),
    published("resnet101", "resnet101-63fe2227.pth", 170.511),
    published("resnet152", "resnet152-394f9c45.pth", 230.434),
    published("resnext50_32x4d", "resnext50_32x4d-7cdf4587.pth", 95.789),
    published("resnext101_32x8d", "resnext101_32x8d-8ba56ff5.pth", 339.586),
    published("resnext101_64x4d", "resnext101_64x4d-173b62eb.pth", 319.318),
    published("wide_resnet50_2", "wide_resnet50_2-95faca4d.pth", 131.82),
    published("wide_resnet101_2", "wide_resnet101_2-32ee1156.pth", 242.896),
    published("vgg11", "vgg11-8a719046.pth", 506.84),
    published("vgg13", "vgg13-19584684.pth", 507.545),
    published("vgg16", "vgg16-397923af.pth", 527.796),
    published("vgg19", "vgg19-dcbb9e9d.pth", 548.051),
    published("vgg11_bn", "vgg11_bn-6002323d.pth", 506.881),
    published("vgg13_bn", "vgg13_bn-abd245e5.pth", 507.59),
    published("vgg16_bn", "vgg16_bn-6c64b313.pth", 527.866),
    published("vgg19_bn", "vgg19_bn-c79401a0.pth", 548.143),
];

/// URL of the folder that contains the files.
const BASE_URL: &str = "https://download.pytorch.org/models/";

/// Value of `model.weights` that selects the published weights.
pub const IMAGENET: &str = "imagenet";

/// Maximum size in bytes of a file that is downloaded without `model.weights=imagenet`.
const MAX_AUTO_DOWNLOAD: f64 = 256e6;

/// Folder of downloaded weights.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);
/// File name and reason of the last failed download.
static DOWNLOAD_FAILURE: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Sets the folder of downloaded weights. This crate never downloads.
pub fn set_weights_folder(folder: impl Into<PathBuf>) {
    *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.into());
}

/// Records why the download of a published file failed. The next [`missing_warning`] of the file
/// includes the reason.
///
/// [`missing_warning`]: PublishedWeights::missing_warning
pub fn record_download_failure(file: impl Into<String>, reason: impl Into<String>) {
    let failure = (file.into(), reason.into());
    *DOWNLOAD_FAILURE.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
}

fn folder() -> PathBuf {
    let folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    folder.unwrap_or_else(|| PathBuf::from("."))
}

impl PublishedWeights {
    /// Returns the initial weights of a run whose configuration does not set `model.weights`.
    ///
    /// # Errors
    /// The reason for starting from scratch.
    pub fn default_for(
        config: &TrainConfig,
        facts: &DatasetInfo,
    ) -> Result<PublishedWeights, String> {
        check_pretrained_default(config, facts)?;
        let model = config.model();
        let arch = model.arch.as_ref().and_then(Auto::value).map(String::as_str);
        PublishedWeights::for_arch(arch)
            .map_err(|_| format!("there are no ImageNet weights for {}", arch.unwrap_or_default()))
    }

    /// Returns the file of an architecture, by default of [`PRETRAINED_ARCH`].
    ///
    /// # Errors
    /// `E_CONFIG` if torchvision publishes no weights for the architecture.
    pub fn for_arch(arch: Option<&str>) -> Result<PublishedWeights> {
        let arch = arch.unwrap_or(PRETRAINED_ARCH);
        PUBLISHED.iter().find(|published| published.arch == arch).copied().ok_or_else(|| {
            let known: Vec<_> = PUBLISHED.iter().map(|published| published.arch).collect();
            let message = format!("there are no ImageNet weights for '{arch}'");
            Error::new(ErrorCode::Config, message)
                .key("model.weights")
                .hint(format!("Available for: {}.", known.join(", ")))
        })
    }

    /// Returns the URL of the folder that contains the file.
    pub fn base_url(&self) -> &'static str {
        BASE_URL
    }

    /// Returns the URL of the file.
    pub fn url(&self) -> String {
        format!("{BASE_URL}{}", self.file)
    }

    /// Returns the file size in bytes, to within 1 kB.
    pub fn bytes(&self) -> f64 {
        self.mebibytes * 1024.0 * 1024.0
    }

    /// Returns whether the file is small enough to be downloaded without `model.weights=imagenet`.
    pub fn can_auto_download(&self) -> bool {
        self.bytes() <= MAX_AUTO_DOWNLOAD
    }

    /// Returns the warning that training starts from scratch because [`find`](Self::find) failed
    /// with `error`; includes the reason of a failed download.
    pub fn missing_warning(&self, error: &Error) -> WarningEvent {
        let failure = DOWNLOAD_FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (url, megabytes) = (self.url(), self.bytes() / 1e6);
        let path = folder().join(self.file).display().to_string();
        let (reason, remedy) = match failure.filter(|(file, _)| file == self.file) {
            Some((_, reason)) => (
                format!(", and the download failed: {reason}"),
                "check the network and the proxy and start again",
            ),
            None => (String::new(), "set `model.weights=imagenet` to download it automatically"),
        };
        WarningEvent {
            code: ErrorCode::Download,
            message: format!("training starts from scratch: {}{reason}", error.message),
            hint: Some(format!(
                "Download {url} ({megabytes:.1} MB) to {path}, {remedy}, or set \
                 `model.weights=none` to start from scratch.",
            )),
            file: Some(path),
        }
    }

    /// Returns the first eight digits of the file's SHA-256.
    pub fn hash_prefix(&self) -> &'static str {
        let stem = self.file.trim_end_matches(".pth");
        &stem[stem.len() - 8..]
    }

    /// Returns the path of the downloaded file after checking its SHA-256.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the file is missing or has another hash; the hint has the URL and the
    /// path.
    pub fn find(&self) -> Result<PathBuf> {
        self.find_in(&folder())
    }

    fn find_in(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(self.file);
        let error = |message: String| {
            Error::new(ErrorCode::Checkpoint, message)
                .key("model.weights")
                .file(&path)
                .hint(format!("Download {} to {}.", self.url(), path.display()))
        };
        if !path.is_file() {
            return Err(error(format!(
                "torchvision's weights for {} are not downloaded",
                self.arch
            )));
        }
        match sha256(&path)? {
            hash if hash.starts_with(self.hash_prefix()) => Ok(path),
            hash => Err(error(format!(
                "{} is not the file that torchvision published: its SHA-256 starts with {}",
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
    fn file_names_contain_the_arch_and_the_hash() {
        for published in PUBLISHED {
            assert!(published.file.starts_with(&format!("{}-", published.arch)));
            assert!(published.hash_prefix().bytes().all(|digit| digit.is_ascii_hexdigit()));
            assert_eq!(PublishedWeights::for_arch(Some(published.arch)).unwrap(), published);
        }
        let resnet18 = PublishedWeights::for_arch(None).unwrap();
        assert_eq!(resnet18.url(), "https://download.pytorch.org/models/resnet18-f37072fd.pth");
        assert_eq!(
            PublishedWeights::for_arch(Some("resnet20")).unwrap_err().code,
            ErrorCode::Config
        );
    }

    #[test]
    fn the_missing_warning_has_size_url_path_and_reason() {
        let resnet18 = PublishedWeights::for_arch(None).unwrap();
        let missing = Error::new(ErrorCode::Checkpoint, "they are not downloaded");
        let warning = resnet18.missing_warning(&missing);
        assert!(warning.message.ends_with(": they are not downloaded"), "{warning:?}");
        assert!(!warning.message.contains("failed"), "{warning:?}");
        let hint = warning.hint.unwrap();
        assert!(hint.contains(&resnet18.url()) && hint.contains("(46.8 MB)"), "{hint}");
        assert!(hint.contains(&warning.file.unwrap()), "{hint}");

        record_download_failure("another.pth", "another reason");
        assert!(!resnet18.missing_warning(&missing).message.contains("another reason"));
        record_download_failure(resnet18.file, "no connection within 5 s");
        let failed = resnet18.missing_warning(&missing);
        assert!(failed.message.ends_with("failed: no connection within 5 s"));
        assert!(failed.hint.unwrap().contains("check the network"));
        assert!(!resnet18.missing_warning(&missing).message.contains("failed"), "reported once");
    }

    #[test]
    fn large_files_are_not_downloaded_automatically() {
        for published in PUBLISHED {
            let small = !published.arch.starts_with("vgg") && !published.arch.contains("101_");
            let expected = small || published.arch == "wide_resnet101_2";
            assert_eq!(published.can_auto_download(), expected, "{}", published.arch);
        }
    }

    #[test]
    fn a_missing_or_wrong_file_has_a_hint_with_url_and_path() {
        let folder = tempfile::tempdir().unwrap();
        // The first digits of the SHA-256 of 'abc'.
        let published = published("x", "x-ba7816bf.pth", 0.0);
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
