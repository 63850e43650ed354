// Batch normalization, shortcut addition and ReLU as one autograd function, on channels_last
// tensors. The kernels are in Rust (crates/kernels) and are called through a function table; this
// file combines the sums of the threads to statistics and defines the autograd function.

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

// Mask of the ReLU in the backward pass: the output `y` of the ReLU or, if `y` is null, scale and
// bias of its input (x - mean) * scale + bias.
struct ReluArgs {
  const void *y;
  const float *scale, *bias;
};

// Kernels in batch_norm.rs, which also documents the arguments.
struct Kernels {
  void (*stats)(bool bf16, const void *x, size_t count, const float *shift, size_t channels,
                double *first, double *second);
  void (*normalize)(bool bf16, const void *x, const void *shortcut, size_t count,
                    const float *mean, const float *scale, const float *bias, size_t channels,
                    bool relu, void *y);
  void (*backward_reduce)(bool bf16, const void *x, const void *dy, const ReluArgs *relu,
                          size_t count, const float *mean, size_t channels, double *first,
                          double *second);
  // Overwrites `dy`. `dx` may be null.
  void (*backward_input)(bool bf16, const void *x, void *dy, const ReluArgs *relu, size_t count,
                         const float *mean, const float *scale, const float *slope,
                         const float *offset, size_t channels, void *dx);
};

// Divides the rows of a tensor between threads. Calls body(chunk, first element, number of
// elements).
template <typename F>
void parallel_rows(int64_t rows, int64_t channels, const F &body) {
  // With fewer elements, a thread takes longer to start than to run.
  const int64_t min_elements = 1 << 14;
  const int64_t max_chunks = std::min<int64_t>(at::get_num_threads(), 64);
  const int64_t chunks = std::clamp<int64_t>(rows * channels / min_elements, 1, max_chunks);
  parallel_ranges(rows, chunks, [&](int64_t chunk, int64_t begin, int64_t end) {
    body(chunk, begin * channels, (end - begin) * channels);
  });
}

// As parallel_rows, but each thread processes its rows in pieces from the last to the first: the
// previous pass left the last rows in the cache of the core, and this pass leaves the first rows in
// the cache for the next pass. Calls body(first element, number of elements).
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

// Two sums per channel for each chunk of rows.
struct Sums {
  std::vector<double> first, second;
  Sums(int64_t chunks, int64_t channels) : first(chunks * channels), second(chunks * channels) {}
  // Returns the sum of channel `c` over all chunks.
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
    const auto shortcut_nhwc = shortcut ? channels_last(*shortcut) : at::Tensor();

