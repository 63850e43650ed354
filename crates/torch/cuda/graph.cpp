// CUDA graphs: work that the device is given once and then repeats by itself, at the cost of one
// launch. It is recorded on a stream of its own, and what it allocates lies in a pool of its own, so
// that its addresses stay what they are.

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>
#include <optional>

#include "../src/catch_exceptions.h"

namespace allocator = c10::cuda::CUDACachingAllocator;

namespace {
c10::cuda::CUDAStream side() {
  static const auto stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false);
  return stream;
}

void let_wait(const c10::cuda::CUDAStream &waiting, const c10::cuda::CUDAStream &other) {
  c10::cuda::CUDAEvent event;
  event.record(other);
  event.block(waiting);
}
}  // namespace

struct Aside {
  const c10::cuda::CUDAStream outside = c10::cuda::getCurrentCUDAStream();
  const c10::cuda::CUDAStreamGuard on{side()};
};

struct Graph : at::cuda::CUDAGraph {
  // While it is being captured.
  std::optional<Aside> aside;

  // What capture_end leaves open where it fails: the pool still takes what is allocated on the stream,
  // and asks this graph about it.
  void close() {
    if (capture_ended_) return;  // its destructor sees to it
    const auto device = side().device_index();
    auto &host = *at::getHostAllocator(at::kCUDA);
    // Each fails where capture_end, or its beginning, did not come so far.
    quietly([&] { allocator::endAllocateToPool(device, mempool_id_); });
    quietly([&] { host.end_allocate_to_pool(mempool_id_); });
    quietly([&] { allocator::releasePool(device, mempool_id_); });
    quietly([&] { host.release_pool(mempool_id_); });
  }

 private:
  template <typename F>
  static void quietly(F &&body) {
    try {
      body();
    } catch (...) {
    }
  }
};

bool begin_aside(Aside **aside) {
  return catch_exceptions([&] {
    auto begun = std::make_unique<Aside>();
    let_wait(side(), begun->outside);
    *aside = begun.release();
  });
}

bool end_aside(Aside *aside) {
  return catch_exceptions([&] {
    const std::unique_ptr<Aside> ending(aside);
    let_wait(ending->outside, side());
  });
}

bool begin_capture(Graph **graph) {
  return catch_exceptions([&] {
    // Nothing is under way, and what no tensor lies in is there for the graph's pool.
    c10::cuda::device_synchronize();
    allocator::emptyCache();
    auto begun = std::make_unique<Graph>();
    begun->aside.emplace();
    try {
      // Global, the strictest mode: the backward pass is launched by a thread of autograd's, and what
      // may not be captured has to fail there, too. (The others look at the thread that began alone.)
      begun->capture_begin({0, 0}, cudaStreamCaptureModeGlobal);
    } catch (...) {
      begun->close();
      throw;
    }
    *graph = begun.release();
  });
}

bool end_capture(Graph *graph) {
  std::unique_ptr<Graph> ending(graph);
  return catch_exceptions([&] {
    try {
      ending->capture_end();
    } catch (...) {
      ending->close();
      throw;
    }
    ending->aside.reset();
    ending.release();
  });
}

bool replay(Graph *graph) {
  return catch_exceptions([&] { graph->replay(); });
}

void forget_graph(Graph *graph) {
  const std::unique_ptr<Graph> forgotten(graph);
  // A replay may be under way, in memory that is given back here.
  catch_exceptions([] { c10::cuda::device_synchronize(); });
}
