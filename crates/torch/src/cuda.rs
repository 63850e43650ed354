//! CUDA functions that tch does not bind. Their C++ code (`cuda/`) is compiled to a separate
//! library, `residual-cuda.so`, so that nothing else depends on libtorch_cuda. The library is
//! loaded at run time; only training on CUDA requires it.

#[cfg(target_os = "linux")]
use std::ffi::CString;
use std::ffi::{c_char, c_int};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use residual_spec::{Error, ErrorCode, Result};
use tch::kind::Element;
use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::out_of_memory::residual_set_out_of_memory;
use crate::{error_from_message, string_from_c, torch_error};

/// Function table of residual-cuda.so: `Functions` of function_table.h.
#[repr(C)]
struct Functions {
    last_error: unsafe extern "C" fn() -> *const c_char,
    init: unsafe extern "C" fn(extern "C" fn()) -> bool,
    device_capability: unsafe extern "C" fn(*mut c_int, *mut c_int) -> bool,
    free_memory: unsafe extern "C" fn(*mut usize) -> bool,
    set_memory_fraction: unsafe extern "C" fn(f64) -> bool,
    empty_cache: unsafe extern "C" fn() -> bool,
    copy_to_device:
        unsafe extern "C" fn(*const C_tensor, *mut *mut C_tensor, *mut *mut CopyEvent) -> bool,
    wait_on_stream: unsafe extern "C" fn(*const C_tensor, *mut CopyEvent) -> bool,
    copy_to_host:
        unsafe extern "C" fn(*const C_tensor, *mut *mut C_tensor, *mut *mut CopyEvent) -> bool,
    synchronize: unsafe extern "C" fn(*mut CopyEvent) -> bool,
    free_event: unsafe extern "C" fn(*mut CopyEvent),
    begin_side_stream: unsafe extern "C" fn(*mut *mut SideStream) -> bool,
    end_side_stream: unsafe extern "C" fn(*mut SideStream) -> bool,
    begin_capture: unsafe extern "C" fn(*mut *mut GraphHandle) -> bool,
    end_capture: unsafe extern "C" fn(*mut GraphHandle) -> bool,
    replay: unsafe extern "C" fn(*mut GraphHandle) -> bool,
    free_graph: unsafe extern "C" fn(*mut GraphHandle),
}

/// `CopyEvent` of async_copy.cpp, opaque to Rust.
#[repr(C)]
struct CopyEvent([u8; 0]);

/// `SideStream` of graph.cpp, opaque to Rust.
#[repr(C)]
struct SideStream([u8; 0]);

/// `Graph` of graph.cpp, opaque to Rust.
#[repr(C)]
struct GraphHandle([u8; 0]);

static FUNCTIONS: OnceLock<&'static Functions> = OnceLock::new();
static INITIALIZED: Mutex<bool> = Mutex::new(false);
static UNAVAILABLE_REASON: OnceLock<String> = OnceLock::new();

/// Loads residual-cuda.so. libtorch_cuda must be loaded already.
///
/// # Errors
/// `E_DEVICE` with the dynamic linker's message.
pub fn load(path: &Path) -> Result<()> {
    if FUNCTIONS.get().is_some() {
        return Ok(());
    }
    let functions = load_functions(path)
        .map_err(|reason| Error::new(ErrorCode::Device, format!("{}: {reason}", path.display())))?;
    FUNCTIONS.get_or_init(|| functions);
    Ok(())
}

#[cfg(target_os = "linux")]
fn load_functions(path: &Path) -> std::result::Result<&'static Functions, String> {
    use std::os::unix::ffi::OsStrExt;

    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| "the path contains a NUL byte".to_string())?;
    let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: the library is never unloaded, and its function returns a static table.
    unsafe {
        let library = libc::dlopen(name.as_ptr(), flags);
        if library.is_null() {
            return Err(string_from_c(libc::dlerror()));
        }
        let symbol = libc::dlsym(library, c"residual_cuda_function_table".as_ptr());
        if symbol.is_null() {
            return Err("the library has no residual_cuda_function_table".into());
        }
        let function_table: extern "C" fn() -> *const Functions = std::mem::transmute(symbol);
        Ok(&*function_table())
    }
}

#[cfg(not(target_os = "linux"))]
fn load_functions(_: &Path) -> std::result::Result<&'static Functions, String> {
    Err("CUDA is supported on Linux only".into())
}

/// Stores why CUDA is unavailable although a driver and the libraries exist.
pub fn set_unavailable_reason(reason: String) {
    UNAVAILABLE_REASON.get_or_init(|| reason);
}

/// Returns the reason that [`set_unavailable_reason`] stored.
pub fn unavailable_reason() -> Option<&'static str> {
    UNAVAILABLE_REASON.get().map(String::as_str)
}

/// Returns whether residual-cuda.so is loaded and libtorch finds a CUDA device.
pub fn is_available() -> bool {
    FUNCTIONS.get().is_some() && tch::Cuda::is_available()
}

