//! The safetensors format: header length (8 bytes), JSON header, tensor data.
//!
//! Files are untrusted: every field is checked before use, and no allocation is larger than the
//! file. Files that residual writes contain [`Checksums`], which are verified before use: that of
//! the header when the file is opened, those of the tensors when they are read.

mod checksums;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::Path;

use residual_fs::write_atomically;
use residual_spec::{Error, ErrorCode, Result};
use safetensors::tensor::{Metadata, TensorInfo as FileTensor};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::other_file::{START_LEN, other_file_error};
use crate::tensor::{DType, MAX_NAME_LEN, Tensor, TensorInfo};
use checksums::Checksums;
pub(crate) use checksums::VERSION_KEY;

/// Maximum header length in bytes. The format allows 100 MB, which take 1 GB when parsed.
const MAX_HEADER_LEN: u64 = 16 << 20;
/// Header key of the file's metadata; all other keys are tensors.
const METADATA: &str = "__metadata__";
/// Alignment of the tensor data in bytes, so that readers can memory-map it.
const ALIGNMENT: usize = 8;
/// Size of the buffer for verifying a tensor, in bytes.
const BUFFER_LEN: usize = 1 << 16;

/// An open file whose header is parsed and consistent with the file size.
pub(crate) struct SafetensorsFile<'p> {
    path: &'p Path,
    file: File,
    /// Offset of the tensor data in the file.
    data_offset: u64,
    tensors: Metadata,
    pub(crate) metadata: BTreeMap<String, String>,
    checksums: Option<Checksums>,
}

/// Reads all tensors of a safetensors file.
///
/// # Errors
/// `E_CHECKPOINT` if the file is missing, truncated, malformed or damaged; `E_IO`.
pub fn read_safetensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    open(path)?.read_tensors()
}

/// Returns the `E_CHECKPOINT` error for a missing, truncated, malformed or damaged file. The message
/// is the path followed by `problem`, such as "is truncated".
pub(crate) fn broken(path: &Path, problem: impl fmt::Display) -> Error {
    Error::new(ErrorCode::Checkpoint, format!("{} {problem}", path.display())).file(path).hint(
        "Use another checkpoint of the run (`residual verify` lists the intact ones), or copy the \
         file again from its source.",
    )
}

/// Opens a file and checks its header.
pub(crate) fn open(path: &Path) -> Result<SafetensorsFile<'_>> {
    let unreadable = |cause| Error::read(path, &cause);
    let file_metadata = path.metadata().map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => broken(path, "does not exist"),
        _ => unreadable(cause),
    })?;
    // Opening a pipe would block until another process writes to it.
    if !file_metadata.is_file() {
        return Err(broken(path, "is not a regular file"));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();

    let mut first_bytes = Vec::new();
    (&file).take(START_LEN).read_to_end(&mut first_bytes).map_err(unreadable)?;
    if let Some(error) = other_file_error(path, &first_bytes) {
        return Err(error);
    }
    file.rewind().map_err(unreadable)?;
    let mut start = [0; 9];
    if size < start.len() as u64 {
        return Err(broken(path, format!("is truncated: it has {size} bytes")));
    }
    file.read_exact(&mut start).map_err(unreadable)?;
    let length = u64::from_le_bytes(start[..8].try_into().expect("eight bytes"));
    if start[8] != b'{' || length == 0 || length > MAX_HEADER_LEN {
        return Err(broken(path, "is not a safetensors file"));
    }
    if length > size - 8 {
        let problem = format!("is truncated: it has {size} bytes, and its header {}", 8 + length);
        return Err(broken(path, problem));
    }

    let mut header = vec![b'{'; length as usize];
    file.read_exact(&mut header[1..]).map_err(unreadable)?;
    let (tensors, metadata, checksums) = parse_header(path, &header)?;
    let (data, expected) = (size - 8 - length, tensors.data_len() as u64);
    if data < expected {
        let problem = format!("is truncated: it has {data} of {expected} bytes of tensor data");
        return Err(broken(path, problem));
    }
    if data > expected {
        return Err(broken(path, format!("has {} bytes after the tensor data", data - expected)));
    }
    Ok(SafetensorsFile { path, file, data_offset: 8 + length, tensors, metadata, checksums })
}

