//! Test double of CUDA graphs on the CPU, implemented in recorder/recorder.cpp.

use residual_spec::Result;

use crate::check;

/// `Recording` of recorder.cpp, opaque to Rust.
#[repr(C)]
struct RecordingHandle([u8; 0]);

unsafe extern "C" {
    fn residual_recorder_begin(recording: *mut *mut RecordingHandle) -> bool;
    fn residual_recorder_end(recording: *mut RecordingHandle) -> bool;
    fn residual_recorder_replay(recording: *mut RecordingHandle) -> bool;
    fn residual_recorder_free(recording: *mut RecordingHandle);
}

/// Recorded libtorch operations: the CPU backend of [`CudaGraph`](crate::CudaGraph).
pub(crate) struct Recording(*mut RecordingHandle);

impl Recording {
    pub fn begin() -> Result<Recording> {
        let mut recording = std::ptr::null_mut();
        // SAFETY: the new recording is owned here.
        check(unsafe { residual_recorder_begin(&mut recording) })?;
        Ok(Recording(recording))
    }

    pub fn end(&mut self) -> Result<()> {
        // SAFETY: the recording was started on this thread, because its raw pointer is not `Send`.
        check(unsafe { residual_recorder_end(self.0) })
    }

    pub fn replay(&self) -> Result<()> {
        // SAFETY: the recording has ended.
        check(unsafe { residual_recorder_replay(self.0) })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // SAFETY: the recording was created by `begin` and has ended.
        unsafe { residual_recorder_free(self.0) }
    }
}
