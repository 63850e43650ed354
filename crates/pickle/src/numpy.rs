//! NumPy arrays in pickles.

use crate::Value;

/// NumPy array that borrows its elements from the pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array<'p> {
    /// NumPy dtype without byte order, such as `u1`, `f4` or `i8`.
    pub dtype: &'p str,
    /// Whether elements of several bytes are stored in big-endian order.
    pub big_endian: bool,
    pub shape: Vec<usize>,
    /// Whether elements are in column-major (Fortran) order.
    pub fortran_order: bool,
    /// The elements; the length matches `dtype` and `shape`.
    pub bytes: &'p [u8],
}

impl<'p> Value<'p> {
    /// Returns the value as an array, if it is a complete array of numbers.
    pub fn as_array(self) -> Option<Array<'p>> {
        let (function, arguments) = self.as_object()?;
        let (shape, dtype, fortran_order, bytes) = match function {
            "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => {
                // The state is (version, shape, dtype, is_fortran, bytes).
                let [_, shape, dtype, is_fortran, bytes] = exact_items(self.state()?)?;
                let is_fortran =
                    is_fortran.as_bool().or(is_fortran.as_int().map(|flag| flag != 0))?;
                (shape, dtype, is_fortran, bytes)
            }
            // Pickle protocol 5: _frombuffer(buffer, dtype, shape, order).
            "numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer" => {
                let [bytes, dtype, shape, order] = arguments[..] else { return None };
                (shape, dtype, order.as_str()? == "F", bytes)
            }
            _ => return None,
        };
        let sizes = shape.as_items()?.map(|size| usize::try_from(size.as_int()?).ok());
        let shape: Vec<usize> = sizes.collect::<Option<_>>()?;
        let (dtype, big_endian) = parse_dtype(dtype)?;
        let item_size: usize = dtype[1..].parse().ok()?;
        let bytes = bytes.as_bytes()?;
        let expected = shape.iter().try_fold(item_size, |product, &n| product.checked_mul(n))?;
        (bytes.len() == expected).then_some(Array {
            dtype,
            big_endian,
            shape,
            fortran_order,
            bytes,
        })
    }
}

fn exact_items<const N: usize>(value: Value<'_>) -> Option<[Value<'_>; N]> {
    let items = value.as_items()?;
    (items.len() == N).then(|| items.collect::<Vec<_>>().try_into().ok())?
}

/// Parses `numpy.dtype('u1', 0, 1)` with the state `(3, '|', None, None, None, -1, -1, 0)`. Returns
/// the name and whether the byte order is big-endian.
fn parse_dtype(dtype: Value<'_>) -> Option<(&str, bool)> {
    let (function, arguments) = dtype.as_object()?;
    let name = arguments.first()?.as_str()?;
    let is_number = name.len() >= 2
        && name.starts_with(['b', 'u', 'i', 'f'])
        && matches!(&name[1..], "1" | "2" | "4" | "8");
    let state: Vec<Value> = dtype.state()?.as_items()?.take(4).collect();
    let [_, order, subtype, names] = state[..] else { return None };
    let is_supported =
        function == "numpy.dtype" && is_number && subtype.is_none() && names.is_none();
    is_supported.then_some((name, order.as_str()? == ">"))
}
