//! What tch lacks, behind safe Rust.

mod address_ranges;
mod batch_norm;
mod convolution;
pub mod cuda;
mod cuda_graph;
mod folded_conv;
mod huge_page_allocator;
mod out_of_memory;
#[cfg(feature = "recorder")]
mod recorder;

pub use batch_norm::BatchNorm;
pub use convolution::{Conv3x3Output, conv2d_3x3, supports_conv2d_3x3};
pub use cuda_graph::CudaGraph;
pub use folded_conv::{ConvParams, FoldedConv, add_relu};
pub use huge_page_allocator::{empty_cache, use_huge_pages};
pub use out_of_memory::clear_out_of_memory;

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

use residual_spec::{Error, ErrorCode, Result};
use tch::kind::Element;
use tch::{Device, TchError, Tensor};
use torch_sys::C_tensor;

mod foreach_ops;
mod fused_optimizer;

pub use foreach_ops::{
    foreach_add, foreach_clamp, foreach_copy, foreach_lerp, foreach_mul, foreach_mul_tensor,
    foreach_norm, foreach_unscale,
};
pub use fused_optimizer::{FusedAdam, FusedSgd, OptimizerScalars};

unsafe extern "C" {
    fn residual_last_error() -> *const c_char;
    fn residual_torch_version() -> *const c_char;
    fn residual_cpu_capability() -> *const c_char;
    fn residual_keep_freed_memory();
    fn residual_shared(
        numbers: *const f32,
        count: i64,
        owner: *const c_void,
        forget: unsafe extern "C" fn(*const c_void),
        output: *mut *mut C_tensor,
    ) -> bool;
    fn residual_channels_last(input: *const C_tensor, output: *mut *mut C_tensor) -> bool;
}

/// A failure inside libtorch as an error of ours. Only its first line: the rest is a C++ stack.
pub fn torch_error(cause: TchError) -> Error {
    said(&cause.to_string())
}

fn said(text: &str) -> Error {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("libtorch failed");
    // The second is libtorch's own allocator, where ours is not in its place.
    match out_of_memory::ran_out() || text.contains("DefaultCPUAllocator") {
        true => Error::new(ErrorCode::Memory, first.trim())
            .hint("Choose a smaller `batchSize`, network or `data.imageSize`."),
        false => Error::new(ErrorCode::Torch, first.trim()),
    }
}

fn checked(done: bool) -> Result<()> {
    match done {
        true => Ok(()),
        // SAFETY: the shim's message lives in its thread until its next call on it.
        false => Err(said(&unsafe { text(residual_last_error()) })),
    }
}

/// The tensor that `make` writes to where it is told, and returns whether it did.
fn made(make: impl FnOnce(*mut *mut C_tensor) -> bool) -> Result<Tensor> {
    let mut output = std::ptr::null_mut();
    checked(make(&mut output))?;
    // SAFETY: a fresh tensor, of which we become the owner.
    Ok(unsafe { Tensor::from_ptr(output) })
}

fn pointers(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(Tensor::as_ptr).collect()
}

/// Null for none.
fn pointer(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(std::ptr::null(), Tensor::as_ptr)
}

/// The same, where what lies in the tensor may be taken out.
fn pointer_mut(tensor: &mut Option<Tensor>) -> *mut C_tensor {
    tensor.as_mut().map_or(std::ptr::null_mut(), Tensor::as_mut_ptr)
}

/// # Safety
/// `pointer` must be a string that ends with NUL.
unsafe fn text(pointer: *const c_char) -> String {
    CStr::from_ptr(pointer).to_string_lossy().into_owned()
}

/// The libtorch that this was compiled against: `2.11.0`.
pub fn version() -> String {
    // SAFETY: a constant.
    unsafe { text(residual_torch_version()) }
}

/// The level that ATen's own kernels run at: `AVX512`, `AVX2`, `DEFAULT`.
pub fn cpu_capability() -> String {
    // SAFETY: a static string of the shim.
    unsafe { text(residual_cpu_capability()) }
}

