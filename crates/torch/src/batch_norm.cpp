// Batch normalization with what follows it in a residual block (the addition of a shortcut, ReLU) as
// one operation of autograd, on channels_last tensors. The arithmetic is Rust's (crates/kernels),
// handed in as a table of functions; here are the statistics and the graph.

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

// A ReLU on the way back: its output, or if that is null what it rectified, (x - mean) scale + bias.
struct Relu {
  const void *y;
  const float *scale, *bias;
};

// On rows of channels; `count` numbers. Pointers may be null where the text in Rust says so.
struct Kernels {
  void (*statistics)(bool bf16, const void *x, size_t count, const float *shift, size_t channels,
                     double *first, double *second);
  void (*normalize)(bool bf16, const void *x, const void *shortcut, size_t count,
                    const float *mean, const float *scale, const float *bias, size_t channels,
                    bool relu, void *y);
  void (*backward_sums)(bool bf16, const void *x, const void *dy, const Relu *relu, size_t count,
                        const float *mean, size_t channels, double *first, double *second);
  // Writes over dy; `dx` may be null, as the text in Rust says.
  void (*backward)(bool bf16, const void *x, void *dy, const Relu *relu, size_t count,
                   const float *mean, const float *scale, const float *slope, const float *offset,
                   size_t channels, void *dx);
};

// The rows of a tensor, shared between threads: body(chunk, first number, numbers).
template <typename F>
void by_rows(int64_t rows, int64_t channels, const F &body) {
  // A thread that starts for less costs more than it brings.
  const int64_t least = 1 << 14;
  const int64_t chunks =
      std::clamp<int64_t>(rows * channels / least, 1, std::min<int64_t>(at::get_num_threads(), 64));
  in_shares(rows, chunks, [&](int64_t chunk, int64_t begin, int64_t end) {
    body(chunk, begin * channels, (end - begin) * channels);
  });
}

