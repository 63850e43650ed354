//! Verifies the checksums of a weight file.

use std::path::Path;

use residual_spec::{Error, ErrorCode, Result, RunFileStatus, VerifiedRunFile};

use super::{is_damage, read_run_metadata};
use crate::safetensors_file;
use crate::state_dict::{StateDict, is_pytorch_file};

/// Verifies a weight file without keeping a tensor in memory; PyTorch files, which have no checksums,
/// are read. `name` is the name in the result.
///
/// # Errors
/// `E_IO`. Damage is part of the result.
pub fn verify_weights(path: &Path, name: &str) -> Result<VerifiedRunFile> {
    let (status, detail) = match verify(path) {
        Ok(checked) => checked,
        Err(error) if is_damage(&error) => {
            // The result has a separate field for the name of the file.
            let prefix = format!("{} ", path.display());
            let problem = error.message.strip_prefix(&prefix).unwrap_or(&error.message);
            // The status says that it is damaged.
            let problem = problem.strip_prefix("is damaged: ").unwrap_or(problem);
            (RunFileStatus::Damaged, problem.to_string())
        }
        Err(error) if error.code == ErrorCode::Checkpoint => {
            // The file is of a newer version.
            (RunFileStatus::Unverified, error.message)
        }
        Err(error) => return Err(error),
    };
    let bytes = path.metadata().map_err(|cause| Error::read(path, &cause))?.len();
    Ok(VerifiedRunFile { file: name.into(), status, bytes: Some(bytes), detail })
}

fn verify(path: &Path) -> Result<(RunFileStatus, String)> {
    if is_pytorch_file(path)? {
        StateDict::read(path)?;
        return Ok((RunFileStatus::Unverified, "the format has no checksums".into()));
    }
    let file = safetensors_file::open(path)?;
    file.verify_tensors(|_| true)?;
    let tensors = file.tensor_infos()?.len();
    if !file.has_checksums() {
        return Ok((RunFileStatus::Unverified, format!("{tensors} tensors without checksums")));
    }
    let (_, _, progress) = read_run_metadata(path, &file)?;
    let position = match (progress["epoch"].as_u64(), progress["step"].as_u64()) {
        (Some(epoch), Some(step)) => format!("epoch {epoch}, step {step}, "),
        (Some(_), None) | (None, _) => String::new(),
    };
    Ok((RunFileStatus::Ok, format!("{position}{tensors} tensors")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::checkpoint;

    #[test]
    fn reports_the_position_or_the_damaged_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        checkpoint().write(&path).unwrap();
        let verified = verify_weights(&path, "last").unwrap();
        assert_eq!((verified.file.as_str(), verified.status), ("last", RunFileStatus::Ok));
        assert_eq!(verified.detail, "epoch 3, step 99, 3 tensors");

        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let damaged = verify_weights(&path, "last").unwrap();
        assert_eq!(damaged.status, RunFileStatus::Damaged);
        assert!(damaged.detail.starts_with('`'), "{}", damaged.detail);
    }

    #[test]
    fn files_of_other_programs_have_no_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let header = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&length, header.as_bytes(), &[7]].concat()).unwrap();
        let verified = verify_weights(&path, "x").unwrap();
        assert_eq!(verified.status, RunFileStatus::Unverified);
        assert_eq!(verified.detail, "1 tensors without checksums");
    }
}