/// Parses a header and checks that its tensors are contiguous and have checksums, if the file has
/// any.
fn parse_header(
    path: &Path,
    header: &[u8],
) -> Result<(Metadata, BTreeMap<String, String>, Option<Checksums>)> {
    let FileHeader { metadata, mut tensors } = FileHeader::parse(header)
        .map_err(|cause| broken(path, format!("has an invalid header: {cause}")))?;
    let checksums =
        Checksums::from_header(header, &metadata).map_err(|problem| broken(path, problem))?;
    if let Some((name, _)) = tensors.iter().find(|(name, _)| name.len() > MAX_NAME_LEN) {
        return Err(broken(path, format!("has a tensor name of {} bytes", name.len())));
    }
    let names = tensors.iter().map(|(name, _)| name);
    if checksums.as_ref().is_some_and(|checksums| !checksums.has_names(names)) {
        return Err(broken(path, "has checksums of other tensors than it contains"));
    }
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    // `Metadata::new` checks, without overflow, that the tensors are contiguous and that their
    // lengths match their types and shapes.
    let tensors = Metadata::new(None, tensors)
        .map_err(|cause| broken(path, format!("has an inconsistent header: {cause}")))?;
    Ok((tensors, metadata, checksums))
}

impl SafetensorsFile<'_> {
    /// Returns the type and shape of every tensor by name.
    pub(crate) fn tensor_infos(&self) -> Result<BTreeMap<String, TensorInfo>> {
        let info = |(name, tensor): (String, &FileTensor)| {
            let dtype = self.dtype(&name, tensor)?;
            Ok((name, TensorInfo { dtype, shape: tensor.shape.clone() }))
        };
        self.tensors.tensors().into_iter().map(info).collect()
    }

    /// Returns the name and shape of every tensor, in the order of the data. The dtype may be
    /// unsupported.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        self.tensors.offset_keys().into_iter().filter_map(|name| {
            let shape = self.tensors.info(&name)?.shape.clone();
            Some((name, shape))
        })
    }

    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.tensors.info(name).is_some()
    }

    /// Reads every tensor.
    pub(crate) fn read_tensors(self) -> Result<BTreeMap<String, Tensor>> {
        let read_entry = |name: String| {
            let tensor = self.read_tensor(&name)?.expect("the name is from the header");
            Ok((name, tensor))
        };
        self.tensors.offset_keys().into_iter().map(read_entry).collect()
    }

    /// Returns whether the file has checksums.
    pub(crate) fn has_checksums(&self) -> bool {
        self.checksums.is_some()
    }

    /// Verifies the checksums of the tensors whose names `filter` accepts, if the file has checksums,
    /// without keeping a tensor in memory.
    ///
    /// # Errors
    /// `E_CHECKPOINT` for the first damaged tensor, in the order of the file; `E_IO`.
    pub(crate) fn verify_tensors(&self, filter: impl Fn(&str) -> bool) -> Result<()> {
        if self.checksums.is_none() {
            return Ok(());
        }
        let mut buffer = vec![0; BUFFER_LEN];
        for name in self.tensors.offset_keys().into_iter().filter(|name| filter(name)) {
            let tensor = self.tensors.info(&name).expect("the name is from the header");
            let (begin, end) = tensor.data_offsets;
            let mut hash = Xxh3::new();
            let mut data = self.open_range(begin, end)?;
            loop {
                let count =
                    data.read(&mut buffer).map_err(|cause| Error::read(self.path, &cause))?;
                if count == 0 {
                    break;
                }
                hash.update(&buffer[..count]);
            }
            self.check_tensor(&name, hash.digest128())?;
        }
        Ok(())
    }

    /// Returns a reader of a range of the tensor data.
    fn open_range(&self, begin: usize, end: usize) -> Result<impl Read> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.data_offset + begin as u64))
            .map_err(|cause| Error::read(self.path, &cause))?;
        Ok(file.take((end - begin) as u64))
    }

    fn check_tensor(&self, name: &str, checksum: u128) -> Result<()> {
        match &self.checksums {
            Some(checksums) if !checksums.matches(name, checksum) => {
                let problem = format!("is damaged: `{name}` does not match its checksum");
                Err(broken(self.path, problem))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads one tensor and verifies its checksum; `None` if the file has no tensor of this name.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the tensor is damaged or of an unsupported type; `E_MEMORY`, which is no
    /// damage, so that no other checkpoint is used instead; `E_IO`.
    pub(crate) fn read_tensor(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(tensor) = self.tensors.info(name) else { return Ok(None) };
        let dtype = self.dtype(name, tensor)?;
        let (begin, end) = tensor.data_offsets;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(end - begin).map_err(|_| {
            let message = format!("not enough memory for `{name}` of {}", self.path.display());
            Error::new(ErrorCode::Memory, message)
                .file(self.path)
                .hint("Close other programs, or use a machine with more memory.")
        })?;
        let read = self.open_range(begin, end)?.read_to_end(&mut bytes);
        if read.map_err(|cause| Error::read(self.path, &cause))? < end - begin {
            return Err(broken(self.path, format!("is truncated within `{name}`")));
        }
        if self.checksums.is_some() {
            self.check_tensor(name, xxh3_128(&bytes))?;
        }
        Ok(Some(Tensor { dtype, shape: tensor.shape.clone(), bytes }))
    }

    fn dtype(&self, name: &str, tensor: &FileTensor) -> Result<DType> {
        DType::from_safetensors(tensor.dtype).ok_or_else(|| {
            let message = format!(
                "{}: `{name}` has the unsupported dtype {}",
                self.path.display(),
                tensor.dtype
            );
            Error::new(ErrorCode::Checkpoint, message)
                .file(self.path)
                .hint("Convert the tensor to F32, F16 or BF16.")
        })
    }
}

/// Writes a file with checksums atomically; equal contents give equal bytes. `bytes` returns the
/// data of a tensor. It is called once for each tensor, in the order of the file.
///
/// # Errors
/// `E_WRITE`; `E_INTERNAL` if the bytes of a tensor do not match its type and shape; any error of
/// `bytes`. After an error, the file at `path` is unchanged.
pub(crate) fn write<'a>(
    path: &Path,
    metadata: &BTreeMap<&str, String>,
    tensors: &BTreeMap<String, TensorInfo>,
    bytes: &dyn Fn(&str) -> Result<Cow<'a, [u8]>>,
) -> Result<()> {
    let internal = |cause: String| Error::new(ErrorCode::Internal, cause).file(path);
    let infos = compute_layout(tensors);
    Metadata::new(None, infos.clone()).map_err(|cause| internal(cause.to_string()))?;
    let mut checksums = Checksums::placeholders(tensors.keys());
    let header = format_header(metadata, &infos, &checksums);
    if header.len() as u64 > MAX_HEADER_LEN {
        return Err(internal(format!("the header of {} bytes is too long", header.len())));
    }

    let mut tensor_error = None;
    let result = write_atomically(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (name, info) in &infos {
            let length = info.data_offsets.1 - info.data_offsets.0;
            let bytes = bytes(name).and_then(|bytes| {
                if bytes.len() == length {
                    Ok(bytes)
                } else {
                    Err(internal(format!("`{name}` has {} bytes", bytes.len())))
                }
            });
            match bytes {
                Ok(bytes) => {
                    checksums.set(name, &bytes);
                    file.write_all(&bytes)?;
                }
                Err(error) => {
                    tensor_error = Some(error);
                    return Err(std::io::Error::other("reading a tensor failed"));
                }
            }
        }
        // The header contains the checksums, which are known only after the tensors are written.
        let mut header = format_header(metadata, &infos, &checksums);
        checksums::seal(&mut header);
        file.seek(SeekFrom::Start(8))?;
        file.write_all(&header)
    });
    tensor_error.map_or(result, Err)
}

