//! libtorch's number of threads.

/// Sets libtorch's number of threads; restores the previous number when it is dropped.
pub(crate) struct ThreadCount(i32);

impl ThreadCount {
    pub fn set(threads: u32) -> ThreadCount {
        let previous = ThreadCount(tch::get_num_threads());
        tch::set_num_threads(threads as i32);
        previous
    }
}

impl Drop for ThreadCount {
    fn drop(&mut self) {
        tch::set_num_threads(self.0);
    }
}
