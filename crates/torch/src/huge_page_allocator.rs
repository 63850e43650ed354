//! CPU allocator for large tensors, in huge pages that are kept for the next step.
//!
//! Every training step allocates the same large blocks. malloc returns them in pages of 4 KiB: each
//! causes a page fault of about 2 microseconds on first touch, and TLB misses later. Huge pages of
//! 2 MiB cause 500 times fewer of both.

use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::address_ranges::AddressRanges;

/// Minimal size of a block in bytes; smaller ones come from malloc.
const MIN_SIZE: usize = 256 << 10;

const PAGE: usize = 4 << 10;
const HUGE_PAGE: usize = 2 << 20;

/// Address space that is reserved at once. Only touched pages take memory.
const REGION: usize = 256 << 20;

static RANGES: Mutex<Option<AddressRanges>> = Mutex::new(None);

fn lock_ranges() -> MutexGuard<'static, Option<AddressRanges>> {
    RANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The functions that huge_page_allocator.cpp calls.
#[repr(C)]
struct BlockAllocator {
    min_size: usize,
    /// Returns null if there is no memory.
    allocate: extern "C" fn(usize) -> *mut c_void,
    /// Returns whether the block was allocated here.
    free: extern "C" fn(*mut c_void) -> bool,
}

static BLOCK_ALLOCATOR: BlockAllocator = BlockAllocator { min_size: MIN_SIZE, allocate, free };

unsafe extern "C" {
    fn residual_set_cpu_allocator(allocator: *const BlockAllocator);
}

/// Allocates large CPU tensors in huge pages, which stay with the process until [`empty_cache`].
/// Does nothing on other systems than Linux.
pub fn use_huge_pages() {
    if cfg!(target_os = "linux") {
        // SAFETY: the table is static.
        unsafe { residual_set_cpu_allocator(&BLOCK_ALLOCATOR) }
    }
}

extern "C" fn allocate(size: usize) -> *mut c_void {
    let Some(length) = size.checked_next_multiple_of(PAGE) else { return std::ptr::null_mut() };
    let mut ranges = lock_ranges();
    let ranges = ranges.get_or_insert_default();
    if let Some(start) = ranges.allocate(length) {
        return start as *mut c_void;
    }
    let Some(region) = length.max(REGION).checked_next_multiple_of(HUGE_PAGE) else {
        return std::ptr::null_mut();
    };
    let Some(start) = map(region) else { return std::ptr::null_mut() };
    ranges.add(start, region);
    ranges.allocate(length).map_or(std::ptr::null_mut(), |start| start as *mut c_void)
}

extern "C" fn free(block: *mut c_void) -> bool {
    let start = block as usize;
    // The alignment alone rules out most small blocks.
    start.is_multiple_of(PAGE) && lock_ranges().as_mut().is_some_and(|ranges| ranges.free(start))
}

/// Returns unused memory to the system and to the CUDA device, as `torch.cuda.empty_cache`.
pub fn empty_cache() {
    crate::cuda::empty_cache();
    let ranges = lock_ranges();
    let Some(ranges) = &*ranges else { return };
    for (start, length) in ranges.free_ranges() {
        release_pages(start, length);
    }
}

#[cfg(target_os = "linux")]
fn release_pages(start: usize, length: usize) {
    // SAFETY: the pages were mapped here and belong to no tensor.
    unsafe { libc::madvise(start as *mut c_void, length, libc::MADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
fn release_pages(_: usize, _: usize) {}

/// Reserves address space that starts at a huge page.
#[cfg(target_os = "linux")]
fn map(length: usize) -> Option<usize> {
    // SAFETY: the mapping is new; pages before its first whole huge page are never used.
    unsafe {
        let mapping = libc::mmap(
            std::ptr::null_mut(),
            length.checked_add(HUGE_PAGE)?,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if mapping == libc::MAP_FAILED {
            return None;
        }
        let start = (mapping as usize).next_multiple_of(HUGE_PAGE);
        // A kernel without huge pages refuses, and small pages are used.
        libc::madvise(start as *mut c_void, length, libc::MADV_HUGEPAGE);
        Some(start)
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
    fn large_tensors_use_huge_pages_that_are_reused_after_release() {
        use_huge_pages();
        let numbers = (8 << 20) / 4;
        let ones = || Tensor::ones([numbers], (Kind::Float, Device::Cpu));
        let kept = ones();
        let first = ones();
        let address = first.data_ptr() as usize;
        assert!(address.is_multiple_of(PAGE));
        drop(first);
        assert_eq!(ones().data_ptr() as usize, address, "the same address");
        empty_cache();
        let again = ones();
        assert_eq!(again.data_ptr() as usize, address);
        assert_eq!(again.sum(Kind::Double).double_value(&[]), numbers as f64);
        assert_eq!(
            kept.sum(Kind::Double).double_value(&[]),
            numbers as f64,
            "live tensors keep their memory"
        );
        // Small tensors come from malloc and are not freed here.
        let small = Tensor::ones([100], (Kind::Float, Device::Cpu));
        assert!(!free(small.data_ptr()));
    }

    #[test]
    fn allocation_failure_is_an_out_of_memory_error() {
        use_huge_pages();
        let error = Tensor::f_empty([1i64 << 45], (Kind::Float, Device::Cpu)).unwrap_err();
        let error = crate::torch_error(error);
        assert!(error.hint.is_some_and(|hint| hint.contains("batchSize")), "{}", error.message);
    }
}
