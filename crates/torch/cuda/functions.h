// What residual-cuda.so offers, as src/cuda.rs calls it.

#pragma once

#include <cstddef>

namespace at {
class Tensor;
}

struct Arrival;
struct Aside;
struct Graph;

// Each but last_error returns false on failure, and last_error says why.
struct Functions {
  const char *(*last_error)();
  // Makes the device ready. `ran_out` is called, on any thread, whenever its memory has run out.
  bool (*start)(void (*ran_out)());
  // 8 and 6 for compute capability 8.6.
  bool (*capability)(int *major, int *minor);
  // Bytes of the device's memory that nobody uses.
  bool (*free_memory)(size_t *bytes);
  // Lets this process have a share of the device's memory.
  bool (*limit_memory)(double share);
  // Gives memory that no tensor lies in back to the device.
  bool (*release_free_memory)();
  // A copy of a tensor on its way to the device, through pinned memory, on a stream of its own.
  bool (*send)(const at::Tensor *host, at::Tensor **copy, Arrival **arrival);
  // Lets what follows on the device wait for the copy; nobody waits here. `arrival` is gone then.
  bool (*receive)(const at::Tensor *copy, Arrival *arrival);
  // A copy of a tensor on its way from the device, behind what the device has been given to do.
  bool (*fetch)(const at::Tensor *tensor, at::Tensor **host, Arrival **arrival);
  // Waits for it here. `arrival` is gone then.
  bool (*wait)(Arrival *arrival);
  // Forgets a copy that nobody will use.
  void (*forget)(Arrival *arrival);
  // Until its end, work goes to the stream that graphs are captured on, behind what was there before;
  // what comes after it is behind it.
  bool (*begin_aside)(Aside **aside);
  bool (*end_aside)(Aside *aside);
  // Until its end, work is written down and not done.
  bool (*begin_capture)(Graph **graph);
  // On failure, `graph` is gone.
  bool (*end_capture)(Graph *graph);
  // Does the work once more.
  bool (*replay)(Graph *graph);
  void (*forget_graph)(Graph *graph);
};
