// The device's memory: told when it runs out, limited, and given back.

#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <cstddef>

#include "../src/catch_exceptions.h"

namespace allocator = c10::cuda::CUDACachingAllocator;

bool start(void (*ran_out)()) {
  return catch_exceptions([&] {
    at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
    // The exception that follows loses its type on the way through tch, and crosses as a text.
    allocator::attachOutOfMemoryObserver(
        [ran_out](int64_t, size_t, size_t, size_t) { ran_out(); });
  });
}

bool limit_memory(double share) {
  return catch_exceptions([&] { allocator::setMemoryFraction(share, 0); });
}

bool release_free_memory() {
  return catch_exceptions([] { allocator::emptyCache(); });
}
