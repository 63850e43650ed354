//! [`crate::CudaGraph`]s on the CPU, for tests: recorder/recorder.cpp says how.

use residual_spec::Result;

use crate::checked;

/// Made and taken by recorder.cpp.
#[repr(C)]
struct Recording([u8; 0]);

unsafe extern "C" {
    fn residual_recorder_begin(recording: *mut *mut Recording) -> bool;
    fn residual_recorder_end(recording: *mut Recording) -> bool;
    fn residual_recorder_replay(recording: *mut Recording) -> bool;
    fn residual_recorder_forget(recording: *mut Recording);
}

pub(crate) struct Recorded(*mut Recording);

impl Recorded {
    pub fn begin() -> Result<Recorded> {
        let mut recording = std::ptr::null_mut();
        // SAFETY: we become the owner of what comes out.
        checked(unsafe { residual_recorder_begin(&mut recording) })?;
        Ok(Recorded(recording))
    }

    pub fn end(&mut self) -> Result<()> {
        // SAFETY: it was begun on this thread: a raw pointer cannot leave it.
        checked(unsafe { residual_recorder_end(self.0) })
    }

    pub fn replay(&self) -> Result<()> {
        // SAFETY: it has ended.
        checked(unsafe { residual_recorder_replay(self.0) })
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // SAFETY: it is of `begin`, and has ended.
        unsafe { residual_recorder_forget(self.0) }
    }
}
