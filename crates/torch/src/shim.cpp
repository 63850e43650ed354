// The few calls of ATen that tch does not bind. Every function catches: no C++ exception may
// cross into Rust. On failure it returns false, and last_error() says why.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <c10/core/GradMode.h>
#include <torch/version.h>

#include <string>
#include <vector>

#include "catch_exceptions.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

std::string &residual_error() {
  thread_local std::string error;
  return error;
}

namespace {
std::vector<at::Tensor> list(at::Tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> all;
  all.reserve(count);
  for (size_t i = 0; i < count; i++) all.push_back(*tensors[i]);
  return all;
}

std::optional<at::Tensor> maybe(const at::Tensor *tensor) {
  return tensor == nullptr ? std::nullopt : std::optional(*tensor);
}

// Lets `use` have the tensor where it is there, else the number.
template <typename F>
void either(double number, const at::Tensor *there, F &&use) {
  if (there != nullptr) {
    use(*there);
  } else {
    use(number);
  }
}

// Fused kernels go through memory from end to end: a gradient must lie there as its parameter does.
std::vector<at::Tensor> laid_out_as(const std::vector<at::Tensor> &parameters,
                                    std::vector<at::Tensor> gradients) {
  for (size_t i = 0; i < gradients.size(); i++) {
    if (gradients[i].strides() != parameters[i].strides()) {
      gradients[i] = at::empty_like(parameters[i]).copy_(gradients[i]);
    }
  }
  return gradients;
}
}  // namespace

extern "C" {

const char *residual_last_error() { return residual_error().c_str(); }

const char *residual_torch_version() { return TORCH_VERSION; }

// One kernel over all parameters (torch.optim.SGD(fused=True)). Where `skip` is there and 1, nothing
// is updated. `lr_there`, where it is there, stands for `lr`.
bool residual_fused_sgd(at::Tensor *const *parameters, at::Tensor *const *gradients,
                        at::Tensor *const *momenta, size_t count, double lr,
                        const at::Tensor *lr_there, double momentum, double weight_decay,
                        bool nesterov, bool first_step, const at::Tensor *skip) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto buffers = momentum == 0 ? std::vector<at::Tensor>() : list(momenta, count);
    const auto weights = list(parameters, count);
    const auto grads = laid_out_as(weights, list(gradients, count));
    either(lr, lr_there, [&](const auto &lr) {
      at::_fused_sgd_(weights, grads, buffers, weight_decay, momentum, lr, /*dampening=*/0, nesterov,
                      /*maximize=*/false, first_step, /*grad_scale=*/{}, maybe(skip));
    });
  });
}

// One kernel over all parameters (torch.optim.Adam and AdamW with fused=True). `skipped`, where it is
// there, is how many of the steps before this one were; `step_there` and `lr_there` stand for the numbers.
bool residual_fused_adam(at::Tensor *const *parameters, at::Tensor *const *gradients,
                         at::Tensor *const *exp_avgs, at::Tensor *const *exp_avg_sqs,
                         size_t count, uint64_t step, const at::Tensor *step_there, double lr,
                         const at::Tensor *lr_there, double beta1, double beta2, double eps,
                         double weight_decay, bool decoupled, const at::Tensor *skip,
                         const at::Tensor *skipped) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    if (count == 0) return;
    const auto weights = list(parameters, count);
    auto step_count = step_there != nullptr
                          ? *step_there
                          : at::full({}, static_cast<double>(step),
                                     weights[0].options().dtype(at::kFloat).requires_grad(false));
    if (skipped != nullptr) step_count = step_count.sub(*skipped);
    const std::vector<at::Tensor> steps(count, step_count);
    const auto grads = laid_out_as(weights, list(gradients, count));
    const auto m = list(exp_avgs, count), v = list(exp_avg_sqs, count);
    either(lr, lr_there, [&](const auto &lr) {
      if (decoupled) {
        at::_fused_adamw_(weights, grads, m, v, {}, steps, lr, beta1, beta2, weight_decay, eps,
                          /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, maybe(skip));
      } else {
        at::_fused_adam_(weights, grads, m, v, {}, steps, lr, beta1, beta2, weight_decay, eps,
                         /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, maybe(skip));
      }
    });
  });
}

// Lists of tensors, each operation in as few kernels as ATen has for it.

bool residual_norms(at::Tensor *const *tensors, size_t count, at::Tensor **output) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    *output = new at::Tensor(at::stack(at::_foreach_norm(list(tensors, count), 2)));
  });
}

bool residual_scale(at::Tensor *const *tensors, size_t count, double factor) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_mul_(list(tensors, count), factor);
  });
}

bool residual_scale_by(at::Tensor *const *tensors, size_t count, const at::Tensor *factor) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    if (count == 0) return;
    at::_foreach_mul_(list(tensors, count), factor->to(tensors[0]->scalar_type()));
  });
}

// x *= inverse, and found = 1 where one is not finite.
bool residual_unscale(at::Tensor *const *tensors, size_t count, at::Tensor *found,
                      const at::Tensor *inverse) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    if (count == 0) return;
    at::_amp_foreach_non_finite_check_and_unscale_(list(tensors, count), *found, *inverse);
  });
}

bool residual_clamp(at::Tensor *const *tensors, size_t count, double bound) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto all = list(tensors, count);
    at::_foreach_clamp_min_(all, -bound);
    at::_foreach_clamp_max_(all, bound);
  });
}

bool residual_add_scaled(at::Tensor *const *tensors, at::Tensor *const *others, size_t count,
                         double factor) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_add_(list(tensors, count), list(others, count), factor);
  });
}

bool residual_copy(at::Tensor *const *tensors, at::Tensor *const *others, size_t count) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_copy_(list(tensors, count), list(others, count));
  });
}

bool residual_lerp(at::Tensor *const *tensors, at::Tensor *const *others, size_t count,
                   double weight) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_lerp_(list(tensors, count), list(others, count), weight);
  });
}

// A tensor in numbers of somebody else's. `forget` is called with `owner` once nothing lies there.
bool residual_shared(const float *numbers, int64_t count, void *owner, void (*forget)(void *),
                     at::Tensor **output) {
  return catch_exceptions([&] {
    *output = new at::Tensor(at::from_blob(
        const_cast<float *>(numbers), {count}, [owner, forget](void *) { forget(owner); }));
  });
}

// A channels-innermost copy, or the tensor itself where it is so already.
bool residual_channels_last(at::Tensor *input, at::Tensor **output) {
  return catch_exceptions([&] {
    *output = new at::Tensor(input->contiguous(at::MemoryFormat::ChannelsLast));
  });
}

// "AVX512", "AVX2", "DEFAULT": the level that ATen's own kernels run at.
const char *residual_cpu_capability() {
  static std::string capability;
  catch_exceptions([&] { capability = at::get_cpu_capability(); });
  return capability.c_str();
}

// fp32 multiplied with 10 bits of mantissa on NVIDIA's tensor cores (torch.backends.*.allow_tf32).
void residual_allow_tf32(bool allow) {
  catch_exceptions([&] {
    at::globalContext().setAllowTF32CuBLAS(allow);
    at::globalContext().setAllowTF32CuDNN(allow);
  });
}

// Let freed memory stay with the process, of what does not come from allocator.cpp (oneDNN's
// scratch pads, batches): every training step asks for the same large blocks again, and a page
// that went back to the kernel costs a fault (about 2 us) when it returns.
void residual_keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}
