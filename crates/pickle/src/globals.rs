//! The globals that a pickle may refer to. No Python code of them is executed.

/// Meaning of an allowed global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AllowedGlobal {
    /// A dict type, called with a dict or with pairs.
    Dict,
    /// A dict type whose first argument is the default factory.
    DefaultDict,
    List,
    Tuple,
    Set,
    /// `_codecs.encode(text, 'latin1')`, as Python 3 writes bytes in protocols 0 to 2.
    Encode,
    Bytes,
    /// A global whose calls are recorded with their arguments, such as an array, a tensor or a
    /// storage class.
    Opaque,
}

/// Returns the meaning of `module.name`, or `None` if the global is not allowed.
pub(crate) fn allowed_global(module: &str, name: &str) -> Option<AllowedGlobal> {
    Some(match (module, name) {
        ("collections", "OrderedDict" | "Counter") => AllowedGlobal::Dict,
        ("collections", "defaultdict") => AllowedGlobal::DefaultDict,
        ("_codecs", "encode") => AllowedGlobal::Encode,
        ("builtins" | "__builtin__", name) => match name {
            "dict" => AllowedGlobal::Dict,
            "list" => AllowedGlobal::List,
            "tuple" => AllowedGlobal::Tuple,
            "set" | "frozenset" => AllowedGlobal::Set,
            "bytes" | "bytearray" => AllowedGlobal::Bytes,
            "int" | "long" | "float" | "str" | "unicode" | "bool" | "object" => {
                AllowedGlobal::Opaque
            }
            _ => return None,
        },
        ("copyreg" | "copy_reg", "_reconstructor")
        | ("argparse", "Namespace")
        | ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct" | "scalar")
        | ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer")
        | ("numpy", "ndarray" | "dtype")
        | (
            "torch._utils",
            "_rebuild_tensor"
            | "_rebuild_tensor_v2"
            | "_rebuild_parameter"
            | "_rebuild_parameter_with_state",
        )
        | ("torch.nn.parameter", "Parameter")
        | ("torch.storage", "TypedStorage" | "_TypedStorage" | "UntypedStorage") => {
            AllowedGlobal::Opaque
        }
        ("torch", name) => match name {
            "Size" | "device" | "Tensor" => AllowedGlobal::Opaque,
            // Dtypes and storage classes.
            "float16" | "bfloat16" | "float32" | "float64" | "uint8" | "int8" | "int16"
            | "int32" | "int64" | "bool" => AllowedGlobal::Opaque,
            "HalfStorage" | "BFloat16Storage" | "FloatStorage" | "DoubleStorage"
            | "ByteStorage" | "CharStorage" | "ShortStorage" | "IntStorage" | "LongStorage"
            | "BoolStorage" | "UntypedStorage" => AllowedGlobal::Opaque,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_globals_that_can_execute_code() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("subprocess", "Popen"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("builtins", "getattr"),
            ("__builtin__", "__import__"),
            ("torch", "load"),
            ("torch.storage", "_load_from_bytes"),
            ("numpy", "load"),
            ("collections", "OrderedDict.clear"),
            ("", ""),
        ] {
            assert_eq!(allowed_global(module, name), None, "{module}.{name}");
        }
    }
}
