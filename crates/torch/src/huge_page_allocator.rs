//! Memory for large tensors, in huge pages and kept for the next step.
//!
//! Every training step asks for the same large blocks again. From malloc they come in pages of
//! 4 KiB: each costs a fault of about 2 microseconds when it is first touched, and later misses
//! of the processor's table of pages; in huge pages of 2 MiB there are 500 times fewer of both.

use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::address_ranges::AddressRanges;

/// Smaller blocks are malloc's.
const LARGE: usize = 256 << 10;

const PAGE: usize = 4 << 10;
const HUGE_PAGE: usize = 2 << 20;

/// What is asked of the kernel at once. Only what is touched takes memory.
const REGION: usize = 256 << 20;

static RANGES: Mutex<Option<AddressRanges>> = Mutex::new(None);

fn ranges() -> MutexGuard<'static, Option<AddressRanges>> {
    RANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What allocator.cpp calls.
#[repr(C)]
struct Blocks {
    /// From this size on.
    large: usize,
    /// Null where there is no memory.
    take: unsafe extern "C" fn(usize) -> *mut c_void,
    /// Whether it was one of ours.
    give_back: unsafe extern "C" fn(*mut c_void) -> bool,
}

static BLOCKS: Blocks = Blocks { large: LARGE, take, give_back };

unsafe extern "C" {
    fn residual_use_blocks(blocks: *const Blocks);
}

/// Lets large tensors on the CPU lie in huge pages that stay with the process until
/// [`empty_cache`]. On other systems than Linux, does nothing.
pub fn use_huge_pages() {
    if cfg!(target_os = "linux") {
        // SAFETY: the table is static.
        unsafe { residual_use_blocks(&BLOCKS) }
    }
}

unsafe extern "C" fn take(size: usize) -> *mut c_void {
    let Some(length) = size.checked_next_multiple_of(PAGE) else { return std::ptr::null_mut() };
    let mut ranges = ranges();
    let ranges = ranges.get_or_insert_default();
    if let Some(begin) = ranges.take(length) {
        return begin as *mut c_void;
    }
    let Some(region) = length.max(REGION).checked_next_multiple_of(HUGE_PAGE) else {
        return std::ptr::null_mut();
    };
    let Some(begin) = map(region) else { return std::ptr::null_mut() };
    ranges.add(begin, region);
    ranges.take(length).map_or(std::ptr::null_mut(), |begin| begin as *mut c_void)
}

unsafe extern "C" fn give_back(block: *mut c_void) -> bool {
    let begin = block as usize;
    // Most small blocks are known by that alone.
    begin.is_multiple_of(PAGE) && ranges().as_mut().is_some_and(|ranges| ranges.give_back(begin))
}

/// Gives the kernel back what no tensor uses.
pub fn empty_cache() {
    crate::cuda::empty_cache();
    let ranges = ranges();
    let Some(ranges) = &*ranges else { return };
    for (begin, length) in ranges.free() {
        // SAFETY: pages of ours in which nothing lies.
        #[cfg(target_os = "linux")]
        unsafe {
            libc::madvise(begin as *mut c_void, length, libc::MADV_DONTNEED);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (begin, length);
    }
}

/// Address space that begins with a huge page.
#[cfg(target_os = "linux")]
fn map(length: usize) -> Option<usize> {
    // SAFETY: new pages, of which those before the first whole huge page are never used.
    unsafe {
        let found = libc::mmap(
            std::ptr::null_mut(),
            length.checked_add(HUGE_PAGE)?,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if found == libc::MAP_FAILED {
            return None;
        }
        let begin = (found as usize).next_multiple_of(HUGE_PAGE);
        // A kernel without huge pages says no, and pages are small.
        libc::madvise(begin as *mut c_void, length, libc::MADV_HUGEPAGE);
        Some(begin)
    }
}

#[cfg(not(target_os = "linux"))]
fn map(_: usize) -> Option<usize> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn large_tensors_lie_in_pages_of_ours_that_can_be_released_and_used_again() {
        use_huge_pages();
        let numbers = (8 << 20) / 4;
        let ones = || Tensor::ones([numbers], (Kind::Float, Device::Cpu));
        let kept = ones();
        let first = ones();
        let place = first.data_ptr() as usize;
        assert!(place.is_multiple_of(PAGE));
        drop(first);
        assert_eq!(ones().data_ptr() as usize, place, "the same place again");
        empty_cache();
        let again = ones();
        assert_eq!(again.data_ptr() as usize, place);
        assert_eq!(again.sum(Kind::Double).double_value(&[]), numbers as f64);
        assert_eq!(kept.sum(Kind::Double).double_value(&[]), numbers as f64, "nothing of a tensor");
        // Small ones are malloc's, and go where they came from.
        let small = Tensor::ones([100], (Kind::Float, Device::Cpu));
        assert!(!unsafe { give_back(small.data_ptr()) });
    }

    #[test]
    fn more_memory_than_there_is_is_an_error() {
        use_huge_pages();
        let error = Tensor::f_empty([1i64 << 45], (Kind::Float, Device::Cpu)).unwrap_err();
        let error = crate::torch_error(error);
        assert!(error.hint.is_some_and(|hint| hint.contains("batchSize")), "{}", error.message);
    }
}