    // The statistics are sums of x - shift and its square, which avoids cancellation if the shift
    // is close to the mean: the first pixel or, in `stats`, the running mean.
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
      const double shifted_mean = Sums::total(sums.first, c, channels) / rows;
      const double mean_square = Sums::total(sums.second, c, channels) / rows;
      const double non_negative = std::max(mean_square - shifted_mean * shifted_mean, 0.0);
      // std::max replaces NaN by 0, but NaN must propagate to the loss.
      const double variance = std::isnan(mean_square) ? mean_square : non_negative;
      means[c] = static_cast<float>(shifts[c] + shifted_mean);
      invstds[c] = static_cast<float>(1 / std::sqrt(variance + eps));
      scales[c] = gammas[c] * invstds[c];
      running_means[c] += static_cast<float>(momentum * (means[c] - running_means[c]));
      const double unbiased = variance * rows / std::max<int64_t>(rows - 1, 1);
      running_vars[c] += static_cast<float>(momentum * (unbiased - running_vars[c]));
    }

    const auto y = at::empty_like(x);
    parallel_rows_reversed(rows, channels, [&](int64_t first, int64_t count) {
      const auto *shortcut_ptr =
          shortcut_nhwc.defined() ? element_ptr(shortcut_nhwc, first) : nullptr;
      kernels->normalize(bf16, element_ptr(x, first), shortcut_ptr, count, means, scales, betas,
                         channels, relu, element_ptr_mut(y, first));
    });
    // With a shortcut, the input of the ReLU cannot be recomputed from x, so its output is saved.
    context->save_for_backward({x, gamma, beta, mean, invstd, relu && shortcut ? y : at::Tensor()});
    context->saved_data["table"] = table;
    context->saved_data["relu"] = relu;
    context->saved_data["shortcut"] = shortcut.has_value();
    return y;
  }

  // The autograd engine does not use `gradients` afterwards, so tensors may be moved out of the
  // list.
  static variable_list backward(AutogradContext *context, variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &gamma = saved[1], &beta = saved[2], &mean = saved[3],
               &invstd = saved[4], &y = saved[5];
    const bool relu = context->saved_data["relu"].toBool();
    const auto *kernels = reinterpret_cast<const Kernels *>(context->saved_data["table"].toInt());
    const bool bf16 = x.scalar_type() == at::kBFloat16;
    const int64_t channels = x.size(1), rows = x.numel() / channels;
    auto dy = channels_last(std::exchange(gradients[0], at::Tensor()).to(x.scalar_type()));
    // The kernel overwrites dy, which is copied if it has other owners.
    if (!has_unique_owner(dy)) dy = dy.clone();
    const auto *means = mean.const_data_ptr<float>(), *invstds = invstd.const_data_ptr<float>();
    const auto *gammas = gamma.const_data_ptr<float>(), *betas = beta.const_data_ptr<float>();
    // Bit-identical to the scale of the forward pass, so that the recomputed mask is exact.
    std::vector<float> forward_scale(channels);
    for (int64_t c = 0; c < channels; c++) forward_scale[c] = gammas[c] * invstds[c];
    const auto relu_args = [&](int64_t first) {
      return ReluArgs{y.defined() ? element_ptr(y, first) : nullptr, forward_scale.data(), betas};
    };

    Sums sums(64, channels);
    parallel_rows(rows, channels, [&](int64_t chunk, int64_t first, int64_t count) {
      const auto args = relu_args(first);
      kernels->backward_reduce(bf16, element_ptr(x, first), element_ptr(dy, first),
                               relu ? &args : nullptr, count, means, channels,
                               &sums.first[chunk * channels], &sums.second[chunk * channels]);
    });

    // dx = gamma invstd (g - mean(g) - xhat mean(g xhat)), with xhat = (x - mean) invstd.
    const auto dgamma = at::empty({channels}, at::kFloat);
    const auto dbeta = at::empty({channels}, at::kFloat);
    auto *dgammas = dgamma.data_ptr<float>(), *dbetas = dbeta.data_ptr<float>();
    std::vector<float> scale(channels), slope(channels), offset(channels);
    for (int64_t c = 0; c < channels; c++) {
      const double g_sum = Sums::total(sums.first, c, channels);
      const double gx_sum = Sums::total(sums.second, c, channels);
      const double inv = invstds[c];
      const double factor = gammas[c] * inv;
      dgammas[c] = static_cast<float>(gx_sum * inv);
      dbetas[c] = static_cast<float>(g_sum);
      scale[c] = static_cast<float>(factor);
      slope[c] = static_cast<float>(-factor * inv * inv * gx_sum / rows);
      offset[c] = static_cast<float>(-factor * g_sum / rows);
    }
    const bool with_shortcut = context->saved_data["shortcut"].toBool();
    const auto dx = with_shortcut ? at::empty_like(x) : dy;
    parallel_rows_reversed(rows, channels, [&](int64_t first, int64_t count) {
      const auto args = relu_args(first);
      kernels->backward_input(bf16, element_ptr(x, first), element_ptr_mut(dy, first),
                              relu ? &args : nullptr, count, means, scale.data(), slope.data(),
                              offset.data(), channels,
                              with_shortcut ? element_ptr_mut(dx, first) : nullptr);
    });
    const auto dshortcut = with_shortcut ? dy : at::Tensor();
    return {dx, dgamma, dbeta, dshortcut, {}, {}, {}, {}, {}, {}, {}};
  }
};

}  // namespace

extern "C" {

// Normalizes by the statistics of the batch (training mode), updates the running statistics, adds
// `shortcut` and applies ReLU if `relu`. `shortcut` and `stats` may be null; `stats` are the sums
// of input - running_mean and its square, [2, channels] in fp64.
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
