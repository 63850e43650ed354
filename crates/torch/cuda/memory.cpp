// The device's memory: told when it runs out, capped, given back, counted.

#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <cstddef>
#include <cstdint>

#include "../src/guarded.h"

namespace allocator = c10::cuda::CUDACachingAllocator;

bool start(void (*ran_out)()) {
  return guarded([&] {
    at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
    // The exception that follows loses its type on the way through tch, and crosses as a text.
    allocator::attachOutOfMemoryObserver(
        [ran_out](int64_t, size_t, size_t, size_t) { ran_out(); });
  });
}

bool limit_memory(double share) {
  return guarded([&] { allocator::setMemoryFraction(share, c10::cuda::current_device()); });
}

bool release_free_memory() {
  return guarded([] { allocator::emptyCache(); });
}

bool peak_memory(int64_t *bytes) {
  return guarded([&] {
    const auto statistics = allocator::getDeviceStats(c10::cuda::current_device());
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *bytes = statistics.allocated_bytes[all].peak;
  });
}
