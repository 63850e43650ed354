// residual-cuda.so: the calls of libtorch_cuda that tch does not bind, apart from the addon, which so
// needs no libtorch_cuda. Every function catches, as those of the addon's shim.

#include "functions.h"

#include <string>

#include "../src/catch_exceptions.h"

std::string &residual_error() {
  thread_local std::string error;
  return error;
}

bool start(void (*ran_out)());
bool capability(int *major, int *minor);
bool free_memory(size_t *bytes);
bool limit_memory(double share);
bool release_free_memory();
bool send(const at::Tensor *host, at::Tensor **copy, Arrival **arrival);
bool receive(const at::Tensor *copy, Arrival *arrival);
bool fetch(const at::Tensor *tensor, at::Tensor **host, Arrival **arrival);
bool wait(Arrival *arrival);
void forget(Arrival *arrival);
bool begin_aside(Aside **aside);
bool end_aside(Aside *aside);
bool begin_capture(Graph **graph);
bool end_capture(Graph *graph);
bool replay(Graph *graph);
void forget_graph(Graph *graph);

namespace {
const char *last_error() { return residual_error().c_str(); }
}  // namespace

extern "C" __attribute__((visibility("default"))) const Functions *residual_cuda_functions() {
  static const Functions functions = {
      last_error,    start,       capability,  free_memory,   limit_memory,
      release_free_memory,        send,        receive,       fetch,
      wait,          forget,      begin_aside, end_aside,     begin_capture,
      end_capture,   replay,      forget_graph,
  };
  return &functions;
}
