//! The error type of all crates: a code for programs, a message, a location and a hint.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Result with [`Error`] as its default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $code:literal, exit $exit:literal,
        such as $message:literal;)*) => {
        // Adding a code is an API change.
        /// Error code, for programs that handle errors.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* #[serde(rename = $code)] $variant,)*
        }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant),*];

            /// Returns the code as a string, such as `E_CONFIG`.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $code,)* }
            }

            /// Returns the exit status of the command line: 1 for failures, 2 for usage and
            /// configuration, 3 for the environment, 4 for data.
            pub fn exit_status(self) -> i32 {
                match self { $(ErrorCode::$variant => $exit,)* }
            }

            /// Returns a one-sentence description.
            pub fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!($($doc),*).trim(),)* }
            }

            /// Returns a typical message, for the documentation. Tests check most of them.
            pub fn typical_message(self) -> &'static str {
                match self { $(ErrorCode::$variant => $message,)* }
            }
        }
    };
}

codes! {
    /// A configuration value has the wrong type or is out of range.
    Config = "E_CONFIG", exit 2,
        such as "`batchSize` must be a whole number, 2 or more, not 0";
    /// A configuration key does not exist.
    UnknownKey = "E_UNKNOWN_KEY", exit 2,
        such as "unknown key `optimizer.lrr`";
    /// An argument of a function or command is invalid.
    Usage = "E_USAGE", exit 2,
        such as "`onEpoch` must be a function, not string";
    /// A file, a folder or a named data set does not exist.
    DataNotFound = "E_DATA_NOT_FOUND", exit 4,
        such as "there is no folder ./photos";
    /// A data set cannot be used: no images, a single class, or an empty split.
    DataUnusable = "E_DATA_UNUSABLE", exit 4,
        such as "./photos has no training images";
    /// A data file violates its format.
    DataFormat = "E_DATA_FORMAT", exit 4,
        such as "./photos/train-labels-idx1-ubyte is truncated";
    /// An image cannot be decoded.
    Image = "E_IMAGE", exit 4,
        such as "cat.jpg is neither a JPEG nor a PNG image";
    /// A download failed: no network, a server error, or a wrong checksum.
    Download = "E_DOWNLOAD", exit 1,
        such as "train-images-idx3-ubyte.gz is not on this machine, and RESIDUAL_OFFLINE disables downloads";
    /// The run folder contains another run.
    OutExists = "E_OUT_EXISTS", exit 2,
        such as "runs/photos contains a run";
    /// Another run is writing to the run folder, in this or another process.
    OutInUse = "E_OUT_IN_USE", exit 1,
        such as "another run is writing to runs/photos";
    /// A network port is in use or not permitted.
    Port = "E_PORT", exit 1,
        such as "port 8265 is not available: another program is using it";
    /// A file or folder could not be written.
    Write = "E_WRITE", exit 1,
        such as "runs/photos could not be written: Permission denied (os error 13)";
    /// A file could not be read.
    Io = "E_IO", exit 4,
        such as "cat.jpg could not be read: No such file or directory (os error 2)";
    /// A checkpoint or weights file is missing, truncated or invalid.
    Checkpoint = "E_CHECKPOINT", exit 4,
        such as "runs/photos does not exist";
    /// A checkpoint belongs to another model, data set or configuration.
    Mismatch = "E_MISMATCH", exit 2,
        such as "./photos has other classes than the model; unexpected classes: dog";
    /// The loss or the gradients became NaN or infinite (with `fp16`, at the smallest loss scale).
    /// The message names the first layer and the images whose values are not finite. The last checkpoint
    /// is from before that step.
    Diverged = "E_DIVERGED", exit 1,
        such as "the loss became NaN in epoch 1 at step 2: the output of `layer1.0.conv1` is the first \
                 value that is not finite, in batch 2 of the epoch (train/32, train/91, train/87, \
                 train/80, 8 more images)";
    /// The run was cancelled by its `AbortSignal`.
    Aborted = "E_ABORTED", exit 1,
        such as "the run was aborted";
    /// A model or run was used after it was closed.
    Closed = "E_CLOSED", exit 1,
        such as "the model is closed";
    /// The libtorch libraries were not found or could not be loaded.
    Libtorch = "E_LIBTORCH", exit 3,
        such as "RESIDUAL_LIBTORCH is set to /opt/libtorch, which has no lib/libtorch_cpu.so";
    /// The native addon for this platform does not exist, is not installed, or cannot be loaded.
    Platform = "E_PLATFORM", exit 3,
        such as "residual has no prebuilt package for linux-ppc64-gnu";
    /// The requested device or precision is not available on this machine.
    Device = "E_DEVICE", exit 3,
        such as "no CUDA device is available";
    /// Out of memory on the machine or the GPU.
    Memory = "E_MEMORY", exit 1,
        such as "not enough memory for a tensor of 51380224000 bytes";
    /// libtorch reported an error.
    Torch = "E_TORCH", exit 1,
        such as "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0";
    /// The training process of an application ended unexpectedly, and too often to be restarted.
    Process = "E_PROCESS", exit 1,
        such as "the training process ended 4 times without a new checkpoint, last by signal SIGKILL";
    /// Training with several processes failed: a process ended or did not answer, or they were started
    /// with different settings.
    Distributed = "E_DISTRIBUTED", exit 1,
        such as "WORLD_SIZE is 2, but RANK is not set";
    /// A bug in residual.
    Internal = "E_INTERNAL", exit 1,
        such as "internal error (a bug in residual): index out of bounds";
}

