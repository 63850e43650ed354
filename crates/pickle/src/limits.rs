//! What a pickle may cost.

/// Bounds for one pickle. Memory and time stay within a small multiple of them, whatever it says.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Values within values.
    pub depth: u16,
    /// Values, counted each time that one is put on the stack.
    pub values: usize,
    /// Bytes of all texts and byte strings together.
    pub bytes: usize,
}

impl Default for Limits {
    /// More than any network's description needs: ResNet-1202 has about 200,000 values.
    fn default() -> Self {
        Limits { depth: 64, values: 1 << 20, bytes: 64 << 20 }
    }
}
