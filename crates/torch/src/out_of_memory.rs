//! Detection of out-of-memory errors, on the CPU and on CUDA devices.
//!
//! libtorch throws `OutOfMemoryError`, but tch reduces an exception to its message. The allocators
//! therefore set a flag before they throw.

use std::sync::atomic::{AtomicBool, Ordering};

/// Global instead of thread-local, because the backward pass allocates on libtorch's threads.
static OUT_OF_MEMORY: AtomicBool = AtomicBool::new(false);

/// Sets the flag. Called by the allocators, on any thread.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn residual_set_out_of_memory() {
    OUT_OF_MEMORY.store(true, Ordering::Relaxed);
}

/// Clears the flag. Returns whether it was set.
pub(crate) fn take_out_of_memory() -> bool {
    OUT_OF_MEMORY.swap(false, Ordering::Relaxed)
}

/// Clears the flag after an operation that succeeded: cuDNN recovers from a failed allocation by
/// choosing an algorithm with a smaller workspace.
pub fn clear_out_of_memory() {
    take_out_of_memory();
}

#[cfg(test)]
mod tests {
    use crate::{torch_error, use_huge_pages};
    use residual_spec::ErrorCode;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn out_of_memory_is_distinguished_from_other_errors() {
        use_huge_pages();
        let allocate =
            |size: i64| Tensor::f_empty([size], (Kind::Float, Device::Cpu)).map_err(torch_error);
        assert_eq!(allocate(1 << 50).unwrap_err().code, ErrorCode::Memory);
        assert_eq!(allocate(-1).unwrap_err().code, ErrorCode::Torch);
    }
}
