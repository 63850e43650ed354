// Function table of residual-cuda.so, which contains the functions of libtorch_cuda that tch does
// not bind. It is a separate library so that the addon does not depend on libtorch_cuda. Every
// function catches exceptions.

#include "function_table.h"

#include <string>

#include "../shim/catch_exceptions.h"

std::string &residual_error() {
  thread_local std::string error;
  return error;
}

bool init(void (*on_out_of_memory)());
bool device_capability(int *major, int *minor);
bool free_memory(size_t *bytes);
bool set_memory_fraction(double fraction);
bool empty_cache();
bool copy_to_device(const at::Tensor *host, at::Tensor **copy, CopyEvent **event);
bool wait_on_stream(const at::Tensor *copy, CopyEvent *event);
bool copy_to_host(const at::Tensor *tensor, at::Tensor **host, CopyEvent **event);
bool synchronize(CopyEvent *event);
void free_event(CopyEvent *event);
bool begin_side_stream(SideStream **side_stream);
bool end_side_stream(SideStream *side_stream);
bool begin_capture(Graph **graph);
bool end_capture(Graph *graph);
bool replay(Graph *graph);
void free_graph(Graph *graph);

namespace {
const char *last_error() { return residual_error().c_str(); }
}  // namespace

extern "C" __attribute__((visibility("default"))) const Functions *residual_cuda_function_table() {
  static const Functions functions = {
      last_error,     init,          device_capability, free_memory,   set_memory_fraction,
      empty_cache,    copy_to_device, wait_on_stream,   copy_to_host,  synchronize,
      free_event,     begin_side_stream, end_side_stream, begin_capture, end_capture,
      replay,         free_graph,
  };
  return &functions;
}
