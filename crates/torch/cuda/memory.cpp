// Device memory: initialization with an out-of-memory observer, limit, and cache.

#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <cstddef>

#include "../shim/catch_exceptions.h"

namespace allocator = c10::cuda::CUDACachingAllocator;

bool init(void (*on_out_of_memory)()) {
  return catch_exceptions([&] {
    at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
    // The observer is required because tch reduces an exception to its message.
    allocator::attachOutOfMemoryObserver(
        [on_out_of_memory](int64_t, size_t, size_t, size_t) { on_out_of_memory(); });
  });
}

bool set_memory_fraction(double fraction) {
  return catch_exceptions([&] { allocator::setMemoryFraction(fraction, 0); });
}

bool empty_cache() {
  return catch_exceptions([] { allocator::emptyCache(); });
}