/// Returns the compute capability of the device, `(8, 6)` for 8.6, or `None` if there is no device
/// or the query fails.
pub fn device_capability() -> Option<(i32, i32)> {
    if !is_available() {
        return None;
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the function writes two integers.
    let is_ok = unsafe { (functions().ok()?.device_capability)(&mut major, &mut minor) };
    is_ok.then_some((major, minor))
}

/// Returns the free bytes of the device's memory, or `None` if there is no device or the query
/// fails.
pub fn free_memory() -> Option<u64> {
    if !is_available() {
        return None;
    }
    let mut bytes = 0;
    // SAFETY: the function writes an integer.
    let is_ok = unsafe { (functions().ok()?.free_memory)(&mut bytes) };
    is_ok.then_some(bytes as u64)
}

fn functions() -> Result<&'static Functions> {
    let not_loaded = || Error::new(ErrorCode::Device, "CUDA is not loaded in this process");
    FUNCTIONS.get().copied().ok_or_else(not_loaded)
}

impl Functions {
    fn check(&self, is_ok: bool) -> Result<()> {
        if is_ok {
            return Ok(());
        }
        // SAFETY: the message is a thread-local C string that is valid until the next call.
        Err(error_from_message(&unsafe { string_from_c((self.last_error)()) }))
    }
}

/// Initializes the device: detects out-of-memory errors, and enables cuDNN's benchmark mode and
/// TF32 for fp32 matrix products and convolutions. Later calls have no effect.
///
/// # Errors
/// `E_DEVICE` if CUDA is not loaded; `E_TORCH`.
pub fn init() -> Result<()> {
    let functions = functions()?;
    let mut initialized = INITIALIZED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*initialized {
        // SAFETY: the callback is a static function.
        functions.check(unsafe { (functions.init)(residual_set_out_of_memory) })?;
        tch::Cuda::cudnn_set_benchmark(true);
        allow_tf32(true);
        *initialized = true;
    }
    Ok(())
}

unsafe extern "C" {
    fn residual_allow_tf32(allow: bool);
}

fn allow_tf32(allow: bool) {
    // SAFETY: the function sets an option of libtorch.
    unsafe { residual_allow_tf32(allow) }
}

/// Limits this process to a fraction of the device's memory, from 0 to 1, as
/// `torch.cuda.set_per_process_memory_fraction`. Allocations beyond it fail.
///
/// # Errors
/// `E_DEVICE` if CUDA is not loaded; `E_TORCH`.
pub fn set_memory_fraction(fraction: f64) -> Result<()> {
    init()?;
    let functions = functions()?;
    // SAFETY: the argument is a number.
    functions.check(unsafe { (functions.set_memory_fraction)(fraction) })
}

/// Returns cached memory to the device, as `torch.cuda.empty_cache`. Does nothing if CUDA is not
/// loaded.
pub fn empty_cache() {
    if let Some(functions) = FUNCTIONS.get() {
        // SAFETY: there are no arguments. A failing device also fails the next call, which reports
        // it.
        unsafe { (functions.empty_cache)() };
    }
}

