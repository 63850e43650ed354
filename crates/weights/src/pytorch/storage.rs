//! The storages of a file: untyped blocks of tensor data that tensors refer to.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use residual_pickle::{Value, printable};

use crate::tensor::{DType, MAX_NAME_LEN};

/// A byte range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub offset: u64,
    pub len: u64,
}

/// The data of a storage in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageData {
    Stored(ByteRange),
    /// Data compressed by deflate, with its length in bytes and its CRC-32 after decompression.
    Deflated {
        range: ByteRange,
        len: u64,
        crc: u32,
    },
}

impl StorageData {
    /// Returns the length in bytes after decompression.
    pub fn len(&self) -> u64 {
        match self {
            StorageData::Stored(range) => range.len,
            StorageData::Deflated { len, .. } => *len,
        }
    }
}

/// The storages of a file by key. All ranges are within the file.
pub(crate) struct Storages {
    file: BufReader<File>,
    data: HashMap<String, StorageData>,
    /// The key and the content of the storage that was decompressed last: several tensors may be
    /// views of one storage.
    inflated: Option<(String, Vec<u8>)>,
}

impl Storages {
    pub fn new(file: BufReader<File>, data: HashMap<String, StorageData>) -> Storages {
        Storages { file, data, inflated: None }
    }

    /// Returns the data of a storage.
    pub fn get(&self, key: &str) -> Option<StorageData> {
        self.data.get(key).copied()
    }

    /// Returns the length in bytes of all compressed storages after decompression.
    pub fn inflated_len(&self) -> u64 {
        let is_deflated = |data: &&StorageData| matches!(data, StorageData::Deflated { .. });
        self.data.values().filter(is_deflated).map(StorageData::len).sum()
    }

    /// Returns the number of bytes that [`read`](Self::read) would decompress.
    pub fn bytes_to_inflate(&self, key: &str) -> u64 {
        match self.data.get(key) {
            Some(StorageData::Deflated { len, .. }) if !self.is_inflated(key) => *len,
            _ => 0,
        }
    }

    fn is_inflated(&self, key: &str) -> bool {
        self.inflated.as_ref().is_some_and(|(inflated, _)| inflated == key)
    }

    /// Reads `length` bytes at `offset` of the storage `key`, which must be within the storage.
    pub fn read(&mut self, key: &str, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        match self.data[key] {
            StorageData::Stored(range) => {
                self.file.seek(SeekFrom::Start(range.offset + offset))?;
                read_exactly(&mut self.file, length)
            }
            StorageData::Deflated { range, len, crc } => {
                if !self.is_inflated(key) {
                    self.inflated = None; // free its memory first
                    let bytes = inflate(&mut self.file, range, len, crc)?;
                    self.inflated = Some((key.into(), bytes));
                }
                let (_, bytes) = self.inflated.as_ref().expect("the storage was decompressed");
                let range = offset as usize..offset as usize + length;
                Ok(bytes.get(range).ok_or(ErrorKind::UnexpectedEof)?.to_vec())
            }
        }
    }
}

/// Reads `length` bytes.
fn read_exactly(file: &mut impl Read, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length)?;
    file.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// Decompresses a range of a file to `len` bytes, and verifies its CRC-32.
pub(crate) fn inflate(
    file: &mut BufReader<File>,
    range: ByteRange,
    len: u64,
    crc: u32,
) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(range.offset))?;
    // The declared length is not trusted: memory grows with the data that is decompressed.
    let mut bytes = Vec::new();
    DeflateDecoder::new(file.take(range.len)).take(len + 1).read_to_end(&mut bytes)?;
    let mut sum = Crc::new();
    sum.update(&bytes);
    if bytes.len() as u64 == len && sum.sum() == crc {
        Ok(bytes)
    } else {
        Err(Error::new(ErrorKind::InvalidData, "the checksum of its compressed data is wrong"))
    }
}

