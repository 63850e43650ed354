//! Where the numbers of tensors lie in a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use residual_pickle::Value;

use super::rebuild_tensor::shown;
use crate::tensor::{DType, MAX_NAME_LEN};

/// A file's storages by their keys: where each begins, and how many bytes it has. Every one lies
/// within the file.
pub(crate) struct Storages {
    pub file: BufReader<File>,
    pub places: HashMap<String, (u64, u64)>,
}

impl Storages {
    /// `length` bytes of a storage from `begin` on; both within it.
    pub fn read(&mut self, place: u64, begin: u64, length: usize) -> std::io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(place + begin))?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length)?;
        self.file.by_ref().take(length as u64).read_to_end(&mut bytes)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// How a pickle speaks of a storage:
/// `('storage', torch.FloatStorage, key, 'cpu', numbers)`, and in the older format a part of one:
/// `(key of the part, begin, numbers)`, or None.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageRef<'p> {
    pub dtype: DType,
    pub key: &'p str,
    /// Numbers of the whole storage.
    pub numbers: u64,
    /// Where in it this one begins, and how many numbers it has.
    pub part: (u64, u64),
}

impl<'p> StorageRef<'p> {
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(name: Value<'p>) -> Result<StorageRef<'p>, String> {
        let parts: Vec<Value> =
            name.as_items().map(|parts| parts.take(7).collect()).unwrap_or_default();
        let (tag, class, key, numbers, part) = match parts[..] {
            [tag, class, key, _device, numbers] => (tag, class, key, numbers, None),
            [tag, class, key, _device, numbers, part] if part.is_none() => {
                (tag, class, key, numbers, None)
            }
            [tag, class, key, _device, numbers, part] => (tag, class, key, numbers, Some(part)),
            _ => return Err("speaks of a storage in a way that PyTorch does not".into()),
        };
        if tag.as_text() != Some("storage") {
            return Err("speaks of something outside it that is no storage".into());
        }
        let class = class.as_global().unwrap_or("something");
        let dtype =
            dtype(class).ok_or_else(|| format!("has a storage of the type {}", shown(class)))?;
        let key = key.as_text().ok_or("has a storage whose name is no text")?;
        if key.len() > MAX_NAME_LEN {
            return Err("has a storage whose name is no name".into());
        }
        let count = |value: Value| {
            let count = value.as_int().and_then(|count| u64::try_from(count).ok());
            count.ok_or_else(|| format!("has a storage '{key}' of impossible size"))
        };
        let numbers = count(numbers)?;
        let part = match part
            .map(|part| part.as_items().map(|part| part.take(4).collect::<Vec<_>>()))
        {
            None => (0, numbers),
            Some(Some(part)) if part.len() == 3 => (count(part[1])?, count(part[2])?),
            Some(_) => return Err(format!("has a storage '{key}' of which no part can be found")),
        };
        if part.0.checked_add(part.1).is_none_or(|end| end > numbers) {
            return Err(format!("has a storage '{key}' whose part goes beyond its end"));
        }
        Ok(StorageRef { dtype, key, numbers, part })
    }

    /// Bytes of the whole storage; None beyond 64 bits.
    pub fn bytes(&self) -> Option<u64> {
        self.numbers.checked_mul(self.dtype.size() as u64)
    }
}

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
