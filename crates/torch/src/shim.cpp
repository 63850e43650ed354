// The few calls of ATen that tch does not bind. Every function catches: no C++ exception may
// cross into Rust. On failure it returns false, and last_error() says why.

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <c10/core/GradMode.h>
#include <torch/version.h>

#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {
thread_local std::string error;

template <typename F>
bool guarded(F &&body) {
  try {
    body();
    return true;
  } catch (const c10::Error &e) {
    error = e.what_without_backtrace();
  } catch (const std::exception &e) {
    error = e.what();
  } catch (...) {
    error = "unknown C++ exception";
  }
  return false;
}

std::vector<at::Tensor> list(at::Tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> all;
  all.reserve(count);
  for (size_t i = 0; i < count; i++) all.push_back(*tensors[i]);
  return all;
}
}  // namespace

extern "C" {

const char *residual_last_error() { return error.c_str(); }

const char *residual_torch_version() { return TORCH_VERSION; }

// One kernel over all parameters (torch.optim.SGD(fused=True)).
bool residual_fused_sgd(at::Tensor *const *parameters, at::Tensor *const *gradients,
                        at::Tensor *const *momenta, size_t count, double lr, double momentum,
                        double weight_decay, bool nesterov, bool first_step) {
  return guarded([&] {
    c10::AutoGradMode no_grad(false);
    const auto buffers = momentum == 0 ? std::vector<at::Tensor>() : list(momenta, count);
    at::_fused_sgd_(list(parameters, count), list(gradients, count), buffers, weight_decay,
                    momentum, lr, /*dampening=*/0, nesterov, /*maximize=*/false, first_step);
  });
}

// A channels-innermost copy, or the tensor itself where it is so already.
bool residual_channels_last(at::Tensor *input, at::Tensor **output) {
  return guarded([&] {
    *output = new at::Tensor(input->contiguous(at::MemoryFormat::ChannelsLast));
  });
}

// "AVX512", "AVX2", "DEFAULT": the level that ATen's own kernels run at.
const char *residual_cpu_capability() {
  static std::string capability;
  guarded([&] { capability = at::get_cpu_capability(); });
  return capability.c_str();
}

// Let freed memory stay with the process: every training step asks for the same large blocks
// again, and a page that went back to the kernel costs a fault (about 2 us) when it returns.
void residual_keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}
