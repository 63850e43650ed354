//! What of CUDA tch does not bind. Its C++ is a library of its own (`residual-cuda.so`, from `cuda/`),
//! so that nothing else needs libtorch_cuda: it is loaded where that is, and absent without harm.

use std::ffi::{CString, c_char, c_int};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use residual_spec::{Error, ErrorCode, Result};
use tch::kind::Element;
use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::out_of_memory::residual_memory_ran_out;
use crate::{said, text, torch_error};

/// `Functions` of functions.h.
#[repr(C)]
struct Functions {
    last_error: unsafe extern "C" fn() -> *const c_char,
    start: unsafe extern "C" fn(unsafe extern "C" fn()) -> bool,
    capability: unsafe extern "C" fn(*mut c_int, *mut c_int) -> bool,
    free_memory: unsafe extern "C" fn(*mut usize) -> bool,
    limit_memory: unsafe extern "C" fn(f64) -> bool,
    empty_cache: unsafe extern "C" fn() -> bool,
    send: unsafe extern "C" fn(*const C_tensor, *mut *mut C_tensor, *mut *mut Arrival) -> bool,
    receive: unsafe extern "C" fn(*const C_tensor, *mut Arrival) -> bool,
    fetch: unsafe extern "C" fn(*const C_tensor, *mut *mut C_tensor, *mut *mut Arrival) -> bool,
    wait: unsafe extern "C" fn(*mut Arrival) -> bool,
    forget: unsafe extern "C" fn(*mut Arrival),
    begin_aside: unsafe extern "C" fn(*mut *mut Aside) -> bool,
    end_aside: unsafe extern "C" fn(*mut Aside) -> bool,
    begin_capture: unsafe extern "C" fn(*mut *mut CapturedWork) -> bool,
    end_capture: unsafe extern "C" fn(*mut CapturedWork) -> bool,
    replay: unsafe extern "C" fn(*mut CapturedWork) -> bool,
    forget_graph: unsafe extern "C" fn(*mut CapturedWork),
}

/// When a copy is there; made and taken by copies.cpp.
#[repr(C)]
struct Arrival([u8; 0]);

/// Made and taken by graph.cpp, as the next is.
#[repr(C)]
struct Aside([u8; 0]);

#[repr(C)]
struct CapturedWork([u8; 0]);

static FUNCTIONS: OnceLock<&'static Functions> = OnceLock::new();
static STARTED: Mutex<bool> = Mutex::new(false);
static UNUSABLE: OnceLock<String> = OnceLock::new();

/// Loads residual-cuda.so, once libtorch_cuda is in the process.
///
/// # Errors
/// `E_DEVICE` with the loader's reason.
pub fn load(path: &Path) -> Result<()> {
    if FUNCTIONS.get().is_some() {
        return Ok(());
    }
    let functions = functions_of(path)
        .map_err(|why| Error::new(ErrorCode::Device, format!("{}: {why}", path.display())))?;
    FUNCTIONS.get_or_init(|| functions);
    Ok(())
}

#[cfg(target_os = "linux")]
fn functions_of(path: &Path) -> std::result::Result<&'static Functions, String> {
    use std::os::unix::ffi::OsStrExt;

    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "no path".to_string())?;
    let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: the library is ours; it stays loaded, and its function gives its static table.
    unsafe {
        let library = libc::dlopen(name.as_ptr(), flags);
        if library.is_null() {
            return Err(text(libc::dlerror()));
        }
        let symbol = libc::dlsym(library, c"residual_cuda_functions".as_ptr());
        if symbol.is_null() {
            return Err("it is not residual's".into());
        }
        let functions: extern "C" fn() -> *const Functions = std::mem::transmute(symbol);
        Ok(&*functions())
    }
}

#[cfg(not(target_os = "linux"))]
fn functions_of(_: &Path) -> std::result::Result<&'static Functions, String> {
    Err("CUDA is for Linux alone".into())
}

/// Says why CUDA cannot be used here, though driver and libraries are there.
pub fn set_unavailable_reason(why: String) {
    UNUSABLE.get_or_init(|| why);
}

/// What [`set_unusable`] was told.
pub fn unavailable_reason() -> Option<&'static str> {
    UNUSABLE.get().map(String::as_str)
}

/// Whether there is a device, and all that is needed to use it.
pub fn is_available() -> bool {
    FUNCTIONS.get().is_some() && tch::Cuda::is_available()
}

