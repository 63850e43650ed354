// CUDA graphs. Work is captured on a side stream and allocates from a private memory pool, so that
// its addresses stay valid for replays.

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>
#include <optional>

#include "../shim/catch_exceptions.h"

namespace allocator = c10::cuda::CUDACachingAllocator;

namespace {
c10::cuda::CUDAStream capture_stream() {
  static const auto stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false);
  return stream;
}

// Makes `stream` wait for the work of `other`.
void wait_stream(const c10::cuda::CUDAStream &stream, const c10::cuda::CUDAStream &other) {
  c10::cuda::CUDAEvent event;
  event.record(other);
  event.block(stream);
}
}  // namespace

struct SideStream {
  const c10::cuda::CUDAStream outer = c10::cuda::getCurrentCUDAStream();
  const c10::cuda::CUDAStreamGuard guard{capture_stream()};
};

struct Graph : at::cuda::CUDAGraph {
  // Present during the capture.
  std::optional<SideStream> side_stream;

  // Cleans up after a failed capture_begin or capture_end: otherwise the private pool would still
  // serve allocations on the stream and refer to this graph.
  void abort_capture() {
    if (capture_ended_) return;  // the destructor of CUDAGraph cleans up
    const auto device = capture_stream().device_index();
    auto &host = *at::getHostAllocator(at::kCUDA);
    // A call throws if the capture failed before the corresponding step.
    ignore_exceptions([&] { allocator::endAllocateToPool(device, mempool_id_); });
    ignore_exceptions([&] { host.end_allocate_to_pool(mempool_id_); });
    ignore_exceptions([&] { allocator::releasePool(device, mempool_id_); });
    ignore_exceptions([&] { host.release_pool(mempool_id_); });
  }

 private:
  template <typename F>
  static void ignore_exceptions(F &&body) {
    try {
      body();
    } catch (...) {
    }
  }
};

bool begin_side_stream(SideStream **side_stream) {
  return catch_exceptions([&] {
    auto started = std::make_unique<SideStream>();
    wait_stream(capture_stream(), started->outer);
    *side_stream = started.release();
  });
}

bool end_side_stream(SideStream *side_stream) {
  return catch_exceptions([&] {
    const std::unique_ptr<SideStream> ending(side_stream);
    wait_stream(ending->outer, capture_stream());
  });
}

bool begin_capture(Graph **graph) {
  return catch_exceptions([&] {
    // Completes all work, and frees cached blocks so that the graph's pool can allocate their
    // memory.
    c10::cuda::device_synchronize();
    allocator::emptyCache();
    auto capturing = std::make_unique<Graph>();
    capturing->side_stream.emplace();
    try {
      // The global mode also detects unsafe calls on other threads: autograd launches the backward
      // pass from its own thread.
      capturing->capture_begin({0, 0}, cudaStreamCaptureModeGlobal);
    } catch (...) {
      capturing->abort_capture();
      throw;
    }
    *graph = capturing.release();
  });
}

bool end_capture(Graph *graph) {
  std::unique_ptr<Graph> ending(graph);
  return catch_exceptions([&] {
    try {
      ending->capture_end();
    } catch (...) {
      ending->abort_capture();
      throw;
    }
    ending->side_stream.reset();
    ending.release();
  });
}

bool replay(Graph *graph) {
  return catch_exceptions([&] { graph->replay(); });
}

void free_graph(Graph *graph) {
  const std::unique_ptr<Graph> owned(graph);
  // A replay that is still running uses the memory that is freed.
  catch_exceptions([] { c10::cuda::device_synchronize(); });
}
