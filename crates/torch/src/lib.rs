//! Safe Rust for the parts of libtorch that tch does not bind.

mod address_ranges;
mod batch_norm;
mod convolution;
pub mod cuda;
mod cuda_graph;
pub mod distributed;
mod folded_conv;
mod foreach_ops;
mod fused_optimizer;
mod huge_page_allocator;
mod out_of_memory;
#[cfg(feature = "recorder")]
mod recorder;

pub use batch_norm::BatchNorm;
pub use convolution::{Conv3x3Output, conv2d_3x3, supports_conv2d_3x3};
pub use cuda_graph::CudaGraph;
pub use folded_conv::{ConvParams, FoldedConv, add_relu};
pub use foreach_ops::{
    foreach_add, foreach_clamp, foreach_copy, foreach_lerp, foreach_mul, foreach_mul_tensor,
    foreach_norm, foreach_unscale,
};
pub use fused_optimizer::{FusedAdam, FusedSgd, OptimizerScalars};
pub use huge_page_allocator::{empty_cache, use_huge_pages};
pub use out_of_memory::clear_out_of_memory;

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

use residual_spec::{Error, ErrorCode, Result};
use tch::kind::Element;
use tch::{Device, TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn residual_last_error() -> *const c_char;
    fn residual_torch_version() -> *const c_char;
    fn residual_cpu_capability() -> *const c_char;
    fn residual_configure_malloc();
    fn residual_tensor_from_shared(
        values: *const f32,
        count: i64,
        owner: *const c_void,
        release: unsafe extern "C" fn(*const c_void),
        output: *mut *mut C_tensor,
    ) -> bool;
    fn residual_channels_last(input: *const C_tensor, output: *mut *mut C_tensor) -> bool;
}

/// Converts a libtorch exception to an error with the first line of its message. The other lines
/// are a C++ stack trace.
pub fn torch_error(cause: TchError) -> Error {
    error_from_message(&cause.to_string())
}

fn error_from_message(message: &str) -> Error {
    let first_line =
        message.lines().find(|line| !line.trim().is_empty()).unwrap_or("libtorch failed");
    // Without `use_huge_pages`, libtorch's default allocator names itself in its error message.
    if out_of_memory::take_out_of_memory() || message.contains("DefaultCPUAllocator") {
        Error::new(ErrorCode::Memory, first_line.trim()).hint(memory_hint())
    } else {
        Error::new(ErrorCode::Torch, first_line.trim())
    }
}

fn memory_hint() -> &'static str {
    if has_address_space_limit() {
        "Raise the limit of address space, for example with `ulimit -v unlimited`, or choose a \
         smaller `batchSize`, network or `data.imageSize`."
    } else {
        "Choose a smaller `batchSize`, network or `data.imageSize`."
    }
}

#[cfg(unix)]
fn has_address_space_limit() -> bool {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a valid place for the result.
    let is_known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0;
    is_known && limit.rlim_cur != libc::RLIM_INFINITY
}

#[cfg(not(unix))]
fn has_address_space_limit() -> bool {
    false
}

/// Converts the status of a shim function to a `Result` with the message of its exception.
fn check(is_ok: bool) -> Result<()> {
    if is_ok {
        return Ok(());
    }
    // SAFETY: the message is a thread-local C string that is valid until the next shim call.
    Err(error_from_message(&unsafe { string_from_c(residual_last_error()) }))
}

/// Returns the tensor that `call`, a shim function, writes to its output argument.
fn new_tensor(call: impl FnOnce(*mut *mut C_tensor) -> bool) -> Result<Tensor> {
    let mut output = std::ptr::null_mut();
    check(call(&mut output))?;
    // SAFETY: the tensor is new and has no other owner.
    Ok(unsafe { Tensor::from_ptr(output) })
}

fn tensor_ptrs(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(Tensor::as_ptr).collect()
}

/// Returns the pointer to a tensor, or null for `None`.
fn optional_ptr(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(std::ptr::null(), Tensor::as_ptr)
}

/// Returns the pointer to a tensor, out of which the shim may move it, or null for `None`.
fn optional_ptr_mut(tensor: &mut Option<Tensor>) -> *mut C_tensor {
    tensor.as_mut().map_or(std::ptr::null_mut(), Tensor::as_mut_ptr)
}