/// Creates a one-dimensional tensor on the device. The copy runs asynchronously on a separate
/// stream. The current stream waits for the copy, the host does not.
pub fn copy_to_device<T: Element>(values: &[T]) -> Result<Tensor> {
    let functions = functions()?;
    let (mut copy, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: `copy_to_device` reads the values into pinned memory before it returns. The result
    // has no other owner, and `wait_on_stream` consumes the event.
    unsafe {
        let (data, size) = (values.as_ptr().cast(), [values.len() as i64]);
        let host =
            Tensor::f_from_blob(data, &size, &[1], T::KIND, Device::Cpu).map_err(torch_error)?;
        functions.check((functions.copy_to_device)(host.as_ptr(), &mut copy, &mut event))?;
        let copy = Tensor::from_ptr(copy);
        functions.check((functions.wait_on_stream)(copy.as_ptr(), event))?;
        Ok(copy)
    }
}

/// Runs `work` on the stream that graphs are captured on, synchronized with the current stream. A
/// warm-up on this stream creates the per-stream state of cuBLAS and cuDNN before a capture. On the
/// CPU, only runs `work`.
pub fn on_side_stream<T>(device: Device, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if device == Device::Cpu {
        return work();
    }
    /// Ends the side stream also if `work` fails or panics.
    struct Guard(&'static Functions, *mut SideStream);
    impl Drop for Guard {
        fn drop(&mut self) {
            if !self.1.is_null() {
                // SAFETY: the side stream was created by `begin_side_stream` and has not ended.
                unsafe { (self.0.end_side_stream)(self.1) };
            }
        }
    }
    let functions = functions()?;
    let mut guard = Guard(functions, std::ptr::null_mut());
    // SAFETY: the side stream is owned by the guard.
    functions.check(unsafe { (functions.begin_side_stream)(&mut guard.1) })?;
    let result = work()?;
    let side_stream = std::mem::replace(&mut guard.1, std::ptr::null_mut());
    // SAFETY: the side stream was created by `begin_side_stream`, and the call consumes it.
    functions.check(unsafe { (functions.end_side_stream)(side_stream) })?;
    Ok(result)
}

/// The CUDA backend of [`crate::CudaGraph`].
pub(crate) struct CapturedGraph(*mut GraphHandle);

impl CapturedGraph {
    /// Captures the work of this thread instead of executing it, until [`CapturedGraph::end`].
    pub fn begin() -> Result<CapturedGraph> {
        let functions = functions()?;
        let mut graph = std::ptr::null_mut();
        // SAFETY: the new graph has no other owner.
        functions.check(unsafe { (functions.begin_capture)(&mut graph) })?;
        Ok(CapturedGraph(graph))
    }

    pub fn end(&mut self) -> Result<()> {
        let functions = functions()?;
        // SAFETY: the graph was created by `begin_capture`; on failure the call frees it.
        let is_ok = unsafe { (functions.end_capture)(self.0) };
        if !is_ok {
            self.0 = std::ptr::null_mut();
        }
        functions.check(is_ok)
    }

    pub fn replay(&self) -> Result<()> {
        let functions = functions()?;
        // SAFETY: the capture has ended.
        functions.check(unsafe { (functions.replay)(self.0) })
    }
}

impl Drop for CapturedGraph {
    fn drop(&mut self) {
        if let (Some(functions), false) = (FUNCTIONS.get(), self.0.is_null()) {
            // SAFETY: the graph was created by `begin_capture`, and the capture has ended.
            unsafe { (functions.free_graph)(self.0) }
        }
    }
}

/// An asynchronous copy of an fp64 tensor to the host.
pub struct AsyncHostCopy {
    /// Copy on the CPU, complete when `event` has occurred.
    host: Tensor,
    /// Null if the tensor was on the CPU, or after waiting.
    event: *mut CopyEvent,
}

impl AsyncHostCopy {
    /// Enqueues the copy on the current stream. A tensor on the CPU is copied synchronously.
    pub fn new(tensor: &Tensor) -> Result<AsyncHostCopy> {
        if tensor.device() == Device::Cpu {
            return Ok(AsyncHostCopy { host: tensor.copy(), event: std::ptr::null_mut() });
        }
        let functions = functions()?;
        let (mut host, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: `tensor` is alive, and the results have no other owner.
        unsafe {
            functions.check((functions.copy_to_host)(tensor.as_ptr(), &mut host, &mut event))?;
            Ok(AsyncHostCopy { host: Tensor::from_ptr(host), event })
        }
    }

    /// Waits for the copy and returns its values.
    pub fn wait(mut self) -> Result<Vec<f64>> {
        let event = std::mem::replace(&mut self.event, std::ptr::null_mut());
        if !event.is_null() {
            let functions = functions()?;
            // SAFETY: the event was created by `copy_to_host`, and the call consumes it.
            functions.check(unsafe { (functions.synchronize)(event) })?;
        }
        Vec::try_from(&self.host).map_err(torch_error)
    }
}

impl Drop for AsyncHostCopy {
    fn drop(&mut self) {
        if let (Some(functions), false) = (FUNCTIONS.get(), self.event.is_null()) {
            // SAFETY: the event was created by `copy_to_host` and has not been consumed.
            unsafe { (functions.free_event)(self.event) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_return_errors_without_the_library() {
        assert!(!is_available());
        assert_eq!((device_capability(), free_memory()), (None, None));
        assert_eq!(init().unwrap_err().code, ErrorCode::Device);
        assert_eq!(set_memory_fraction(0.5).unwrap_err().code, ErrorCode::Device);
        assert_eq!(copy_to_device(&[1f32]).err().unwrap().code, ErrorCode::Device);
        assert_eq!(CapturedGraph::begin().err().unwrap().code, ErrorCode::Device);
        let result =
            on_side_stream(Device::Cuda(0), || -> Result<()> { panic!("`work` must not run") });
        assert_eq!(result.unwrap_err().code, ErrorCode::Device);
        empty_cache();
    }

    #[test]
    fn cpu_tensors_are_copied_synchronously() {
        let mut source = Tensor::from_slice(&[1.5f64, -2.0]);
        let copy = AsyncHostCopy::new(&source).unwrap();
        let _ = source.fill_(0.0);
        assert_eq!(copy.wait().unwrap(), [1.5, -2.0]);
    }

    #[test]
    fn load_error_names_the_library_and_the_reason() {
        let error = load(Path::new("/nowhere/residual-cuda.so")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Device);
        assert!(error.message.contains("/nowhere/residual-cuda.so"), "{error}");
        assert!(error.message.contains("No such file"), "{error}");
    }
}