// The same in pieces, from the end: what the pass before touched last is still in the core's cache,
// and what this one touches last is what the next begins with. body(first number, numbers).
template <typename F>
void by_rows_from_the_end(int64_t rows, int64_t channels, const F &body) {
  const int64_t piece = std::max<int64_t>((1 << 15) / channels, 1) * channels;
  by_rows(rows, channels, [&](int64_t, int64_t first, int64_t count) {
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
  // All chunks' sums of channel c.
  static double total(const std::vector<double> &sums, int64_t c, int64_t channels) {
    double sum = 0;
    for (size_t i = c; i < sums.size(); i += channels) sum += sums[i];
    return sum;
  }
};

const char *at_number(const at::Tensor &tensor, int64_t number) {
  return static_cast<const char *>(tensor.const_data_ptr()) + number * tensor.element_size();
}

char *at_number_mut(const at::Tensor &tensor, int64_t number) {
  return static_cast<char *>(tensor.data_ptr()) + number * tensor.element_size();
}

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct BatchNormAddRelu : torch::autograd::Function<BatchNormAddRelu> {
  static Variable forward(AutogradContext *context, Variable input, Variable gamma, Variable beta,
                          std::optional<Variable> shortcut, Variable running_mean,
                          Variable running_var, std::optional<Variable> known, bool relu, double momentum, double eps, int64_t table) {
    const auto *kernels = reinterpret_cast<const Kernels *>(table);
    const auto x = channels_last(input);
    const bool bf16 = x.scalar_type() == at::kBFloat16;
    const int64_t channels = x.size(1), rows = x.numel() / channels;
    const auto added = shortcut ? channels_last(*shortcut) : at::Tensor();

    // Sums are taken of the distance from the first pixel, which is near enough to the mean; those
    // that are known are of the distance from the running mean.
    const auto first_pixel = [&] { return x.select(0, 0).select(1, 0).select(1, 0); };
    const auto shift = (known ? running_mean.clone() : first_pixel().to(at::kFloat)).contiguous();
    const auto *shifts = shift.const_data_ptr<float>();
    Sums sums(known ? 1 : 64, channels);
    if (known) {
      const auto *numbers = known->const_data_ptr<double>();
      std::copy_n(numbers, channels, sums.first.begin());
      std::copy_n(numbers + channels, channels, sums.second.begin());
    } else {
      by_rows(rows, channels, [&](int64_t chunk, int64_t first, int64_t count) {
        kernels->statistics(bf16, at_number(x, first), count, shifts, channels,
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
      // A NaN in the batch has to reach the loss, which max() would prevent.
      const double kept = std::isnan(square) ? square : var;
      means[c] = static_cast<float>(shifts[c] + distance);
      invstds[c] = static_cast<float>(1 / std::sqrt(kept + eps));
      scales[c] = gammas[c] * invstds[c];
      running_means[c] += static_cast<float>(momentum * (means[c] - running_means[c]));
      const double unbiased = kept * rows / std::max<int64_t>(rows - 1, 1);
      running_vars[c] += static_cast<float>(momentum * (unbiased - running_vars[c]));
    }

    const auto y = at::empty_like(x);
    by_rows_from_the_end(rows, channels, [&](int64_t first, int64_t count) {
      kernels->normalize(bf16, at_number(x, first), added.defined() ? at_number(added, first) : nullptr,
                         count, means, scales, betas, channels, relu, at_number_mut(y, first));
    });
    // Where something was added before the ReLU, only its output tells what it let pass.
    context->save_for_backward({x, gamma, beta, mean, invstd, relu && shortcut ? y : at::Tensor()});
    context->saved_data["table"] = table;
    context->saved_data["relu"] = relu;
    context->saved_data["shortcut"] = shortcut.has_value();
    return y;
  }

  // The engine gives its gradients away, and nobody looks at the list again.
  static variable_list backward(AutogradContext *context, variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &gamma = saved[1], &beta = saved[2], &mean = saved[3],
               &invstd = saved[4], &y = saved[5];
    const bool relu = context->saved_data["relu"].toBool();
    const auto *kernels = reinterpret_cast<const Kernels *>(context->saved_data["table"].toInt());
    const bool bf16 = x.scalar_type() == at::kBFloat16;
    const int64_t channels = x.size(1), rows = x.numel() / channels;
    auto dy = channels_last(std::exchange(gradients[0], at::Tensor()).to(x.scalar_type()));
    // It is written over, unless it is the gradient of something else, too.
    if (!is_held_once(dy)) dy = dy.clone();
    const auto *means = mean.const_data_ptr<float>(), *invstds = invstd.const_data_ptr<float>();
    const auto *gammas = gamma.const_data_ptr<float>(), *betas = beta.const_data_ptr<float>();
    // As forward had it, to the last bit.
    std::vector<float> factors(channels);
    for (int64_t c = 0; c < channels; c++) factors[c] = gammas[c] * invstds[c];
    const auto gate = [&](int64_t first) {
      return Relu{y.defined() ? at_number(y, first) : nullptr, factors.data(), betas};
    };

    Sums sums(64, channels);
    by_rows(rows, channels, [&](int64_t chunk, int64_t first, int64_t count) {
      const auto rectified = gate(first);
      kernels->backward_sums(bf16, at_number(x, first), at_number(dy, first),
                             relu ? &rectified : nullptr, count, means, channels,
                             &sums.first[chunk * channels], &sums.second[chunk * channels]);
    });

    // dx = gamma invstd (g - mean(g) - xhat mean(g xhat)), with xhat = (x - mean) invstd.
    const auto dgamma = at::empty({channels}, at::kFloat), dbeta = at::empty({channels}, at::kFloat);
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
    by_rows_from_the_end(rows, channels, [&](int64_t first, int64_t count) {
      const auto rectified = gate(first);
      kernels->backward(bf16, at_number(x, first), at_number_mut(dy, first),
                        relu ? &rectified : nullptr, count, means, scale.data(), slope.data(),
                        offset.data(), channels, with_shortcut ? at_number_mut(dx, first) : nullptr);
    });
    const auto dshortcut = with_shortcut ? dy : at::Tensor();
    return {dx, dgamma, dbeta, dshortcut, {}, {}, {}, {}, {}, {}, {}};
  }
};

}  // namespace

extern "C" {

// `shortcut` and `sums` may be null. Training mode: the batch's statistics, of which `sums` are the
// sums of the distances from the running mean and of their squares; and the running ones are moved.
bool residual_batch_norm_add_relu(at::Tensor *input, at::Tensor *gamma, at::Tensor *beta,
                                  at::Tensor *shortcut, at::Tensor *running_mean,
                                  at::Tensor *running_var, at::Tensor *sums, bool relu,
                                  double momentum, double eps, const Kernels *kernels,
                                  at::Tensor **output) {
  return catch_exceptions([&] {
    const auto maybe = [](const at::Tensor *tensor) {
      return tensor == nullptr ? std::nullopt : std::make_optional(*tensor);
    };
    *output = new at::Tensor(BatchNormAddRelu::apply(
        *input, *gamma, *beta, maybe(shortcut), *running_mean, *running_var, maybe(sums), relu,
        momentum, eps, reinterpret_cast<int64_t>(kernels)));
  });
}
}
