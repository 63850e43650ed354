//! The globals whose calls are evaluated. They create built-in containers and bytes; calls of all
//! other globals are recorded and never executed.

/// Evaluated constructor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constructor {
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
}

/// Returns the constructor of a global, or `None` if calls of the global are recorded.
pub(crate) fn find_constructor(global: &str) -> Option<Constructor> {
    match global {
        "collections.OrderedDict" | "collections.Counter" => Some(Constructor::Dict),
        "collections.defaultdict" => Some(Constructor::DefaultDict),
        "_codecs.encode" => Some(Constructor::Encode),
        _ => {
            let builtin =
                global.strip_prefix("builtins.").or(global.strip_prefix("__builtin__."))?;
            match builtin {
                "dict" => Some(Constructor::Dict),
                "list" => Some(Constructor::List),
                "tuple" => Some(Constructor::Tuple),
                "set" | "frozenset" => Some(Constructor::Set),
                "bytes" | "bytearray" => Some(Constructor::Bytes),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluates_only_containers_and_bytes() {
        assert_eq!(find_constructor("builtins.dict"), Some(Constructor::Dict));
        assert_eq!(find_constructor("__builtin__.bytearray"), Some(Constructor::Bytes));
        for global in [
            "os.system",
            "builtins.eval",
            "builtins.getattr",
            "__builtin__.__import__",
            "builtins.dict.clear",
            "collections.OrderedDict.clear",
            "torch.storage._load_from_bytes",
            "dict",
            "",
        ] {
            assert_eq!(find_constructor(global), None, "{global}");
        }
    }
}
