//! Memory that ran out, on whatever device, told apart from every other failure.
//!
//! libtorch throws a type of its own for it, which is lost on the way through tch: there, an exception
//! is its text. So whoever finds no memory says so here, before it throws.

use std::sync::atomic::{AtomicBool, Ordering};

/// Not one of each thread: a backward pass asks for memory on threads of libtorch's.
static RAN_OUT: AtomicBool = AtomicBool::new(false);

/// Called by the allocators, on any thread.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn residual_memory_ran_out() {
    RAN_OUT.store(true, Ordering::Relaxed);
}

/// Whether memory ran out since this was asked last.
pub(crate) fn ran_out() -> bool {
    RAN_OUT.swap(false, Ordering::Relaxed)
}

/// Forgets that memory ran out where nothing failed of it: cuDNN tries kernels that need too much,
/// and takes others.
pub fn clear_out_of_memory() {
    ran_out();
}

#[cfg(test)]
mod tests {
    use crate::{torch_error, use_huge_pages};
    use residual_spec::ErrorCode;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn memory_that_ran_out_is_told_apart_from_other_failures() {
        use_huge_pages();
        let of =
            |size: i64| Tensor::f_empty([size], (Kind::Float, Device::Cpu)).map_err(torch_error);
        assert_eq!(of(1 << 50).unwrap_err().code, ErrorCode::Memory);
        assert_eq!(of(-1).unwrap_err().code, ErrorCode::Torch);
    }
}