/// Returns the tensors in the order of the file, with their offsets.
fn compute_layout(tensors: &BTreeMap<String, TensorInfo>) -> Vec<(String, FileTensor)> {
    let mut tensors: Vec<_> = tensors.iter().collect();
    // The widest type comes first, so that every tensor is aligned. The format forbids padding
    // between tensors.
    tensors.sort_by_key(|(name, tensor)| (Reverse(tensor.dtype.size()), *name));
    let mut end = 0;
    let infos = tensors.into_iter().map(|(name, tensor)| {
        let begin = end;
        end += tensor.num_bytes();
        let info = FileTensor {
            dtype: tensor.dtype.to_safetensors(),
            shape: tensor.shape.clone(),
            data_offsets: (begin, end),
        };
        (name.clone(), info)
    });
    infos.collect()
}

/// Returns the JSON header, padded to [`ALIGNMENT`]. Its length does not depend on the values of the
/// checksums.
fn format_header(
    metadata: &BTreeMap<&str, String>,
    infos: &[(String, FileTensor)],
    checksums: &Checksums,
) -> Vec<u8> {
    let mut metadata = metadata.clone();
    metadata.extend(checksums.metadata());
    let mut header = serde_json::Map::new();
    header.insert(METADATA.into(), serde_json::json!(metadata));
    header.extend(infos.iter().map(|(name, info)| (name.clone(), serde_json::json!(info))));
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    header
}

