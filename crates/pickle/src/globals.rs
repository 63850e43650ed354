//! The functions and classes that a pickle may name. None is ever called: a name that is here has
//! a meaning that can be read without Python, or is kept as a name and nothing more.

/// What naming one gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// A dictionary, made of pairs.
    Dict,
    /// A dictionary whose first argument is a factory.
    DefaultDict,
    List,
    Tuple,
    Set,
    /// `_codecs.encode(text, 'latin1')`: how Python 3 writes bytes for Python 2.
    Encode,
    Bytes,
    /// Kept with its arguments, for whoever knows it: an array, a tensor, a storage's type.
    Inert,
}

/// What `module.name` means, or None if it is refused.
pub(crate) fn known(module: &str, name: &str) -> Option<Known> {
    Some(match (module, name) {
        ("collections", "OrderedDict" | "Counter") => Known::Dict,
        ("collections", "defaultdict") => Known::DefaultDict,
        ("_codecs", "encode") => Known::Encode,
        ("builtins" | "__builtin__", name) => match name {
            "dict" => Known::Dict,
            "list" => Known::List,
            "tuple" => Known::Tuple,
            "set" | "frozenset" => Known::Set,
            "bytes" | "bytearray" => Known::Bytes,
            "int" | "long" | "float" | "str" | "unicode" | "bool" | "object" => Known::Inert,
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
        | ("torch.storage", "TypedStorage" | "_TypedStorage" | "UntypedStorage") => Known::Inert,
        ("torch", name) => match name {
            "Size" | "device" | "Tensor" => Known::Inert,
            // Types of numbers, and of storages of them.
            "float16" | "bfloat16" | "float32" | "float64" | "uint8" | "int8" | "int16"
            | "int32" | "int64" | "bool" => Known::Inert,
            "HalfStorage" | "BFloat16Storage" | "FloatStorage" | "DoubleStorage"
            | "ByteStorage" | "CharStorage" | "ShortStorage" | "IntStorage" | "LongStorage"
            | "BoolStorage" | "UntypedStorage" => Known::Inert,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_known() {
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
            assert_eq!(known(module, name), None, "{module}.{name}");
        }
    }
}