/// Location of an error: a configuration key (`optimizer.lr`, `schedule.milestones[1]`), a file, or
/// a line of a file. All fields are optional.
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

/// Maximum length in bytes of a message, a hint and a path. Longer texts quote invalid input, such as
/// a path of megabytes; their middle is left out.
const MAX_TEXT_LEN: usize = 6000;
/// Maximum length in bytes of a configuration key.
const MAX_KEY_LEN: usize = 1000;

/// Shortens a text to about `max` bytes. Replaces its middle by the number of bytes left out.
fn shorten(text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let (mut head, mut tail) = (max / 2, text.len() - max / 2);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{} ... ({} bytes) ... {}", &text[..head], tail - head, &text[tail..])
}

/// An error. `src/native` converts it to a `ResidualError`.
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
    /// Returns an error without location and hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = shorten(message.into(), MAX_TEXT_LEN);
        Error { code, message, at: ErrorLocation::default(), hint: None }
    }

    /// Sets the hint: what to do next, as a sentence.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(shorten(hint.into(), MAX_TEXT_LEN));
        self
    }

    /// Sets the configuration key.
    pub fn key(mut self, key: impl std::fmt::Display) -> Self {
        self.at.key = Some(shorten(key.to_string(), MAX_KEY_LEN));
        self
    }

    /// Sets the file.
    pub fn file(mut self, file: impl AsRef<std::path::Path>) -> Self {
        self.at.file = Some(shorten(file.as_ref().display().to_string(), MAX_TEXT_LEN));
        self
    }

    /// Sets the line of the file, from 1.
    pub fn line(mut self, line: u32) -> Self {
        self.at.line = Some(line);
        self
    }

    /// Returns an `E_IO` error for a file that could not be read.
    pub fn read(file: impl AsRef<std::path::Path>, cause: &std::io::Error) -> Self {
        let file = file.as_ref();
        Error::new(ErrorCode::Io, format!("{} could not be read: {cause}", file.display()))
            .file(file)
            .hint("Check the path and the permissions of the file.")
    }

    /// Returns an `E_WRITE` error for a file or folder that could not be written.
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
    fn codes_serialize_as_their_names() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn texts_of_megabytes_are_shortened_in_the_middle() {
        let long = "é".repeat(1 << 20);
        let error = Error::new(ErrorCode::Io, format!("start {long} end"))
            .hint(long.as_str())
            .key(&long)
            .file(&long);
        assert!(error.message.starts_with("start éé") && error.message.ends_with("éé end"));
        assert!(error.message.contains(" bytes) ... "), "{}", &error.message[2900..3100]);
        let texts = [Some(error.message), error.hint, error.at.key, error.at.file];
        assert!(texts.iter().flatten().all(|text| text.len() < 6100));
        let path = format!("/{}", "directory/".repeat(400));
        assert_eq!(Error::new(ErrorCode::Io, "x").file(&path).at.file, Some(path));
    }

    #[test]
    fn errors_are_unchanged_by_a_json_round_trip() {
        let error = Error::new(ErrorCode::Config, "bad").key("optimizer.lr").hint("Use 0.1.");
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<Error>(&json).unwrap(), error);
    }
}