/// A map that rejects duplicate keys. Serde's maps take the last of two values; readers that take the
/// first value would load other tensors from the same file.
struct Unique<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for UniqueVisitor<T> {
    type Value = Unique<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<T>, A::Error> {
        let mut unique = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            match unique.entry(name) {
                Entry::Vacant(entry) => entry.insert(map.next_value()?),
                Entry::Occupied(entry) => {
                    return Err(A::Error::custom(format!("duplicate key `{}`", entry.key())));
                }
            };
        }
        Ok(Unique(unique))
    }
}

/// The parsed JSON header.
struct FileHeader {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, FileTensor)>,
}

impl FileHeader {
    fn parse(text: &[u8]) -> serde_json::Result<FileHeader> {
        let Unique(mut entries) = serde_json::from_slice::<Unique<&RawValue>>(text)?;
        let metadata = match entries.remove(METADATA) {
            Some(text) => serde_json::from_str::<Unique<String>>(text.get())?.0,
            None => BTreeMap::new(),
        };
        let tensor = |(name, text): (String, &RawValue)| {
            serde_json::from_str(text.get()).map(|tensor| (name, tensor))
        };
        Ok(FileHeader {
            metadata,
            tensors: entries.into_iter().map(tensor).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Writes a file with this header and data, and reads it.
    fn read(header: &str, data: &[u8]) -> Result<BTreeMap<String, Tensor>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let length = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&length, header.as_bytes(), data].concat()).unwrap();
        read_safetensors(&path)
    }

    /// Returns the header entry of a tensor.
    fn entry(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
        let offsets = format!("[{begin},{end}]");
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
    }

    fn error_message(header: &str, data: &[u8]) -> String {
        let error = read(header, data).expect_err(header);
        assert_eq!(error.code, ErrorCode::Checkpoint);
        assert!(error.at.file.is_some() && error.hint.is_some());
        error.message
    }

    fn tensor(name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) -> (String, Tensor) {
        (name.into(), Tensor { dtype, shape: shape.to_vec(), bytes: bytes.to_vec() })
    }

