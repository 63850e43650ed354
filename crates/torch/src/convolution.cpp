// 3x3 convolutions by Winograd's algorithm as an operation of autograd, on channels_last tensors.
// The arithmetic is Rust's (crates/kernels), handed in as a table of functions; here are the shares
// of the threads and the graph.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>

#include "catch_exceptions.h"
#include "parallel.h"

namespace {

// What Rust calls winograd::Shape.
struct Shape {
  size_t images, height, width, inputs, outputs;
};

struct Kernels {
  size_t (*filters)(const Shape *);
  size_t (*panels)(const Shape *);
  size_t (*tile_rows)(const Shape *);
  size_t (*rows_at_once)(const Shape *);
  void (*transform)(const Shape *, bool backward, const float *weight, size_t begin, size_t end,
                    float *filters);
  // `shift` (and with it `first` and `second`, a number for each channel) only for statistics.
  // `shortcut` may be `y`.
  void (*convolve)(const Shape *, bool bf16, const void *x, const float *filters, size_t begin,
                   size_t end, const float *bias, const void *shortcut, bool relu, void *y,
                   const float *shift, double *first, double *second);
  void (*sums)(const Shape *, bool bf16, const void *x, const void *dy, size_t begin, size_t end,
               float *sums);
  void (*gradient)(const Shape *, const float *sums, size_t parts, size_t begin, size_t end,
                   float *gradient);
};

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

Shape shape_of(const at::Tensor &x, const at::Tensor &w) {
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  return {size(x.size(0)), size(x.size(2)), size(x.size(3)), size(w.size(1)), size(w.size(0))};
}

int64_t threads_for(int64_t things) {
  return std::clamp<int64_t>(at::get_num_threads(), 1, std::max<int64_t>(things, 1));
}

// What follows the sum. Tensors may be undefined.
struct Then {
  at::Tensor bias, shortcut;
  bool relu = false;
  // Statistics of the output are wanted as distances from this number for each channel.
  at::Tensor shift;
  // They come here: [2, channels], fp64.
  at::Tensor sums;
};

const void *pixels_of(const at::Tensor &tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

// A weight as the kernels need it.
at::Tensor filters_of(const Kernels &kernels, const Shape &shape, bool backward,
                      const at::Tensor &weight) {
  const auto filters = at::empty({static_cast<int64_t>(kernels.filters(&shape))}, at::kFloat);
  auto *transformed = filters.data_ptr<float>();
  const auto *weights = weight.const_data_ptr<float>();
  const int64_t panels = kernels.panels(&shape);
  in_shares(panels, threads_for(panels), [&](int64_t, int64_t begin, int64_t end) {
    kernels.transform(&shape, backward, weights, begin, end, transformed);
  });
  return filters;
}

// What a thread does with rows of tiles: its number, first row, row behind the last.
using Rows = std::function<void(int64_t, int64_t, int64_t)>;

// `also`, if there are no statistics, is done with the same rows while the images are near.
at::Tensor convolve(const Kernels &kernels, const Shape &shape, const at::Tensor &images,
                    const at::Tensor &filters, Then &&then = {}, const Rows &also = {}) {
  const auto *transformed = filters.const_data_ptr<float>();
  const int64_t rows = kernels.tile_rows(&shape);
  // A shortcut that nobody looks at any more becomes the output.
  const bool in_place = then.shortcut.defined() && is_held_once(then.shortcut);
  const auto output =
      in_place ? then.shortcut
               : at::empty({images.size(0), static_cast<int64_t>(shape.outputs), images.size(2),
                            images.size(3)},
                           images.options(), at::MemoryFormat::ChannelsLast);
  const auto *x = images.const_data_ptr(), *shortcut = pixels_of(then.shortcut);
  const auto *bias = static_cast<const float *>(pixels_of(then.bias));
  const auto *shift = static_cast<const float *>(pixels_of(then.shift));
  auto *y = output.data_ptr();
  const bool bf16 = images.scalar_type() == at::kBFloat16;
  const int64_t parts = threads_for(rows), channels = shape.outputs;
  at::Tensor sums;
  double *partial = nullptr;
  if (shift != nullptr) {
    sums = at::zeros({parts, 2, channels}, at::kDouble);
    partial = sums.data_ptr<double>();
  }
  const int64_t at_once = also ? kernels.rows_at_once(&shape) : rows;
  in_shares(rows, parts, [&](int64_t part, int64_t begin, int64_t end) {
    auto *first = partial == nullptr ? nullptr : partial + part * 2 * channels;
    for (int64_t row = begin; row < end; row += at_once) {
      const int64_t behind = std::min(row + at_once, end);
      kernels.convolve(&shape, bf16, x, transformed, row, behind, bias, shortcut, then.relu, y,
                       shift, first, first == nullptr ? nullptr : first + channels);
      if (also) also(part, row, behind);
    }
  });
  if (shift != nullptr) then.sums = sums.sum(0);
  return output;
}

// To the convolution, the statistics of its output (if `shift` is there), and the input once more,
// for whoever adds it to what comes of it: so its two gradients are added in the convolution's own
// pass, and not in one of their own.
struct Convolution3x3 : torch::autograd::Function<Convolution3x3> {
  static variable_list forward(AutogradContext *context, Variable input, Variable weight,
                               std::optional<Variable> shift, int64_t table) {
    const auto &kernels = *reinterpret_cast<const Kernels *>(table);
    const auto x = channels_last(input), w = channels_last(weight);
    context->save_for_backward({x, w});
    context->saved_data["table"] = table;
    const auto shape = shape_of(x, w);
    Then then;
    if (shift) then.shift = *shift;
    const auto filters = filters_of(kernels, shape, /*backward=*/false, w);
    const auto output = convolve(kernels, shape, x, filters, std::move(then));
    context->set_materialize_grads(false);
    if (!shift) return {output, input};
    context->mark_non_differentiable({then.sums});
    return {output, input, then.sums};
  }

  // The engine gives its gradients away, and nobody looks at the list again.
  static variable_list backward(AutogradContext *context, variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &w = saved[1];
    const auto &kernels = *reinterpret_cast<const Kernels *>(context->saved_data["table"].toInt());
    // Nobody used the output, or nobody the input once more.
    if (!gradients[0].defined()) return {gradients[1], {}, {}, {}};
    const auto dy = channels_last(gradients[0].to(x.scalar_type()));
    const auto shape = shape_of(x, w);
    const int64_t rows = kernels.tile_rows(&shape), parts = threads_for(rows);
    const bool both = context->needs_input_grad(0) && context->needs_input_grad(1);
    // Else the second of the two would find nothing near, and the first need not wait for room.
    const bool together = both && static_cast<int64_t>(kernels.rows_at_once(&shape)) < rows;
    at::Tensor dx, sums;
    const auto begin_sums = [&] {
      sums = at::zeros({parts, static_cast<int64_t>(kernels.filters(&shape))}, at::kFloat);
    };
    const Rows add = [&](int64_t part, int64_t begin, int64_t end) {
      kernels.sums(&shape, x.scalar_type() == at::kBFloat16, x.const_data_ptr(),
                   dy.const_data_ptr(), begin, end, sums.data_ptr<float>() + part * sums.size(1));
    };
    if (together) begin_sums();
    if (context->needs_input_grad(0)) {
      auto back = shape;
      std::swap(back.inputs, back.outputs);
      Then then;
      if (gradients[1].defined()) {
        then.shortcut =
            channels_last(std::exchange(gradients[1], at::Tensor()).to(x.scalar_type()));
      }
      const auto filters = filters_of(kernels, back, /*backward=*/true, w);
      dx = convolve(kernels, back, dy, filters, std::move(then), together ? add : Rows());
    }
    if (!context->needs_input_grad(1)) return {dx, {}, {}, {}};
    if (!together) {
      begin_sums();
      in_shares(rows, parts, add);
    }
    return {dx, filter_gradient(kernels, shape, sums, w), {}, {}};
  }

  // Of each thread's sums.
  static at::Tensor filter_gradient(const Kernels &kernels, const Shape &shape,
                                    const at::Tensor &sums, const at::Tensor &w) {
    const auto gradient = at::empty_like(w);
    auto *into = gradient.data_ptr<float>();
    const auto *partial = sums.const_data_ptr<float>();
    const int64_t outputs = shape.outputs;
    in_shares(outputs, threads_for(outputs), [&](int64_t, int64_t begin, int64_t end) {
      kernels.gradient(&shape, partial, sums.size(0), begin, end, into);
    });
    return gradient;
  }
};

}  // namespace

extern "C" {

// Stride 1, padding 1, no bias. `weight` in fp32, `input` in fp32 or bf16; `shift` may be null, and
// then there are no `sums`.
bool residual_convolution_3x3(at::Tensor *input, at::Tensor *weight, at::Tensor *shift,
                              const Kernels *kernels, at::Tensor **output, at::Tensor **again,
                              at::Tensor **sums) {
  return catch_exceptions([&] {
    const auto all = Convolution3x3::apply(
        *input, *weight, shift == nullptr ? std::nullopt : std::make_optional(*shift),
        reinterpret_cast<int64_t>(kernels));
    *output = new at::Tensor(all[0]);
    *again = new at::Tensor(all[1]);
    if (shift != nullptr) *sums = new at::Tensor(all[2]);
  });
}

// What `weight` (fp32) is to the kernels, for residual_convolution_3x3_then.
bool residual_convolution_3x3_filters(at::Tensor *weight, const Kernels *kernels,
                                      at::Tensor **filters) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto w = channels_last(*weight);
    // Of the shape, only the channels count.
    const auto shape = shape_of(at::empty({0, 0, 0, 0}), w);
    *filters = new at::Tensor(filters_of(*kernels, shape, /*backward=*/false, w));
  });
}

// The convolution without gradients, plus `bias` (fp32), plus `shortcut` (both may be null),
// rectified. The shortcut is taken out of its tensor.
bool residual_convolution_3x3_then(at::Tensor *input, at::Tensor *filters, at::Tensor *bias,
                                   at::Tensor *shortcut, bool relu, const Kernels *kernels,
                                   at::Tensor **output) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    Then then;
    if (bias != nullptr) then.bias = *bias;
    if (shortcut != nullptr) {
      then.shortcut = channels_last(
          std::exchange(*shortcut, at::Tensor()).to(input->scalar_type()));
    }
    then.relu = relu;
    const auto x = channels_last(*input);
    const auto size = [&](int64_t axis) { return static_cast<size_t>(x.size(axis)); };
    Shape shape{size(0), size(2), size(3), size(1), 1};
    shape.outputs = filters->numel() / kernels->filters(&shape);
    *output = new at::Tensor(convolve(*kernels, shape, x, *filters, std::move(then)));
  });
}
}