/// The compute capability of the device: `(8, 6)` for 8.6. `None` where there is no device, or it
/// does not tell.
pub fn device_capability() -> Option<(i32, i32)> {
    if !is_available() {
        return None;
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: two numbers are written.
    let told = unsafe { (functions().ok()?.capability)(&mut major, &mut minor) };
    told.then_some((major, minor))
}

/// Bytes of the device's memory that nobody uses. `None` where there is no device, or it does not tell.
pub fn free_memory() -> Option<u64> {
    if !is_available() {
        return None;
    }
    let mut bytes = 0;
    // SAFETY: a number is written.
    let told = unsafe { (functions().ok()?.free_memory)(&mut bytes) };
    told.then_some(bytes as u64)
}

fn functions() -> Result<&'static Functions> {
    let none = || Error::new(ErrorCode::Device, "CUDA is not loaded in this process");
    FUNCTIONS.get().copied().ok_or_else(none)
}

impl Functions {
    fn checked(&self, done: bool) -> Result<()> {
        match done {
            true => Ok(()),
            // SAFETY: the message lives in its thread until its next call.
            false => Err(said(&unsafe { text((self.last_error)()) })),
        }
    }
}

/// Makes the device ready: from here on its running out of memory is told, cuDNN tries which of its
/// kernels is fastest for each shape, and fp32 is multiplied as TF32. May be called again.
///
/// # Errors
/// `E_DEVICE` where CUDA is not loaded; `E_TORCH`.
pub fn init() -> Result<()> {
    let functions = functions()?;
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*started {
        // SAFETY: the callback is a function.
        functions.checked(unsafe { (functions.start)(residual_memory_ran_out) })?;
        tch::Cuda::cudnn_set_benchmark(true);
        allow_tf32(true);
        *started = true;
    }
    Ok(())
}

unsafe extern "C" {
    fn residual_allow_tf32(allow: bool);
}

fn allow_tf32(allow: bool) {
    // SAFETY: sets a switch of libtorch's.
    unsafe { residual_allow_tf32(allow) }
}

/// Lets this process have so large a share of the device's memory, from 0 to 1, as
/// `torch.cuda.set_per_process_memory_fraction`; beyond it is as if there were no more.
///
/// # Errors
/// `E_DEVICE` where CUDA is not loaded; `E_TORCH`.
pub fn set_memory_fraction(share: f64) -> Result<()> {
    init()?;
    let functions = functions()?;
    // SAFETY: a number goes in.
    functions.checked(unsafe { (functions.limit_memory)(share) })
}

/// Gives memory that no tensor lies in back to the device. Does nothing where CUDA is not loaded.
pub fn empty_cache() {
    if let Some(functions) = FUNCTIONS.get() {
        // SAFETY: nothing goes in. It fails only where the device does, which the next call tells.
        unsafe { (functions.empty_cache)() };
    }
}

/// Numbers as a tensor of one dimension on the device. They set out at once, on a stream of their
/// own, while the device is busy with what it was given before; it waits for them, and nobody here.
pub fn copy_to_device<T: Element>(numbers: &[T]) -> Result<Tensor> {
    let functions = functions()?;
    let (mut copy, mut arrival) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the numbers are read, into pinned memory, before `send` returns; we become the owner
    // of what comes out of it, and give the arrival away.
    unsafe {
        let (data, size) = (numbers.as_ptr().cast(), [numbers.len() as i64]);
        let host =
            Tensor::f_from_blob(data, &size, &[1], T::KIND, Device::Cpu).map_err(torch_error)?;
        functions.checked((functions.send)(host.as_ptr(), &mut copy, &mut arrival))?;
        let copy = Tensor::from_ptr(copy);
        functions.checked((functions.receive)(copy.as_ptr(), arrival))?;
        Ok(copy)
    }
}

