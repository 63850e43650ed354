//! Threads of libtorch's arithmetic, for a piece of work in the middle of other work.

/// Sets their number; puts it back when it is dropped.
pub(crate) struct Threads(i32);

impl Threads {
    pub fn set(threads: u32) -> Threads {
        let before = Threads(tch::get_num_threads());
        tch::set_num_threads(threads as i32);
        before
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        tch::set_num_threads(self.0);
    }
}
