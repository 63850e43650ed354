// Copies that nobody waits for before they are needed. To the device they go on while it computes:
// from pinned memory, which it reads by itself, on a stream of their own.

#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>

#include "../src/catch_exceptions.h"

// When a copy is there.
struct Arrival {
  c10::cuda::CUDAEvent event;
};

namespace {
c10::cuda::CUDAStream copies() {
  static const auto stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false);
  return stream;
}
}  // namespace

bool send(const at::Tensor *host, at::Tensor **copy, Arrival **arrival) {
  return catch_exceptions([&] {
    auto arriving = std::make_unique<Arrival>();
    const c10::cuda::CUDAStreamGuard on(copies());
    // Both keep the pinned block until the copy is done: libtorch records it on the stream.
    const auto pinned = host->pin_memory();
    auto sent = std::make_unique<at::Tensor>(
        pinned.to(at::Device(at::kCUDA, copies().device_index()), pinned.scalar_type(),
                  /*non_blocking=*/true));
    arriving->event.record(copies());
    *copy = sent.release();
    *arrival = arriving.release();
  });
}

bool receive(const at::Tensor *copy, Arrival *arrival) {
  return catch_exceptions([&] {
    const std::unique_ptr<Arrival> arrived(arrival);
    const auto now = c10::cuda::getCurrentCUDAStream();
    arrived->event.block(now);
    // Its memory belongs to the stream of the copies: not to be reused there while it is read here.
    c10::cuda::CUDACachingAllocator::recordStream(copy->storage().data_ptr(), now);
  });
}

bool fetch(const at::Tensor *tensor, at::Tensor **host, Arrival **arrival) {
  return catch_exceptions([&] {
    auto arriving = std::make_unique<Arrival>();
    auto pinned = std::make_unique<at::Tensor>(
        at::empty(tensor->sizes(), tensor->options().device(at::kCPU).pinned_memory(true)));
    pinned->copy_(*tensor, /*non_blocking=*/true);
    arriving->event.record();
    *host = pinned.release();
    *arrival = arriving.release();
  });
}

bool wait(Arrival *arrival) {
  return catch_exceptions([&] {
    const std::unique_ptr<Arrival> arrived(arrival);
    arrived->event.synchronize();
  });
}

void forget(Arrival *arrival) {
  catch_exceptions([&] { delete arrival; });
}