/// Lets `work` be done on the stream that graphs are captured on, in its turn: what a library keeps
/// for each stream is there when they are. Nothing else changes, and nothing does on the CPU.
pub fn on_side_stream<T>(device: Device, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if device == Device::Cpu {
        return work();
    }
    /// Ends it where `work` fails or panics, too.
    struct Open(&'static Functions, *mut Aside);
    impl Drop for Open {
        fn drop(&mut self) {
            if !self.1.is_null() {
                // SAFETY: it is of `begin_aside`, and not ended.
                unsafe { (self.0.end_aside)(self.1) };
            }
        }
    }
    let functions = functions()?;
    let mut open = Open(functions, std::ptr::null_mut());
    // SAFETY: we become the owner of what comes out.
    functions.checked(unsafe { (functions.begin_aside)(&mut open.1) })?;
    let done = work()?;
    let aside = std::mem::replace(&mut open.1, std::ptr::null_mut());
    // SAFETY: it is of `begin_aside`, and given away.
    functions.checked(unsafe { (functions.end_aside)(aside) })?;
    Ok(done)
}

/// A CUDA graph; [`crate::CudaGraph`] is for whatever device.
pub(crate) struct Captured(*mut CapturedWork);

impl Captured {
    /// Until [`Captured::end`], what this thread gives the device is written down and not done.
    pub fn begin() -> Result<Captured> {
        let functions = functions()?;
        let mut graph = std::ptr::null_mut();
        // SAFETY: we become the owner of what comes out.
        functions.checked(unsafe { (functions.begin_capture)(&mut graph) })?;
        Ok(Captured(graph))
    }

    pub fn end(&mut self) -> Result<()> {
        let functions = functions()?;
        // SAFETY: it is of `begin_capture`; where this fails, it is gone.
        let ended = unsafe { (functions.end_capture)(self.0) };
        if !ended {
            self.0 = std::ptr::null_mut();
        }
        functions.checked(ended)
    }

    pub fn replay(&self) -> Result<()> {
        let functions = functions()?;
        // SAFETY: its capture has ended.
        functions.checked(unsafe { (functions.replay)(self.0) })
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        if let (Some(functions), false) = (FUNCTIONS.get(), self.0.is_null()) {
            // SAFETY: it is of `begin_capture`, and has ended.
            unsafe { (functions.forget_graph)(self.0) }
        }
    }
}

/// Numbers that are read later than they are made, on whatever device.
pub struct AsyncHostCopy {
    /// On the CPU; there when `coming` is.
    numbers: Tensor,
    /// Null where they have not come from a device, or have been waited for.
    coming: *mut Arrival,
}

impl AsyncHostCopy {
    /// Of a tensor of `f64`, as it will be when the device has done what it was given until now.
    pub fn new(tensor: &Tensor) -> Result<AsyncHostCopy> {
        if tensor.device() == Device::Cpu {
            return Ok(AsyncHostCopy { numbers: tensor.copy(), coming: std::ptr::null_mut() });
        }
        let functions = functions()?;
        let (mut numbers, mut coming) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: `tensor` is alive; we become the owner of what comes out.
        unsafe {
            functions.checked((functions.fetch)(tensor.as_ptr(), &mut numbers, &mut coming))?;
            Ok(AsyncHostCopy { numbers: Tensor::from_ptr(numbers), coming })
        }
    }

    /// Waits until they are there.
    pub fn wait(mut self) -> Result<Vec<f64>> {
        let coming = std::mem::replace(&mut self.coming, std::ptr::null_mut());
        if !coming.is_null() {
            let functions = functions()?;
            // SAFETY: it is of `fetch`, and given away.
            functions.checked(unsafe { (functions.wait)(coming) })?;
        }
        Vec::try_from(&self.numbers).map_err(torch_error)
    }
}

impl Drop for AsyncHostCopy {
    fn drop(&mut self) {
        if let (Some(functions), false) = (FUNCTIONS.get(), self.coming.is_null()) {
            // SAFETY: it is of `fetch`, and was not given away.
            unsafe { (functions.forget)(self.coming) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_library_there_is_no_cuda_and_no_harm() {
        assert!(!is_available());
        assert_eq!((device_capability(), free_memory()), (None, None));
        assert_eq!(init().unwrap_err().code, ErrorCode::Device);
        assert_eq!(set_memory_fraction(0.5).unwrap_err().code, ErrorCode::Device);
        assert_eq!(copy_to_device(&[1f32]).err().unwrap().code, ErrorCode::Device);
        assert_eq!(Captured::begin().err().unwrap().code, ErrorCode::Device);
        let aside = on_side_stream(Device::Cuda(0), || -> Result<()> { panic!("it was done") });
        assert_eq!(aside.unwrap_err().code, ErrorCode::Device);
        empty_cache();
    }

    #[test]
    fn numbers_on_the_cpu_are_there_at_once() {
        let mut source = Tensor::from_slice(&[1.5f64, -2.0]);
        let numbers = AsyncHostCopy::new(&source).unwrap();
        let _ = source.fill_(0.0);
        assert_eq!(numbers.wait().unwrap(), [1.5, -2.0]);
    }

    #[test]
    fn a_library_that_cannot_be_loaded_is_named_with_the_reason() {
        let error = load(Path::new("/nowhere/residual-cuda.so")).unwrap_err();
        assert_eq!(error.code, ErrorCode::Device);
        assert!(error.message.contains("/nowhere/residual-cuda.so"), "{error}");
        assert!(error.message.contains("No such file"), "{error}");
    }
}
