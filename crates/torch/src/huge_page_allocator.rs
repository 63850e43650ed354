//! CPU allocator that places large tensors in huge pages and reuses the memory in the next step.
//!
//! Every training step allocates the same large blocks. malloc places them in pages of 4 KiB, each
//! of which causes a page fault of about 2 microseconds on the first access, and TLB misses later.
//! Huge pages of 2 MiB cause 512 times fewer page faults and TLB misses.

use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use residual_kernels::ablation::{self, Part};

use crate::address_ranges::AddressRanges;

/// Minimum size of a block in bytes. Smaller blocks come from malloc.
const MIN_BLOCK_SIZE: usize = 256 << 10;

const PAGE_SIZE: usize = 4 << 10;
const HUGE_PAGE_SIZE: usize = 2 << 20;

/// Minimum bytes of address space per `mmap`. Only pages that are written occupy memory.
const MIN_REGION_SIZE: usize = 256 << 20;

static RANGES: Mutex<Option<AddressRanges>> = Mutex::new(None);

fn lock_ranges() -> MutexGuard<'static, Option<AddressRanges>> {
    RANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Function table that huge_page_allocator.cpp calls.
#[repr(C)]
struct BlockAllocator {
    min_size: usize,
    /// Returns null if the memory is exhausted.
    allocate: extern "C" fn(usize) -> *mut c_void,
    /// Frees a block. Returns false if the block comes from another allocator.
    free: extern "C" fn(*mut c_void) -> bool,
}

static BLOCK_ALLOCATOR: BlockAllocator =
    BlockAllocator { min_size: MIN_BLOCK_SIZE, allocate, free };

unsafe extern "C" {
    fn residual_set_cpu_allocator(allocator: *const BlockAllocator);
}

/// Makes libtorch allocate large CPU tensors in huge pages, which the process keeps until
/// [`empty_cache`]. Has an effect only on Linux.
pub fn use_huge_pages() {
    if cfg!(target_os = "linux") && ablation::is_enabled(Part::HugePages) {
        // SAFETY: the table is static.
        unsafe { residual_set_cpu_allocator(&BLOCK_ALLOCATOR) }
    }
}

extern "C" fn allocate(size: usize) -> *mut c_void {
    let Some(length) = size.checked_next_multiple_of(PAGE_SIZE) else {
        return std::ptr::null_mut();
    };
    let mut ranges = lock_ranges();
    let ranges = ranges.get_or_insert_default();
    if let Some(start) = ranges.allocate(length) {
        return start as *mut c_void;
    }
    let Some(region) = length.max(MIN_REGION_SIZE).checked_next_multiple_of(HUGE_PAGE_SIZE) else {
        return std::ptr::null_mut();
    };
    let Some(start) = map_region(region) else { return std::ptr::null_mut() };
    ranges.add(start, region);
    ranges.allocate(length).map_or(std::ptr::null_mut(), |start| start as *mut c_void)
}

extern "C" fn free(block: *mut c_void) -> bool {
    let start = block as usize;
    // Most blocks of malloc are not aligned to a page, so they need no lock.
    start.is_multiple_of(PAGE_SIZE)
        && lock_ranges().as_mut().is_some_and(|ranges| ranges.free(start))
}

/// Returns unused memory to the operating system and, as `torch.cuda.empty_cache`, to the device.
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

/// Maps `length` bytes that start at a multiple of the huge page size, or returns `None` on
/// failure.
#[cfg(target_os = "linux")]
fn map_region(length: usize) -> Option<usize> {
    // SAFETY: the mapping is new, and the range from `start` is inside of it.
    unsafe {
        let mapping = libc::mmap(
            std::ptr::null_mut(),
            length.checked_add(HUGE_PAGE_SIZE)?,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if mapping == libc::MAP_FAILED {
            return None;
        }
        let start = (mapping as usize).next_multiple_of(HUGE_PAGE_SIZE);
        // Fails on a kernel without transparent huge pages, which then uses pages of 4 KiB.
        libc::madvise(start as *mut c_void, length, libc::MADV_HUGEPAGE);
        Some(start)
    }
}

#[cfg(not(target_os = "linux"))]
fn map_region(_: usize) -> Option<usize> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn large_tensors_use_huge_pages_that_are_reused_after_release() {
        use_huge_pages();
        let count = (8 << 20) / 4;
        let ones = || Tensor::ones([count], (Kind::Float, Device::Cpu));
        let live = ones();
        let first = ones();
        let address = first.data_ptr() as usize;
        assert!(address.is_multiple_of(PAGE_SIZE));
        drop(first);
        assert_eq!(ones().data_ptr() as usize, address, "the freed block is reused");
        empty_cache();
        let reused = ones();
        assert_eq!(reused.data_ptr() as usize, address);
        assert_eq!(reused.sum(Kind::Double).double_value(&[]), count as f64);
        assert_eq!(
            live.sum(Kind::Double).double_value(&[]),
            count as f64,
            "live tensors keep their memory"
        );
        // Small tensors come from malloc, so this allocator does not free them.
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
