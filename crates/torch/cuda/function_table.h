// Function table of residual-cuda.so. crates/torch/src/cuda.rs has the same declaration in Rust.

#pragma once

#include <cstddef>

namespace at {
class Tensor;
}

struct CopyEvent;
struct SideStream;
struct Graph;

// A function that returns bool returns false on failure; last_error then returns the message.
struct Functions {
  const char *(*last_error)();
  // Initializes the device. `on_out_of_memory` is called, on any thread, when an allocation fails.
  bool (*init)(void (*on_out_of_memory)());
  // Compute capability of the device: `major` 8 and `minor` 6 for 8.6.
  bool (*device_capability)(int *major, int *minor);
  // Free memory of the device in bytes.
  bool (*free_memory)(size_t *bytes);
  // Limits this process to a fraction of the device's memory.
  bool (*set_memory_fraction)(double fraction);
  // Returns cached memory to the device.
  bool (*empty_cache)();
  // Enqueues a copy of a CPU tensor to the device, through pinned memory, on a separate stream.
  bool (*copy_to_device)(const at::Tensor *host, at::Tensor **copy, CopyEvent **event);
  // Makes the current stream wait for the copy, without blocking the host. Consumes `event`.
  bool (*wait_on_stream)(const at::Tensor *copy, CopyEvent *event);
  // Enqueues a copy of a device tensor to pinned memory on the current stream.
  bool (*copy_to_host)(const at::Tensor *tensor, at::Tensor **host, CopyEvent **event);
  // Blocks the host until the copy is complete. Consumes `event`.
  bool (*synchronize)(CopyEvent *event);
  // Frees the event of a copy that is not needed.
  void (*free_event)(CopyEvent *event);
  // Makes the stream that graphs are captured on current, until end_side_stream. Both calls make
  // the new current stream wait for the previous one.
  bool (*begin_side_stream)(SideStream **side_stream);
  bool (*end_side_stream)(SideStream *side_stream);
  // Starts a capture: until end_capture, work is captured instead of executed.
  bool (*begin_capture)(Graph **graph);
  // Ends the capture. Frees `graph` on failure.
  bool (*end_capture)(Graph *graph);
  // Launches the captured work on the current stream.
  bool (*replay)(Graph *graph);
  void (*free_graph)(Graph *graph);
};
