// 3x3 convolutions by Winograd's algorithm as an autograd function, on channels_last tensors. The
// kernels are in Rust (crates/kernels) and are called through a function table; this file divides
// the work between threads and defines the autograd function.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "catch_exceptions.h"
#include "parallel.h"

namespace {

// winograd::ConvShape in crates/kernels.
struct ConvShape {
  size_t images, height, width, in_channels, out_channels;
};

// Kernels in convolution.rs, which also documents the arguments.
struct Kernels {
  size_t (*transformed_filters_len)(const ConvShape *);
  size_t (*num_panels)(const ConvShape *);
  size_t (*num_tile_rows)(const ConvShape *);
  size_t (*cached_tile_rows)(const ConvShape *);
  void (*transform_panels)(const ConvShape *, bool backward, const float *weight, size_t begin,
                           size_t end, float *filters);
  // `shift`, `first` and `second` (one value per channel) are null if no statistics are computed.
  // `shortcut` may be null or equal `y`.
  void (*convolve)(const ConvShape *, bool bf16, const void *x, const float *filters, size_t begin,
                   size_t end, const float *bias, const void *shortcut, bool relu, void *y,
                   const float *shift, double *first, double *second);
  void (*accumulate_filter_gradient)(const ConvShape *, bool bf16, const void *x, const void *dy,
                                     size_t begin, size_t end, float *sums);
  void (*finish_filter_gradient)(const ConvShape *, const float *sums, size_t num_sums,
                                 size_t begin, size_t end, float *gradient);
};

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

ConvShape conv_shape(const at::Tensor &x, const at::Tensor &w) {
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  return {size(x.size(0)), size(x.size(2)), size(x.size(3)), size(w.size(1)), size(w.size(0))};
}

// Returns the number of threads between which `items` are divided.
int64_t num_threads_for(int64_t items) {
  return std::clamp<int64_t>(at::get_num_threads(), 1, std::max<int64_t>(items, 1));
}

// Operations on the output before it is written. Tensors may be undefined.
struct Epilogue {
  at::Tensor bias, shortcut;
  bool relu = false;
  // If defined (a value per channel), the statistics of the output are computed.
  at::Tensor shift;
  // Receives the sums of output - shift and its square: [2, channels], fp64.
  at::Tensor stats;
};

const void *data_or_null(const at::Tensor &tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

at::Tensor transform_filters(const Kernels &kernels, const ConvShape &shape, bool backward,
                             const at::Tensor &weight) {
  const int64_t count = kernels.transformed_filters_len(&shape);
  const auto filters = at::empty({count}, at::kFloat);
  auto *transformed = filters.data_ptr<float>();
  const auto *weights = weight.const_data_ptr<float>();
  const int64_t panels = kernels.num_panels(&shape);
  parallel_ranges(panels, num_threads_for(panels), [&](int64_t, int64_t begin, int64_t end) {
    kernels.transform_panels(&shape, backward, weights, begin, end, transformed);
  });
  return filters;
}

// Function of (chunk, begin, end) that processes a range of tile rows.
using TileRowsBody = std::function<void(int64_t, int64_t, int64_t)>;

// Convolves the images. `after_rows`, if defined, is called for tile rows that have been computed,
// while their images are in the cache; it cannot be combined with statistics.
at::Tensor convolve(const Kernels &kernels, const ConvShape &shape, const at::Tensor &images,
                    const at::Tensor &filters, Epilogue &&epilogue = {},
                    const TileRowsBody &after_rows = {}) {
  const auto *transformed = filters.const_data_ptr<float>();
  const int64_t rows = kernels.num_tile_rows(&shape);
  // A shortcut without other owners becomes the output.
  const bool in_place = epilogue.shortcut.defined() && has_unique_owner(epilogue.shortcut);
  const auto output =
      in_place ? epilogue.shortcut
               : at::empty({images.size(0), static_cast<int64_t>(shape.out_channels),
                            images.size(2), images.size(3)},
                           images.options(), at::MemoryFormat::ChannelsLast);
  const auto *x = images.const_data_ptr(), *shortcut = data_or_null(epilogue.shortcut);
  const auto *bias = static_cast<const float *>(data_or_null(epilogue.bias));
  const auto *shift = static_cast<const float *>(data_or_null(epilogue.shift));
  auto *y = output.data_ptr();
  const bool bf16 = images.scalar_type() == at::kBFloat16;
  const int64_t chunks = num_threads_for(rows), channels = shape.out_channels;
  at::Tensor sums;
  double *chunk_sums = nullptr;
  if (shift != nullptr) {
    sums = at::zeros({chunks, 2, channels}, at::kDouble);
    chunk_sums = sums.data_ptr<double>();
  }
  const int64_t step = after_rows ? kernels.cached_tile_rows(&shape) : rows;
  parallel_ranges(rows, chunks, [&](int64_t chunk, int64_t begin, int64_t end) {
    auto *first = chunk_sums == nullptr ? nullptr : chunk_sums + chunk * 2 * channels;
    for (int64_t row = begin; row < end; row += step) {
      const int64_t last = std::min(row + step, end);
      kernels.convolve(&shape, bf16, x, transformed, row, last, bias, shortcut, epilogue.relu, y,
                       shift, first, first == nullptr ? nullptr : first + channels);
      if (after_rows) after_rows(chunk, row, last);
    }
  });
  if (shift != nullptr) epilogue.stats = sums.sum(0);
  return output;
}

// Returns the convolution, an alias of the input and, if `shift` is given, the statistics of the
// output. The alias is used by the shortcut of a residual block: the backward pass adds its
// gradient while it writes the gradient of the convolution, which saves a pass over memory.
struct Convolution3x3 : torch::autograd::Function<Convolution3x3> {
  static variable_list forward(AutogradContext *context, Variable input, Variable weight,
                               std::optional<Variable> shift, int64_t table) {
    const auto &kernels = *reinterpret_cast<const Kernels *>(table);
    const auto x = channels_last(input), w = channels_last(weight);
    context->save_for_backward({x, w});
    context->saved_data["table"] = table;
    const auto shape = conv_shape(x, w);
    Epilogue epilogue;
    if (shift) epilogue.shift = *shift;
    const auto filters = transform_filters(kernels, shape, /*backward=*/false, w);
    const auto output = convolve(kernels, shape, x, filters, std::move(epilogue));
    context->set_materialize_grads(false);
    if (!shift) return {output, input};
    context->mark_non_differentiable({epilogue.stats});
    return {output, input, epilogue.stats};
  }

  // The autograd engine does not use `gradients` afterwards, so tensors may be moved out of the
  // list.
  static variable_list backward(AutogradContext *context, variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &w = saved[1];
    const auto &kernels = *reinterpret_cast<const Kernels *>(context->saved_data["table"].toInt());
    // The loss depends only on the alias.
    if (!gradients[0].defined()) return {gradients[1], {}, {}, {}};
    const auto dy = channels_last(gradients[0].to(x.scalar_type()));
    const auto shape = conv_shape(x, w);
    const int64_t rows = kernels.num_tile_rows(&shape), chunks = num_threads_for(rows);
    const bool needs_both = context->needs_input_grad(0) && context->needs_input_grad(1);
    // Computing both gradients interleaved is faster only if the images stay in the cache.
    const int64_t cached_rows = kernels.cached_tile_rows(&shape);
    const bool interleaved = needs_both && cached_rows < rows;
    at::Tensor dx, sums;
    const auto allocate_sums = [&] {
      const int64_t count = kernels.transformed_filters_len(&shape);
      sums = at::zeros({chunks, count}, at::kFloat);
    };
    const TileRowsBody accumulate = [&](int64_t chunk, int64_t begin, int64_t end) {
      kernels.accumulate_filter_gradient(&shape, x.scalar_type() == at::kBFloat16,
                                         x.const_data_ptr(), dy.const_data_ptr(), begin, end,
                                         sums.data_ptr<float>() + chunk * sums.size(1));
    };
    if (interleaved) allocate_sums();
    if (context->needs_input_grad(0)) {
      auto backward_shape = shape;
      std::swap(backward_shape.in_channels, backward_shape.out_channels);
      Epilogue epilogue;
      if (gradients[1].defined()) {
        epilogue.shortcut =
            channels_last(std::exchange(gradients[1], at::Tensor()).to(x.scalar_type()));
      }
      const auto filters = transform_filters(kernels, backward_shape, /*backward=*/true, w);
      dx = convolve(kernels, backward_shape, dy, filters, std::move(epilogue),
                    interleaved ? accumulate : TileRowsBody());
    }
    if (!context->needs_input_grad(1)) return {dx, {}, {}, {}};
    if (!interleaved) {
      allocate_sums();
      parallel_ranges(rows, chunks, accumulate);
    }
    return {dx, filter_gradient(kernels, shape, sums, w), {}, {}};
  }

  // Returns the gradient of the weight from the sums of all chunks.
  static at::Tensor filter_gradient(const Kernels &kernels, const ConvShape &shape,
                                    const at::Tensor &sums, const at::Tensor &w) {
    const auto gradient = at::empty_like(w);
    auto *target = gradient.data_ptr<float>();
    const auto *chunk_sums = sums.const_data_ptr<float>();
    const int64_t outputs = shape.out_channels;
    parallel_ranges(outputs, num_threads_for(outputs), [&](int64_t, int64_t begin, int64_t end) {
      kernels.finish_filter_gradient(&shape, chunk_sums, sums.size(0), begin, end, target);
    });
    return gradient;
  }
};

}  // namespace

extern "C" {

// Computes a convolution of stride 1 and padding 1 without bias. `weight` is fp32, `input` fp32 or
// bf16. If `shift` is null, `stats` is not written.
bool residual_conv2d_3x3(at::Tensor *input, at::Tensor *weight, at::Tensor *shift,
                         const Kernels *kernels, at::Tensor **output, at::Tensor **input_alias,
                         at::Tensor **stats) {
  return catch_exceptions([&] {
    const auto results = Convolution3x3::apply(
        *input, *weight, shift == nullptr ? std::nullopt : std::make_optional(*shift),
        reinterpret_cast<int64_t>(kernels));
    *output = new at::Tensor(results[0]);
    *input_alias = new at::Tensor(results[1]);
    if (shift != nullptr) *stats = new at::Tensor(results[2]);
  });
}

// Transforms an fp32 weight for residual_conv2d_3x3_inference.
bool residual_transform_filters(at::Tensor *weight, const Kernels *kernels,
                                at::Tensor **filters) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto w = channels_last(*weight);
    // The transformation depends only on the channels of the shape.
    const auto shape = conv_shape(at::empty({0, 0, 0, 0}), w);
    *filters = new at::Tensor(transform_filters(*kernels, shape, /*backward=*/false, w));
  });
}

// Computes the convolution without gradients, adds `bias` (fp32) and `shortcut` (both may be null)
// and applies ReLU if `relu`. Moves the shortcut out of its tensor.
bool residual_conv2d_3x3_inference(at::Tensor *input, at::Tensor *filters, at::Tensor *bias,
                                   at::Tensor *shortcut, bool relu, const Kernels *kernels,
                                   at::Tensor **output) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    Epilogue epilogue;
    if (bias != nullptr) epilogue.bias = *bias;
    if (shortcut != nullptr) {
      epilogue.shortcut = channels_last(
          std::exchange(*shortcut, at::Tensor()).to(input->scalar_type()));
    }
    epilogue.relu = relu;
    const auto x = channels_last(*input);
    const auto size = [&](int64_t axis) { return static_cast<size_t>(x.size(axis)); };
    ConvShape shape{size(0), size(2), size(3), size(1), 1};
    shape.out_channels = filters->numel() / kernels->transformed_filters_len(&shape);
    *output = new at::Tensor(convolve(*kernels, shape, x, *filters, std::move(epilogue)));
  });
}
}
