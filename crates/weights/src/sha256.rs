//! SHA-256 of a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use residual_spec::{Error, Result};
use sha2::{Digest, Sha256};

/// Returns the SHA-256 of a file in hexadecimal digits.
///
/// # Errors
/// `E_IO`, also if `path` is not a regular file: reading a pipe or a device might never end.
pub fn sha256(path: &Path) -> Result<String> {
    let failed = |cause| Error::read(path, &cause);
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")));
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
    fn returns_the_digits_that_sha256sum_prints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), known);
    }
}