/// Lets freed memory stay with the process, so that the next step finds its pages in place.
pub fn configure_malloc() {
    // SAFETY: sets options of malloc.
    unsafe { residual_keep_freed_memory() }
}

/// Numbers as a tensor of one dimension on a device; for another one than the CPU they set out, and
/// nobody here waits for them ([`cuda::copy_to_device`]).
pub fn tensor_from_slice<T: Element>(device: Device, numbers: &[T]) -> Result<Tensor> {
    match device {
        Device::Cpu => Tensor::f_from_slice(numbers).map_err(torch_error),
        _ => cuda::copy_to_device(numbers),
    }
}

/// The same of numbers that others have, too: on the CPU the tensor lies in them, and keeps them as
/// long as it is there. It must not be written to.
pub fn tensor_from_shared(device: Device, numbers: &Arc<Vec<f32>>) -> Result<Tensor> {
    if device != Device::Cpu {
        return cuda::copy_to_device(numbers);
    }
    // SAFETY: the numbers stay where they are until `forget` is called, by whoever drops the last
    // tensor in them.
    made(|output| unsafe {
        let owner = Arc::into_raw(Arc::clone(numbers)).cast();
        residual_shared(numbers.as_ptr(), numbers.len() as i64, owner, forget, output)
    })
}

/// # Safety
/// `owner` must be of `Arc::<Vec<f32>>::into_raw`, and is given up.
unsafe extern "C" fn forget(owner: *const c_void) {
    drop(Arc::from_raw(owner.cast::<Vec<f32>>()));
}

/// The same 4-dimensional tensor with its channels innermost in memory (NHWC).
pub fn channels_last(tensor: &Tensor) -> Result<Tensor> {
    // SAFETY: `tensor` is alive.
    made(|output| unsafe { residual_channels_last(tensor.as_ptr(), output) })
}

/// Whether a tensor `[n, channels, h, w]` is one block of memory with its channels innermost.
fn is_channels_last(tensor: &Tensor) -> bool {
    let (size, stride) = (tensor.size(), tensor.stride());
    size.len() == 4 && stride == [size[1] * size[2] * size[3], 1, size[1] * size[3], size[1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn a_tensor_lies_in_shared_numbers_and_keeps_them() {
        let numbers = Arc::new(vec![1.5f32, -2.0, 3.0]);
        let tensor = tensor_from_shared(Device::Cpu, &numbers).unwrap();
        assert_eq!(tensor.data_ptr().cast_const().cast(), numbers.as_ptr());
        let part = tensor.narrow(0, 1, 2);
        drop(tensor);
        assert_eq!(Arc::strong_count(&numbers), 2);
        let gone = Arc::downgrade(&numbers);
        drop(numbers);
        assert_eq!(Vec::<f32>::try_from(&part).unwrap(), [-2.0, 3.0]);
        drop(part);
        assert_eq!(gone.strong_count(), 0);
        assert_eq!(tensor_from_shared(Device::Cpu, &Arc::default()).unwrap().size(), [0]);
    }

    #[test]
    fn channels_last_changes_the_order_in_memory_and_nothing_else() {
        let tensor = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([1, 2, 3, 4]);
        let last = channels_last(&tensor).unwrap();
        assert_eq!(last.stride(), [24, 1, 8, 2]);
        assert!(bool::try_from(last.eq_tensor(&tensor).all()).unwrap());
    }

    #[test]
    fn a_failure_in_libtorch_is_an_error_and_not_a_crash() {
        let flat = Tensor::zeros([3], (Kind::Float, Device::Cpu));
        let error = channels_last(&flat).unwrap_err();
        assert_eq!(error.code, ErrorCode::Torch);
        assert!(!error.message.contains('\n'));
    }

    #[test]
    fn the_version_is_the_pinned_one() {
        assert!(version().starts_with("2.11.0"), "{}", version());
    }
}
