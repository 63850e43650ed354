//! The one failure type of the core: a code to branch on, a place to look at, a hint to act on.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $code:literal, exit $exit:literal,
        such as $message:literal;)*) => {
        /// What went wrong, for programs. The set is closed: adding a code is an API change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* #[serde(rename = $code)] $variant,)*
        }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $code,)* }
            }

            /// The command line's exit status: 1 failure, 2 usage or configuration,
            /// 3 environment, 4 data.
            pub fn exit_status(self) -> i32 {
                match self { $(ErrorCode::$variant => $exit,)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!($($doc),*).trim(),)* }
            }

            /// A message that it typically comes with. A test makes most of them happen.
            pub fn typical_message(self) -> &'static str {
                match self { $(ErrorCode::$variant => $message,)* }
            }
        }
    };
}

codes! {
    /// A configuration value has the wrong type or is out of range.
    Config = "E_CONFIG", exit 2,
        such as "`batchSize` must be 2 or more, for one image cannot be normalised by its batch, not 0";
    /// A key that no configuration has.
    UnknownKey = "E_UNKNOWN_KEY", exit 2,
        such as "unknown key `optimizer.lrr`";
    /// An argument of a function or a command is wrong.
    Usage = "E_USAGE", exit 2,
        such as "`onEpoch` must be a function, not string";
    /// Files, folders or a named data set that are not there.
    DataNotFound = "E_DATA_NOT_FOUND", exit 4,
        such as "there is no folder ./photos";
    /// A data set that cannot be trained on: no images, one class, a part that is empty.
    DataUnusable = "E_DATA_UNUSABLE", exit 4,
        such as "./photos has no training images";
    /// A data file that is not what its format demands.
    DataFormat = "E_DATA_FORMAT", exit 4,
        such as "./photos/train-labels-idx1-ubyte is cut short";
    /// An image that cannot be decoded.
    Image = "E_IMAGE", exit 4,
        such as "cat.jpg is neither a JPEG nor a PNG image";
    /// A file could not be downloaded: no network, a server that fails, other bytes than published.
    Download = "E_DOWNLOAD", exit 1,
        such as "train-images-idx3-ubyte.gz is not here, and RESIDUAL_OFFLINE lets nothing be fetched";
    /// The run folder holds another run.
    OutExists = "E_OUT_EXISTS", exit 2,
        such as "runs/photos holds a run";
    /// Another process, or another run of this one, is writing to the run folder.
    OutInUse = "E_OUT_IN_USE", exit 1,
        such as "another run is writing to runs/photos";
    /// A network port that another program listens on, or that may not be listened on.
    Port = "E_PORT", exit 1,
        such as "port 8265 cannot be had: another program listens on it";
    /// A file or folder could not be written.
    Write = "E_WRITE", exit 1,
        such as "runs/photos could not be written: Permission denied (os error 13)";
    /// A file could not be read.
    Io = "E_IO", exit 1,
        such as "cat.jpg could not be read: No such file or directory (os error 2)";
    /// A checkpoint or weights file is not there, cut short, or not what it claims to be.
    Checkpoint = "E_CHECKPOINT", exit 4,
        such as "runs/photos is not there";
    /// A checkpoint that belongs to another model, data set or recipe.
    Mismatch = "E_MISMATCH", exit 2,
        such as "./photos has other classes than the model; the model does not know dog";
    /// The loss or its gradients became NaN or infinite (in `precision: 'fp16'`, gradients that are so
    /// however little the loss is scaled); nothing after the last good step was kept.
    Diverged = "E_DIVERGED", exit 1,
        such as "the loss became NaN in epoch 1 at step 2";
    /// The run was cancelled by its `AbortSignal`.
    Aborted = "E_ABORTED", exit 1,
        such as "the run was aborted";
    /// A model, or its run, was used after it was closed.
    Closed = "E_CLOSED", exit 1,
        such as "the model is closed";
    /// The native libraries could not be found or loaded.
    Libtorch = "E_LIBTORCH", exit 3,
        such as "RESIDUAL_LIBTORCH is set to /opt/libtorch, which has no lib/libtorch_cpu.so";
    /// No prebuilt package for this platform.
    Platform = "E_PLATFORM", exit 3,
        such as "residual has no prebuilt package for win32-x64";
    /// The wanted device or precision is not available on this machine.
    Device = "E_DEVICE", exit 3,
        such as "no CUDA device can be used here: there is no NVIDIA GPU in this machine";
    /// The machine's memory, or the graphics card's, ran out.
    Memory = "E_MEMORY", exit 1,
        such as "not enough memory for a tensor of 51380224000 bytes";
    /// libtorch reported a failure.
    Torch = "E_TORCH", exit 1,
        such as "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0";
    /// A defect in residual itself.
    Internal = "E_INTERNAL", exit 1,
        such as "residual failed by a defect of its own: index out of bounds";
}

/// Where it went wrong. Every part is optional; `key` is a configuration path
/// (`optimizer.lr`, `schedule.milestones[1]`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(optional_fields)]
pub struct ErrorLocation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A failure as it crosses the bridge; `src/native` makes a `ResidualError` of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub code: ErrorCode,
    pub message: String,
    #[serde(default)]
    pub at: ErrorLocation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Error { code, message: message.into(), at: ErrorLocation::default(), hint: None }
    }

    /// The next thing to do, as a whole sentence.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn key(mut self, key: impl std::fmt::Display) -> Self {
        self.at.key = Some(key.to_string());
        self
    }

    pub fn file(mut self, file: impl AsRef<std::path::Path>) -> Self {
        self.at.file = Some(file.as_ref().display().to_string());
        self
    }

    pub fn line(mut self, line: u32) -> Self {
        self.at.line = Some(line);
        self
    }

    /// A file that could not be read, with the operating system's reason.
    pub fn read(file: impl AsRef<std::path::Path>, cause: &std::io::Error) -> Self {
        let file = file.as_ref();
        Error::new(ErrorCode::Io, format!("{} could not be read: {cause}", file.display()))
            .file(file)
            .hint("Check the path, and that the file may be read.")
    }

    /// A file or folder that could not be written, with the operating system's reason.
    pub fn write(file: impl AsRef<std::path::Path>, cause: &std::io::Error) -> Self {
        let file = file.as_ref();
        Error::new(ErrorCode::Write, format!("{} could not be written: {cause}", file.display()))
            .file(file)
            .hint("Choose another folder with `out`, or make this one writable.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_its_published_name() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn an_error_survives_the_bridge() {
        let error = Error::new(ErrorCode::Config, "bad").key("optimizer.lr").hint("Use 0.1.");
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<Error>(&json).unwrap(), error);
    }
}
