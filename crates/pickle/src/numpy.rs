//! NumPy's arrays in a pickle.

use crate::Value;

/// An array's numbers as they lie in the pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array<'p> {
    /// NumPy's type without its byte order: `u1`, `f4`, `i8`.
    pub dtype: &'p str,
    /// Whether numbers of more than a byte have their most significant byte first.
    pub big_endian: bool,
    pub shape: Vec<usize>,
    /// Whether the first dimension is innermost, as in Fortran.
    pub fortran: bool,
    /// As many bytes as type and shape say.
    pub bytes: &'p [u8],
}

impl<'p> Value<'p> {
    /// An array, if it is a whole one of plain numbers.
    pub fn as_array(self) -> Option<Array<'p>> {
        let (function, arguments) = self.as_object()?;
        let (shape, dtype, fortran, bytes) = match function {
            "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => {
                // (version, shape, dtype, is Fortran's, bytes)
                let [_, shape, dtype, fortran, bytes] = exactly(self.state()?)?;
                let flag = fortran.as_bool().or(fortran.as_int().map(|flag| flag != 0))?;
                (shape, dtype, flag, bytes)
            }
            // Protocol 5.
            "numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer" => {
                let [bytes, dtype, shape, order] = arguments[..] else { return None };
                (shape, dtype, order.as_text()? == "F", bytes)
            }
            _ => return None,
        };
        let sizes = shape.as_items()?.map(|size| usize::try_from(size.as_int()?).ok());
        let shape: Vec<usize> = sizes.collect::<Option<_>>()?;
        let (dtype, big_endian) = number_type(dtype)?;
        let size: usize = dtype[1..].parse().ok()?;
        let bytes = bytes.as_bytes()?;
        let wanted = shape.iter().try_fold(size, |product, &n| product.checked_mul(n))?;
        (bytes.len() == wanted).then_some(Array { dtype, big_endian, shape, fortran, bytes })
    }
}

fn exactly<const N: usize>(value: Value<'_>) -> Option<[Value<'_>; N]> {
    let items = value.as_items()?;
    (items.len() == N).then(|| items.collect::<Vec<_>>().try_into().ok())?
}

/// `numpy.dtype('u1', 0, 1)` with the state `(3, '|', None, None, None, -1, -1, 0)`.
fn number_type(dtype: Value<'_>) -> Option<(&str, bool)> {
    let (function, arguments) = dtype.as_object()?;
    let name = arguments.first()?.as_text()?;
    let plain = name.len() >= 2
        && name.starts_with(['b', 'u', 'i', 'f'])
        && matches!(&name[1..], "1" | "2" | "4" | "8");
    let state: Vec<Value> = dtype.state()?.as_items()?.take(4).collect();
    let [_, order, subtype, names] = state[..] else { return None };
    let usual = function == "numpy.dtype" && plain && subtype.is_none() && names.is_none();
    usual.then_some((name, order.as_text()? == ">"))
}
