// Function table of residual-cuda.so, which crates/torch/src/cuda.rs calls.

#pragma once

#include <cstddef>

namespace at {
class Tensor;
}

struct CopyEvent;
struct SideStream;
struct Graph;

// Every function that returns bool returns false on failure; last_error returns the message.
struct Functions {
  const char *(*last_error)();
  // Initializes the device. `on_out_of_memory` is called, on any thread, when an allocation fails.
  bool (*init)(void (*on_out_of_memory)());
  // Compute capability: 8 and 6 for 8.6.
  bool (*device_capability)(int *major, int *minor);
  // Free bytes of the device's memory.
  bool (*free_memory)(size_t *bytes);
  // Limits this process to a fraction of the device's memory.
  bool (*set_memory_fraction)(double fraction);
  // Returns cached memory to the device.
  bool (*empty_cache)();
  // Starts a copy of a CPU tensor to the device, through pinned memory, on a stream of its own.
  bool (*copy_to_device)(const at::Tensor *host, at::Tensor **copy, CopyEvent **event);
  // Makes the current stream wait for the copy, without blocking the host. Consumes `event`.
  bool (*wait_on_stream)(const at::Tensor *copy, CopyEvent *event);
  // Starts a copy of a device tensor to pinned memory, behind the work of the current stream.
  bool (*copy_to_host)(const at::Tensor *tensor, at::Tensor **host, CopyEvent **event);
  // Blocks the host until the copy is complete. Consumes `event`.
  bool (*synchronize)(CopyEvent *event);
  // Frees the event of a copy that is not needed.
  void (*free_event)(CopyEvent *event);
  // Directs work to the stream that graphs are captured on, until end_side_stream. Both streams
  // wait for each other at the transitions.
  bool (*begin_side_stream)(SideStream **side_stream);
  bool (*end_side_stream)(SideStream *side_stream);
  // Captures work instead of executing it, until end_capture.
  bool (*begin_capture)(Graph **graph);
  // Frees `graph` on failure.
  bool (*end_capture)(Graph *graph);
  // Launches the captured work.
  bool (*replay)(Graph *graph);
  void (*free_graph)(Graph *graph);
};
