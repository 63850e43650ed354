// Batch normalization, shortcut addition and ReLU as one autograd function, on channels_last
// tensors. The kernels are in Rust (crates/kernels) and passed as a table of functions; this file
// computes the statistics and connects the autograd graph.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "catch_exceptions.h"
#include "parallel.h"

namespace {

// The ReLU of a backward pass: its output, or if that is null, the terms of its input
// (x - mean) * scale + bias.
struct Relu {
  const void *y;
  const float *scale, *bias;
};

// Kernels on rows of channels with `count` elements. batch_norm.rs says which pointers may be null.
struct Kernels {
  void (*stats)(bool bf16, const void *x, size_t count, const float *shift, size_t channels,
                double *first, double *second);
  void (*normalize)(bool bf16, const void *x, const void *shortcut, size_t count,
                    const float *mean, const float *scale, const float *bias, size_t channels,
                    bool relu, void *y);
  void (*backward_reduce)(bool bf16, const void *x, const void *dy, const Relu *relu, size_t count,
                          const float *mean, size_t channels, double *first, double *second);
  // Overwrites dy. `dx` may be null.
  void (*backward_input)(bool bf16, const void *x, void *dy, const Relu *relu, size_t count,
                         const float *mean, const float *scale, const float *slope,
                         const float *offset, size_t channels, void *dx);
};

// Divides the rows of a tensor between threads: body(chunk, first element, number of elements).
template <typename F>
void parallel_rows(int64_t rows, int64_t channels, const F &body) {
  // Fewer elements do not amortize the start of a thread.
  const int64_t min_elements = 1 << 14;
  const int64_t max_chunks = std::min<int64_t>(at::get_num_threads(), 64);
  const int64_t chunks = std::clamp<int64_t>(rows * channels / min_elements, 1, max_chunks);
  parallel_ranges(rows, chunks, [&](int64_t chunk, int64_t begin, int64_t end) {
    body(chunk, begin * channels, (end - begin) * channels);
  });
}

// Divides rows likewise, each thread's in pieces from the end: the previous pass left its last
// elements in the core's cache, and the next pass begins with the last ones of this pass.
// body(first element, number of elements).
template <typename F>
void parallel_rows_reversed(int64_t rows, int64_t channels, const F &body) {
  const int64_t piece = std::max<int64_t>((1 << 15) / channels, 1) * channels;
  parallel_rows(rows, channels, [&](int64_t, int64_t first, int64_t count) {
    for (int64_t end = first + count; end > first;) {
      const int64_t begin = std::max(first, end - piece);
      body(begin, end - begin);
      end = begin;
    }
  });
}

struct Sums {
  std::vector<double> first, second;
  Sums(int64_t chunks, int64_t channels) : first(chunks * channels), second(chunks * channels) {}
  // Returns the sum over all chunks of channel c.
  static double total(const std::vector<double> &sums, int64_t c, int64_t channels) {
    double sum = 0;
    for (size_t i = c; i < sums.size(); i += channels) sum += sums[i];
    return sum;
  }
};

const char *element_ptr(const at::Tensor &tensor, int64_t index) {
  return static_cast<const char *>(tensor.const_data_ptr()) + index * tensor.element_size();
}

char *element_ptr_mut(const at::Tensor &tensor, int64_t index) {
  return static_cast<char *>(tensor.data_ptr()) + index * tensor.element_size();
}

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct BatchNormAddRelu : torch::autograd::Function<BatchNormAddRelu> {
  static Variable forward(AutogradContext *context, Variable input, Variable gamma, Variable beta,
                          std::optional<Variable> shortcut, Variable running_mean,
                          Variable running_var, std::optional<Variable> stats, bool relu,
                          double momentum, double eps, int64_t table) {
    const auto *kernels = reinterpret_cast<const Kernels *>(table);
    const auto x = channels_last(input);
    const bool bf16 = x.scalar_type() == at::kBFloat16;
    const int64_t channels = x.size(1), rows = x.numel() / channels;
    const auto added = shortcut ? channels_last(*shortcut) : at::Tensor();

    // The sums are of distances from the first pixel, which is near enough to the mean; given sums
    // are of distances from the running mean.
    const auto first_pixel = [&] { return x.select(0, 0).select(1, 0).select(1, 0); };
    const auto shift = (stats ? running_mean.clone() : first_pixel().to(at::kFloat)).contiguous();
    const auto *shifts = shift.const_data_ptr<float>();
    Sums sums(stats ? 1 : 64, channels);
    if (stats) {
      const auto *values = stats->const_data_ptr<double>();
      std::copy_n(values, channels, sums.first.begin());
      std::copy_n(values + channels, channels, sums.second.begin());
    } else {
      parallel_rows(rows, channels, [&](int64_t chunk, int64_t first, int64_t count) {
        kernels->stats(bf16, element_ptr(x, first), count, shifts, channels,
                            &sums.first[chunk * channels], &sums.second[chunk * channels]);
      });
    }
    const auto mean = at::empty({channels}, at::kFloat), invstd = at::empty({channels}, at::kFloat);
    const auto scale = at::empty({channels}, at::kFloat);
    auto *means = mean.data_ptr<float>(), *invstds = invstd.data_ptr<float>();
    auto *scales = scale.data_ptr<float>();
    const auto *gammas = gamma.const_data_ptr<float>(), *betas = beta.const_data_ptr<float>();
    auto *running_means = running_mean.data_ptr<float>();
    auto *running_vars = running_var.data_ptr<float>();
    for (int64_t c = 0; c < channels; c++) {
      const double distance = Sums::total(sums.first, c, channels) / rows;
      const double square = Sums::total(sums.second, c, channels) / rows;
      const double var = std::max(square - distance * distance, 0.0);
      // max() would hide a NaN, which has to reach the loss.
      const double variance = std::isnan(square) ? square : var;
      means[c] = static_cast<float>(shifts[c] + distance);
      invstds[c] = static_cast<float>(1 / std::sqrt(variance + eps));
      scales[c] = gammas[c] * invstds[c];
      running_means[c] += static_cast<float>(momentum * (means[c] - running_means[c]));
      const double unbiased = variance * rows / std::max<int64_t>(rows - 1, 1);
      running_vars[c] += static_cast<float>(momentum * (unbiased - running_vars[c]));
    }

    const auto y = at::empty_like(x);
    parallel_rows_reversed(rows, channels, [&](int64_t first, int64_t count) {
      const auto *other = added.defined() ? element_ptr(added, first) : nullptr;
      kernels->normalize(bf16, element_ptr(x, first), other,
                         count, means, scales, betas, channels, relu, element_ptr_mut(y, first));
    });
    // With a shortcut, the mask of the ReLU can only be derived from its output.
    context->save_for_backward({x, gamma, beta, mean, invstd, relu && shortcut ? y : at::Tensor()});
    context->saved_data["table"] = table;
    context->saved_data["relu"] = relu;
    context->saved_data["shortcut"] = shortcut.has_value();
    return y;
  }

  // The engine moves the gradients in and does not read the list again.
  static variable_list backward(AutogradContext *context, variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &gamma = saved[1], &beta = saved[2], &mean = saved[3],
               &invstd = saved[4], &y = saved[5];
    const bool relu = context->saved_data["relu"].toBool();
    const auto *kernels = reinterpret_cast<const Kernels *>(context->saved_data["table"].toInt());
    const bool bf16 = x.scalar_type() == at::kBFloat16;
    const int64_t channels = x.size(1), rows = x.numel() / channels;
    auto dy = channels_last(std::exchange(gradients[0], at::Tensor()).to(x.scalar_type()));
    // The kernel overwrites it, so other owners need their own copy.
    if (!has_unique_owner(dy)) dy = dy.clone();
    const auto *means = mean.const_data_ptr<float>(), *invstds = invstd.const_data_ptr<float>();
    const auto *gammas = gamma.const_data_ptr<float>(), *betas = beta.const_data_ptr<float>();
    // Bit-identical to the scale of the forward pass.
    std::vector<float> factors(channels);
    for (int64_t c = 0; c < channels; c++) factors[c] = gammas[c] * invstds[c];
    const auto relu_at = [&](int64_t first) {
      return Relu{y.defined() ? element_ptr(y, first) : nullptr, factors.data(), betas};
    };

    Sums sums(64, channels);
    parallel_rows(rows, channels, [&](int64_t chunk, int64_t first, int64_t count) {
      const auto rectified = relu_at(first);
      kernels->backward_reduce(bf16, element_ptr(x, first), element_ptr(dy, first),
                             relu ? &rectified : nullptr, count, means, channels,
                             &sums.first[chunk * channels], &sums.second[chunk * channels]);
    });

    // dx = gamma invstd (g - mean(g) - xhat mean(g xhat)), with xhat = (x - mean) invstd.
    const auto dgamma = at::empty({channels}, at::kFloat);
    const auto dbeta = at::empty({channels}, at::kFloat);
    auto *dgammas = dgamma.data_ptr<float>(), *dbetas = dbeta.data_ptr<float>();
    std::vector<float> scale(channels), slope(channels), offset(channels);
    for (int64_t c = 0; c < channels; c++) {
      const double g = Sums::total(sums.first, c, channels);
      const double along = Sums::total(sums.second, c, channels);
      const double inv = invstds[c];
      const double factor = gammas[c] * inv;
      dgammas[c] = static_cast<float>(along * inv);
      dbetas[c] = static_cast<float>(g);
      scale[c] = static_cast<float>(factor);
      slope[c] = static_cast<float>(-factor * inv * inv * along / rows);
      offset[c] = static_cast<float>(-factor * g / rows);
    }
    const bool with_shortcut = context->saved_data["shortcut"].toBool();
    const auto dx = with_shortcut ? at::empty_like(x) : dy;
    parallel_rows_reversed(rows, channels, [&](int64_t first, int64_t count) {
      const auto rectified = relu_at(first);
      kernels->backward_input(bf16, element_ptr(x, first), element_ptr_mut(dy, first),
                        relu ? &rectified : nullptr, count, means, scale.data(), slope.data(),
                        offset.data(), channels,
                              with_shortcut ? element_ptr_mut(dx, first) : nullptr);
    });
    const auto dshortcut = with_shortcut ? dy : at::Tensor();
    return {dx, dgamma, dbeta, dshortcut, {}, {}, {}, {}, {}, {}, {}};
  }
};

}  // namespace

extern "C" {

// Normalizes by the statistics of the batch (training mode) and updates the running statistics.
// `shortcut` and `stats` may be null; `stats` are the sums of the batch's distances from the
// running mean and of their squares.
bool residual_batch_norm_add_relu(at::Tensor *input, at::Tensor *gamma, at::Tensor *beta,
                                  at::Tensor *shortcut, at::Tensor *running_mean,
                                  at::Tensor *running_var, at::Tensor *stats, bool relu,
                                  double momentum, double eps, const Kernels *kernels,
                                  at::Tensor **output) {
  return catch_exceptions([&] {
    const auto to_optional = [](const at::Tensor *tensor) {
      return tensor == nullptr ? std::nullopt : std::make_optional(*tensor);
    };
    *output = new at::Tensor(BatchNormAddRelu::apply(
        *input, *gamma, *beta, to_optional(shortcut), *running_mean, *running_var,
        to_optional(stats), relu, momentum, eps, reinterpret_cast<int64_t>(kernels)));
  });
}
}
