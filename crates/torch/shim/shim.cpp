// ATen functions that tch does not bind. Every function catches exceptions: on failure, it returns
// false, and residual_last_error() returns the message.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <c10/core/GradMode.h>
#include <torch/version.h>

#include <optional>
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
std::vector<at::Tensor> to_vector(at::Tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> vector;
  vector.reserve(count);
  for (size_t i = 0; i < count; i++) vector.push_back(*tensors[i]);
  return vector;
}

std::optional<at::Tensor> to_optional(const at::Tensor *tensor) {
  return tensor == nullptr ? std::nullopt : std::optional(*tensor);
}

// Calls `body` with the tensor, or with the number if the tensor is null.
template <typename F>
void with_tensor_or_number(const at::Tensor *tensor, double number, F &&body) {
  if (tensor != nullptr) {
    body(*tensor);
  } else {
    body(number);
  }
}

// Converts gradients to the strides of their parameters, because fused kernels ignore strides.
std::vector<at::Tensor> match_strides(const std::vector<at::Tensor> &parameters,
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

// torch.optim.SGD(fused=True). The update is skipped if `found_inf` is not null and has the value
// 1. `lr_tensor` replaces `lr` if it is not null.
bool residual_fused_sgd(at::Tensor *const *parameters, at::Tensor *const *gradients,
                        at::Tensor *const *momentum_buffers, size_t count, double lr,
                        const at::Tensor *lr_tensor, double momentum, double weight_decay,
                        bool nesterov, bool first_step, const at::Tensor *found_inf) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto buffers =
        momentum == 0 ? std::vector<at::Tensor>() : to_vector(momentum_buffers, count);
    const auto weights = to_vector(parameters, count);
    const auto grads = match_strides(weights, to_vector(gradients, count));
    with_tensor_or_number(lr_tensor, lr, [&](const auto &lr) {
      at::_fused_sgd_(weights, grads, buffers, weight_decay, momentum, lr, /*dampening=*/0,
                      nesterov, /*maximize=*/false, first_step, /*grad_scale=*/{},
                      to_optional(found_inf));
    });
  });
}

// torch.optim.Adam(fused=True) or, if `decoupled`, AdamW. `step_tensor` and `lr_tensor` replace
// `step` and `lr` if they are not null. `num_skipped`, if it is not null, is subtracted from the
// step.
bool residual_fused_adam(at::Tensor *const *parameters, at::Tensor *const *gradients,
                         at::Tensor *const *exp_avgs, at::Tensor *const *exp_avg_sqs,
                         size_t count, uint64_t step, const at::Tensor *step_tensor, double lr,
                         const at::Tensor *lr_tensor, double beta1, double beta2, double eps,
                         double weight_decay, bool decoupled, const at::Tensor *found_inf,
                         const at::Tensor *num_skipped) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    if (count == 0) return;
    const auto weights = to_vector(parameters, count);
    auto step_count = step_tensor != nullptr
                          ? *step_tensor
                          : at::full({}, static_cast<double>(step),
                                     weights[0].options().dtype(at::kFloat).requires_grad(false));
    if (num_skipped != nullptr) step_count = step_count.sub(*num_skipped);
    const std::vector<at::Tensor> steps(count, step_count);
    const auto grads = match_strides(weights, to_vector(gradients, count));
    const auto m = to_vector(exp_avgs, count), v = to_vector(exp_avg_sqs, count);
    with_tensor_or_number(lr_tensor, lr, [&](const auto &lr) {
      if (decoupled) {
        at::_fused_adamw_(weights, grads, m, v, {}, steps, lr, beta1, beta2, weight_decay, eps,
                          /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{},
                         to_optional(found_inf));
      } else {
        at::_fused_adam_(weights, grads, m, v, {}, steps, lr, beta1, beta2, weight_decay, eps,
                         /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{},
                         to_optional(found_inf));
      }
    });
  });
}

// Operations on lists of tensors in few kernel launches (torch._foreach_*).

bool residual_foreach_norm(at::Tensor *const *tensors, size_t count, at::Tensor **output) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    *output = new at::Tensor(at::stack(at::_foreach_norm(to_vector(tensors, count), 2)));
  });
}

bool residual_foreach_mul(at::Tensor *const *tensors, size_t count, double factor) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_mul_(to_vector(tensors, count), factor);
  });
}

bool residual_foreach_mul_tensor(at::Tensor *const *tensors, size_t count,
                                 const at::Tensor *factor) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    if (count == 0) return;
    at::_foreach_mul_(to_vector(tensors, count), factor->to(tensors[0]->scalar_type()));
  });
}

// Computes x *= inverse_scale and sets `found_inf` to 1 if a value is not finite.
bool residual_foreach_unscale(at::Tensor *const *tensors, size_t count, at::Tensor *found_inf,
                              const at::Tensor *inverse_scale) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    if (count == 0) return;
    at::_amp_foreach_non_finite_check_and_unscale_(to_vector(tensors, count), *found_inf,
                                                   *inverse_scale);
  });
}

bool residual_foreach_clamp(at::Tensor *const *tensors, size_t count, double bound) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto list = to_vector(tensors, count);
    at::_foreach_clamp_min_(list, -bound);
    at::_foreach_clamp_max_(list, bound);
  });
}

bool residual_foreach_add(at::Tensor *const *tensors, at::Tensor *const *others, size_t count,
                          double factor) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_add_(to_vector(tensors, count), to_vector(others, count), factor);
  });
}

bool residual_foreach_copy(at::Tensor *const *tensors, at::Tensor *const *others, size_t count) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_copy_(to_vector(tensors, count), to_vector(others, count));
  });
}

bool residual_foreach_lerp(at::Tensor *const *tensors, at::Tensor *const *others, size_t count,
                           double weight) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    at::_foreach_lerp_(to_vector(tensors, count), to_vector(others, count), weight);
  });
}

// Creates a tensor that borrows values. Calls `release` with `owner` when the storage of the tensor
// is freed.
bool residual_tensor_from_shared(const float *values, int64_t count, void *owner,
                                 void (*release)(void *), at::Tensor **output) {
  return catch_exceptions([&] {
    *output = new at::Tensor(at::from_blob(
        const_cast<float *>(values), {count}, [owner, release](void *) { release(owner); }));
  });
}

// Returns the tensor itself if it is channels_last, else a copy.
bool residual_channels_last(at::Tensor *input, at::Tensor **output) {
  return catch_exceptions([&] {
    *output = new at::Tensor(input->contiguous(at::MemoryFormat::ChannelsLast));
  });
}

// Returns the instruction set of the kernels that ATen selected: "AVX512", "AVX2" or "DEFAULT".
const char *residual_cpu_capability() {
  static std::string capability;
  catch_exceptions([&] { capability = at::get_cpu_capability(); });
  return capability.c_str();
}

// Sets whether tensor cores multiply fp32 as TF32, with 10 mantissa bits
// (torch.backends.*.allow_tf32).
void residual_allow_tf32(bool allow) {
  catch_exceptions([&] {
    at::globalContext().setAllowTF32CuBLAS(allow);
    at::globalContext().setAllowTF32CuDNN(allow);
  });
}

// Configures malloc to keep freed memory in the process, for blocks that do not come from
// huge_page_allocator.cpp, such as oneDNN's scratchpads and batches. Every training step allocates
// the same blocks, and a page that was returned to the kernel causes a page fault (about 2 us) when
// it is allocated again.
void residual_configure_malloc() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}
