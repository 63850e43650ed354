//! Limits on the cost of a pickle.

/// Limits on one pickle. Memory and time are at most a small multiple of them, even for a malicious
/// pickle.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum nesting depth.
    pub depth: u16,
    /// Maximum number of values that are pushed on the stack.
    pub values: usize,
    /// Maximum total size of all strings in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// Suffices for every state dict: the one of ResNet-1202 has about 200,000 values.
    fn default() -> Self {
        Limits { depth: 64, values: 1 << 20, bytes: 64 << 20 }
    }
}
