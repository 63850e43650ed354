//! Limits on the cost of a pickle.

/// Limits on one pickle. They bound memory and time, even for a malicious pickle.
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
    /// Returns limits for state dicts. The state dict of ResNet-1202 has about 200,000 values.
    fn default() -> Self {
        Limits { depth: 64, values: 1 << 20, bytes: 64 << 20 }
    }
}
