//! Which file it is: its SHA-256.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use residual_spec::{Error, Result};
use sha2::{Digest, Sha256};

/// A file's SHA-256, in hexadecimal digits.
///
/// # Errors
/// `E_IO`, also for what is no file: a pipe would be waited for, and a device has no end.
pub fn sha256(path: &Path) -> Result<String> {
    let failed = |cause| Error::read(path, &cause);
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("it is not a file")));
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_hash_is_what_sha256sum_prints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), known);
    }
}