/// A pickle's persistent reference to a storage:
/// `('storage', torch.FloatStorage, key, device, count)`. The legacy format adds a view of the
/// storage: `(view key, offset, count)` or `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageRef<'p> {
    /// Name of the storage class, such as `torch.FloatStorage`.
    pub class: &'p str,
    pub key: &'p str,
    /// Number of elements of the storage.
    pub count: u64,
    /// Offset and number of elements of the view.
    pub view: (u64, u64),
}

impl<'p> StorageRef<'p> {
    /// Parses a persistent id.
    ///
    /// # Errors
    /// A description of the problem, for a message that starts with the path.
    pub fn read(id: Value<'p>) -> Result<StorageRef<'p>, String> {
        let parts: Vec<Value> =
            id.as_items().map(|parts| parts.take(7).collect()).unwrap_or_default();
        let (tag, class, key, count, view) = match parts[..] {
            [tag, class, key, _device, count] => (tag, class, key, count, None),
            [tag, class, key, _device, count, view] if view.is_none() => {
                (tag, class, key, count, None)
            }
            [tag, class, key, _device, count, view] => (tag, class, key, count, Some(view)),
            _ => return Err("has a malformed storage reference".into()),
        };
        if tag.as_str() != Some("storage") {
            return Err("has a persistent reference to something other than a storage".into());
        }
        let class = class.as_global().unwrap_or("an unknown class");
        let key = key.as_str().ok_or("has a storage key that is not a string")?;
        if key.len() > MAX_NAME_LEN {
            return Err(format!("has a storage key of {} bytes", key.len()));
        }
        let number = |value: Value| {
            let number = value.as_int().and_then(|number| u64::try_from(number).ok());
            number.ok_or_else(|| format!("has a storage '{}' with an invalid size", printable(key)))
        };
        let count = number(count)?;
        let view = match view
            .map(|view| view.as_items().map(|view| view.take(4).collect::<Vec<_>>()))
        {
            None => (0, count),
            Some(Some(view)) if view.len() == 3 => (number(view[1])?, number(view[2])?),
            Some(_) => {
                return Err(format!("has a storage '{}' with a malformed view", printable(key)));
            }
        };
        if view.0.checked_add(view.1).is_none_or(|end| end > count) {
            return Err(format!("has a storage '{}' with a view that exceeds it", printable(key)));
        }
        Ok(StorageRef { class, key, count, view })
    }

    /// Returns the type of the elements.
    ///
    /// # Errors
    /// A description of the problem, for a message that starts with the path.
    pub fn dtype(&self) -> Result<DType, String> {
        let unsupported =
            || format!("has a storage of the unsupported type {}", printable(self.class));
        dtype(self.class).ok_or_else(unsupported)
    }

    /// Returns the size of an element in bytes; `None` for an unknown class.
    pub fn element_size(&self) -> Option<u64> {
        let size = match self.class {
            "torch.ComplexDoubleStorage" => 16,
            "torch.ComplexFloatStorage" => 8,
            "torch.ComplexHalfStorage" | "torch.QInt32Storage" => 4,
            "torch.QInt8Storage"
            | "torch.QUInt8Storage"
            | "torch.UntypedStorage"
            | "torch.storage.UntypedStorage" => 1,
            class => dtype(class)?.size() as u64,
        };
        Some(size)
    }
}

/// Returns the dtype of a storage class.
fn dtype(class: &str) -> Option<DType> {
    Some(match class {
        "torch.DoubleStorage" => DType::F64,
        "torch.FloatStorage" => DType::F32,
        "torch.HalfStorage" => DType::F16,
        "torch.BFloat16Storage" => DType::Bf16,
        "torch.LongStorage" => DType::I64,
        "torch.IntStorage" => DType::I32,
        "torch.ShortStorage" => DType::I16,
        "torch.CharStorage" => DType::I8,
        "torch.ByteStorage" => DType::U8,
        "torch.BoolStorage" => DType::Bool,
        _ => return None,
    })
}