    fn write_tensors(
        path: &Path,
        metadata: &BTreeMap<&str, String>,
        tensors: &BTreeMap<String, Tensor>,
    ) -> Result<()> {
        let infos = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.info())).collect();
        write(path, metadata, &infos, &|name| Ok(Cow::Borrowed(&tensors[name].bytes[..])))
    }

    #[test]
    fn the_safetensors_crate_reads_written_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let count = 7_i64.to_le_bytes();
        let tensors = BTreeMap::from([
            tensor("a.half", DType::Bf16, &[3, 1], &[1, 2, 3, 4, 5, 6]),
            tensor("b.count", DType::I64, &[], &count),
            tensor("c.empty", DType::F32, &[2, 0], &[]),
        ]);
        write_tensors(&path, &BTreeMap::from([("format", "pt".into())]), &tensors).unwrap();

        let bytes = fs::read(&path).unwrap();
        let parsed = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let read = read_safetensors(&path).unwrap();
        assert_eq!(parsed.len(), 3);
        for (name, tensor) in &tensors {
            assert_eq!(parsed.tensor(name).unwrap().data(), tensor.bytes);
            assert_eq!(parsed.tensor(name).unwrap().shape(), tensor.shape);
            assert_eq!(read[name], *tensor);
        }
        let count = bytes.windows(8).position(|window| window == count).unwrap();
        assert_eq!(count % 8, 0, "an i64 at byte {count} cannot be mapped");
    }

    #[test]
    fn does_not_write_bytes_that_do_not_match_the_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = BTreeMap::from([tensor("a", DType::F32, &[2], &[0; 4])]);
        let error = write_tensors(&path, &BTreeMap::new(), &tensors).unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(!path.exists());
    }

    #[test]
    fn keeps_the_old_file_when_a_tensor_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        fs::write(&path, "as before").unwrap();
        let tensors =
            BTreeMap::from([("a".into(), TensorInfo { dtype: DType::U8, shape: vec![] })]);
        let fail = |_: &str| Err(Error::new(ErrorCode::Memory, "out of memory"));
        let error = write(&path, &BTreeMap::new(), &tensors, &fail).unwrap_err();
        assert_eq!(error.code, ErrorCode::Memory);
        assert_eq!(fs::read_to_string(&path).unwrap(), "as before");
    }

    #[test]
    fn rejects_missing_files_folders_and_other_formats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let error_message = || {
            let error = read_safetensors(&path).unwrap_err();
            assert_eq!(error.code, ErrorCode::Checkpoint);
            error.message
        };
        assert!(error_message().ends_with("does not exist"));
        for contents in
            ["", "short", "PK\x03\x04 and the rest of a .pth file", "{\"json\": true, 1: 2}"]
        {
            fs::write(&path, contents).unwrap();
            error_message();
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(error_message().ends_with("is not a regular file"));
    }

    #[test]
    fn reports_how_much_of_a_truncated_file_is_missing() {
        let header = format!("{{{}}}", entry("a", "F32", "[2]", 0, 8));
        assert!(read(&header, &[0; 8]).is_ok());
        assert!(error_message(&header, &[0; 5]).ends_with("5 of 8 bytes of tensor data"));
        assert!(error_message(&header, &[0; 9]).ends_with("1 bytes after the tensor data"));
    }

    #[test]
    fn allocates_nothing_beyond_the_file_size() {
        let huge = 1_u64 << 62;
        for shape in [format!("[{huge}]"), format!("[{huge},4,0]"), format!("[{huge},{huge}]")] {
            error_message(&format!("{{{}}}", entry("a", "U8", &shape, 0, huge)), b"");
            error_message(&format!("{{{}}}", entry("a", "F64", &shape, 0, 0)), b"");
        }
        error_message(&format!("{{{}}}", entry("a", "U8", &format!("[{huge}]"), 0, huge)), b"1234");
    }

    #[cfg(unix)]
    #[test]
    fn rejects_a_header_of_terabytes_in_a_sparse_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let length = (1_u64 << 40).to_le_bytes();
        fs::write(&path, [&length, b"{".as_slice()].concat()).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(1 << 41).unwrap();
        assert_eq!(read_safetensors(&path).unwrap_err().code, ErrorCode::Checkpoint);
    }

    #[test]
    fn rejects_overlapping_tensors_and_gaps() {
        let pair = |begin, end| {
            format!("{{{},{}}}", entry("a", "U8", "[4]", 0, 4), entry("b", "U8", "[4]", begin, end))
        };
        assert!(read(&pair(4, 8), &[0; 8]).is_ok());
        for (begin, end) in [(0, 4), (2, 6), (5, 9), (8, 4), (4, u64::MAX)] {
            error_message(&pair(begin, end), &[0; 8]);
        }
    }

    #[test]
    fn rejects_duplicate_keys() {
        let (a, metadata) = (entry("a", "U8", "[0]", 0, 0), r#""__metadata__":{"k":"1"}"#);
        assert!(read(&format!("{{{metadata},{a}}}"), b"").is_ok());
        assert!(error_message(&format!("{{{a},{a}}}"), b"").contains("duplicate"));
        assert!(
            error_message(&format!("{{{metadata},{a},{metadata}}}"), b"").contains("duplicate")
        );
        let inner = r#"{"__metadata__":{"k":"1","k":"2"}}"#;
        assert!(error_message(inner, b"").contains("duplicate"));
        let field = r#"{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}"#;
        assert!(error_message(field, b"").contains("duplicate"));
    }

    #[test]
    fn rejects_long_names_without_repeating_them() {
        let header = |length| format!("{{{}}}", entry(&"n".repeat(length), "U8", "[0]", 0, 0));
        assert_eq!(read(&header(MAX_NAME_LEN), b"").unwrap().len(), 1);
        for length in [MAX_NAME_LEN + 1, 8 << 20] {
            let message = error_message(&header(length), b"");
            assert!(message.ends_with(&format!("name of {length} bytes")), "{length}");
        }
    }

    #[test]
    fn rejects_malformed_headers() {
        for header in [
            "{",
            "{}}",
            r#"{"a":1}"#,
            r#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}"#,
            r#"{"a":{"dtype":"U8","shape":[1e3],"data_offsets":[0,0]}}"#,
            r#"{"a":{"dtype":"X9","shape":[],"data_offsets":[0,0]}}"#,
            r#"{"__metadata__":{"k":1}}"#,
            "{\"a\":[[[[[[",
            "{\"\u{0}",
        ] {
            error_message(header, b"");
        }
        error_message(&format!("{{\"a\":{}", "[".repeat(100_000)), b"");
    }

    #[test]
    fn names_an_unsupported_dtype() {
        let message = error_message(&format!("{{{}}}", entry("a", "F8_E4M3", "[1]", 0, 1)), b"1");
        assert!(message.ends_with("`a` has the unsupported dtype F8_E4M3"), "{message}");
    }
}