/// # Safety
/// `string` must end with NUL.
unsafe fn string_from_c(string: *const c_char) -> String {
    // SAFETY: the caller guarantees the NUL.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

/// Returns the version of libtorch that the shim is compiled with, such as `2.11.0`.
pub fn version() -> String {
    // SAFETY: the shim returns a constant.
    unsafe { string_from_c(residual_torch_version()) }
}

/// Returns the instruction set of the kernels that ATen selected: `AVX512`, `AVX2` or `DEFAULT`.
pub fn cpu_capability() -> String {
    // SAFETY: the shim returns a static string.
    unsafe { string_from_c(residual_cpu_capability()) }
}

/// Configures malloc to keep freed memory, so that the next step causes no page faults.
pub fn configure_malloc() {
    // SAFETY: the function only sets options of malloc.
    unsafe { residual_configure_malloc() }
}

/// Creates a one-dimensional tensor on a device. The copy to a CUDA device is asynchronous
/// ([`cuda::copy_to_device`]).
pub fn tensor_from_slice<T: Element>(device: Device, values: &[T]) -> Result<Tensor> {
    if device == Device::Cpu {
        Tensor::f_from_slice(values).map_err(torch_error)
    } else {
        cuda::copy_to_device(values)
    }
}

/// Creates a one-dimensional tensor of shared values. On the CPU, the tensor borrows the values and
/// keeps them alive; it must not be written to.
pub fn tensor_from_shared(device: Device, values: &Arc<Vec<f32>>) -> Result<Tensor> {
    if device != Device::Cpu {
        return cuda::copy_to_device(values);
    }
    // SAFETY: the values stay in place until the last tensor that borrows them calls `release`.
    new_tensor(|output| unsafe {
        let owner = Arc::into_raw(Arc::clone(values)).cast();
        residual_tensor_from_shared(values.as_ptr(), values.len() as i64, owner, release, output)
    })
}

/// # Safety
/// `owner` must be the result of `Arc::<Vec<f32>>::into_raw` and is consumed.
unsafe extern "C" fn release(owner: *const c_void) {
    // SAFETY: the caller guarantees the origin of `owner`.
    drop(unsafe { Arc::from_raw(owner.cast::<Vec<f32>>()) });
}

/// Converts a 4-dimensional tensor to channels_last (NHWC in memory).
pub fn channels_last(tensor: &Tensor) -> Result<Tensor> {
    // SAFETY: `tensor` is alive.
    new_tensor(|output| unsafe { residual_channels_last(tensor.as_ptr(), output) })
}

/// Returns whether a tensor `[n, channels, h, w]` is contiguous in channels_last.
fn is_channels_last(tensor: &Tensor) -> bool {
    let (size, stride) = (tensor.size(), tensor.stride());
    size.len() == 4 && stride == [size[1] * size[2] * size[3], 1, size[1] * size[3], size[1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn tensor_from_shared_borrows_the_values_and_keeps_them_alive() {
        let values = Arc::new(vec![1.5f32, -2.0, 3.0]);
        let tensor = tensor_from_shared(Device::Cpu, &values).unwrap();
        assert_eq!(tensor.data_ptr().cast_const().cast(), values.as_ptr());
        let view = tensor.narrow(0, 1, 2);
        drop(tensor);
        assert_eq!(Arc::strong_count(&values), 2);
        let weak = Arc::downgrade(&values);
        drop(values);
        assert_eq!(Vec::<f32>::try_from(&view).unwrap(), [-2.0, 3.0]);
        drop(view);
        assert_eq!(weak.strong_count(), 0);
        assert_eq!(tensor_from_shared(Device::Cpu, &Arc::default()).unwrap().size(), [0]);
    }

    #[test]
    fn channels_last_changes_only_the_memory_layout() {
        let tensor = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([1, 2, 3, 4]);
        let converted = channels_last(&tensor).unwrap();
        assert_eq!(converted.stride(), [24, 1, 8, 2]);
        assert!(bool::try_from(converted.eq_tensor(&tensor).all()).unwrap());
    }

    #[test]
    fn libtorch_exceptions_become_errors() {
        let vector = Tensor::zeros([3], (Kind::Float, Device::Cpu));
        let error = channels_last(&vector).unwrap_err();
        assert_eq!(error.code, ErrorCode::Torch);
        assert!(!error.message.contains('\n'));
    }

    #[test]
    fn version_is_2_11_0() {
        assert!(version().starts_with("2.11.0"), "{}", version());
    }
}
