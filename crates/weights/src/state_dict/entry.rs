//! Description of a saved tensor, before its data is read.

use residual_pickle::printable;

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorEntry {
    /// Path of the tensor in the file: the keys of the nested dictionaries and the name in the
    /// state_dict, joined by dots.
    pub name: String,
    /// Length in bytes of the part of `name` that consists of dictionary keys, with the last dot.
    pub dict_len: usize,
    pub shape: Vec<usize>,
}

impl TensorEntry {
    /// Returns the path of the state_dict that contains the tensor.
    pub fn dict(&self) -> &str {
        &self.name[..self.dict_len]
    }
}

/// Returns whether a tensor is batch norm's counter of batches. Only batch norm with `momentum=None`
/// uses its counter; no supported network has such a layer.
pub(crate) fn is_batch_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Lists names for a message, at most six.
pub(crate) fn list_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MAX_LISTED: usize = 6;
    let names: Vec<&str> = names.into_iter().collect();
    let listed: Vec<String> =
        names.iter().take(MAX_LISTED).map(|name| format!("`{}`", printable(name))).collect();
    match names.len().checked_sub(MAX_LISTED) {
        None | Some(0) => listed.join(", "),
        Some(more) => format!("{} and {more} more", listed.join(", ")),
    }
}
