//! The weights that torchvision publishes: trained on ImageNet's 1,000 classes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use residual_spec::{
    Auto, DatasetInfo, Error, ErrorCode, Result, TrainConfig, WarningEvent,
    check_pretrained_default,
};

use crate::sha256;

/// A published file. Its name ends in the first digits of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedWeights {
    pub arch: &'static str,
    pub file: &'static str,
    /// As torchvision states it.
    mebibytes: f64,
}

const fn published(arch: &'static str, file: &'static str, mebibytes: f64) -> PublishedWeights {
    PublishedWeights { arch, file, mebibytes }
}

/// `IMAGENET1K_V1` of each: trained by the recipes of the papers, evaluated at 256 -> 224.
/// (torchvision 0.26, `torchvision/models/{resnet,vgg}.py`)
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

/// The folder that they are published in.
const FROM: &str = "https://download.pytorch.org/models/";

/// The word that asks for them, in `model.weights`.
pub const IMAGENET: &str = "imagenet";

/// More than so many bytes are fetched only for those who ask for them.
const MOST_UNASKED: f64 = 256e6;

static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);
/// A file that could not be fetched lately, and why.
static NOT_FETCHED: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Says in which folder published weights are kept. Nothing here fetches them.
pub fn set_weights_folder(folder: impl Into<PathBuf>) {
    *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.into());
}

/// Says that a published file could not be fetched, and why, for whoever misses it next.
pub fn record_download_failure(file: impl Into<String>, why: impl Into<String>) {
    let note = (file.into(), why.into());
    *NOT_FETCHED.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
}

fn folder() -> PathBuf {
    let folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    folder.unwrap_or_else(|| PathBuf::from("."))
}

impl PublishedWeights {
    /// The file to begin from where `model.weights` is left open.
    ///
    /// # Errors
    /// Why there is none.
    pub fn default_for(
        asked: &TrainConfig,
        facts: &DatasetInfo,
    ) -> Result<PublishedWeights, String> {
        check_pretrained_default(asked, facts)?;
        let model = asked.model();
        let arch = model.arch.as_ref().and_then(Auto::value).map(String::as_str);
        PublishedWeights::for_arch(arch)
            .map_err(|_| format!("nobody published any for {}", arch.unwrap_or_default()))
    }

    /// The file for an architecture; for ResNet-18 if none is said.
    ///
    /// # Errors
    /// `E_CONFIG` if none is published.
    pub fn for_arch(arch: Option<&str>) -> Result<PublishedWeights> {
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
    pub fn base_url(&self) -> &'static str {
        FROM
    }

    pub fn url(&self) -> String {
        format!("{FROM}{}", self.file)
    }

    /// What it weighs, to a thousand or so.
    pub fn bytes(&self) -> f64 {
        self.mebibytes * 1024.0 * 1024.0
    }

    /// Whether it is small enough to be fetched for somebody who did not ask for it.
    pub fn can_auto_download(&self) -> bool {
        self.bytes() <= MOST_UNASKED
    }

    /// That training begins without it, for what `find` said, and how it would not.
    pub fn missing_warning(&self, error: &Error) -> WarningEvent {
        let noted = NOT_FETCHED.lock().unwrap_or_else(PoisonError::into_inner).take();
        let why = match noted.filter(|(file, _)| file == self.file) {
            Some((_, why)) => format!(", and could not be fetched: {why}"),
            None => String::new(),
        };
        let (url, megabytes) = (self.url(), self.bytes() / 1e6);
        let path = folder().join(self.file).display().to_string();
        WarningEvent {
            code: ErrorCode::Download,
            message: format!("training begins from scratch: {}{why}", error.message),
            hint: Some(format!(
                "Put {url} ({megabytes:.1} MB) there: {path}. Or let `model.weights=imagenet` fetch \
                 it; `model.weights=none` does without.",
            )),
            file: Some(path),
        }
    }

    /// The first eight digits of its SHA-256.
    pub fn hash_prefix(&self) -> &'static str {
        let stem = self.file.trim_end_matches(".pth");
        &stem[stem.len() - 8..]
    }

    /// Where it is kept, if it is there and whole.
    ///
    /// # Errors
    /// `E_CHECKPOINT`, saying where to put it and from where.
    pub fn find(&self) -> Result<PathBuf> {
        self.find_in(&folder())
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
            hash if hash.starts_with(self.hash_prefix()) => Ok(path),
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
    fn what_is_missed_is_told_with_its_size_its_address_its_place_and_why_it_is() {
        let resnet18 = PublishedWeights::for_arch(None).unwrap();
        let missing = Error::new(ErrorCode::Checkpoint, "they are not here");
        let warning = resnet18.missing_warning(&missing);
        assert!(warning.message.ends_with(": they are not here"), "{warning:?}");
        assert!(!warning.message.contains("fetched"), "{warning:?}");
        let hint = warning.hint.unwrap();
        assert!(hint.contains(&resnet18.url()) && hint.contains("(46.8 MB)"), "{hint}");
        assert!(hint.contains(&warning.file.unwrap()), "{hint}");

        record_download_failure("another.pth", "it is Sunday");
        assert!(!resnet18.missing_warning(&missing).message.contains("Sunday"));
        record_download_failure(resnet18.file, "no connection within 5 s");
        assert!(
            resnet18
                .missing_warning(&missing)
                .message
                .ends_with("fetched: no connection within 5 s")
        );
        assert!(!resnet18.missing_warning(&missing).message.contains("fetched"), "told once");
    }

    #[test]
    fn half_a_gigabyte_is_not_fetched_unasked() {
        for published in PUBLISHED {
            let small = !published.arch.starts_with("vgg") && !published.arch.contains("101_");
            let expected = small || published.arch == "wide_resnet101_2";
            assert_eq!(published.can_auto_download(), expected, "{}", published.arch);
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_another_says_where_to_put_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        // The SHA-256 of 'abc' begins so.
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
