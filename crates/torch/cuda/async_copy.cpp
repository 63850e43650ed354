// Asynchronous copies between host and device through pinned memory. Copies to the device run on a
// separate stream, concurrently with the work of the current stream.

#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>

#include "../shim/catch_exceptions.h"

// Occurs when a copy is complete.
struct CopyEvent {
  c10::cuda::CUDAEvent event;
};

namespace {
c10::cuda::CUDAStream copy_stream() {
  static const auto stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false);
  return stream;
}
}  // namespace

bool copy_to_device(const at::Tensor *host, at::Tensor **copy, CopyEvent **event) {
  return catch_exceptions([&] {
    auto recorded = std::make_unique<CopyEvent>();
    const c10::cuda::CUDAStreamGuard guard(copy_stream());
    // libtorch records the use of the pinned block, and reuses the block only after the copy.
    const auto pinned = host->pin_memory();
    auto result = std::make_unique<at::Tensor>(
        pinned.to(at::Device(at::kCUDA, copy_stream().device_index()), pinned.scalar_type(),
                  /*non_blocking=*/true));
    recorded->event.record(copy_stream());
    *copy = result.release();
    *event = recorded.release();
  });
}

bool wait_on_stream(const at::Tensor *copy, CopyEvent *event) {
  return catch_exceptions([&] {
    const std::unique_ptr<CopyEvent> recorded(event);
    const auto current = c10::cuda::getCurrentCUDAStream();
    recorded->event.block(current);
    // The memory was allocated on the copy stream. It must not be reused before the current stream
    // has read the copy.
    c10::cuda::CUDACachingAllocator::recordStream(copy->storage().data_ptr(), current);
  });
}

bool copy_to_host(const at::Tensor *tensor, at::Tensor **host, CopyEvent **event) {
  return catch_exceptions([&] {
    auto recorded = std::make_unique<CopyEvent>();
    auto pinned = std::make_unique<at::Tensor>(
        at::empty(tensor->sizes(), tensor->options().device(at::kCPU).pinned_memory(true)));
    pinned->copy_(*tensor, /*non_blocking=*/true);
    recorded->event.record();
    *host = pinned.release();
    *event = recorded.release();
  });
}

bool synchronize(CopyEvent *event) {
  return catch_exceptions([&] {
    const std::unique_ptr<CopyEvent> recorded(event);
    recorded->event.synchronize();
  });
}

void free_event(CopyEvent *event) {
  catch_exceptions([&] { delete event; });
}
