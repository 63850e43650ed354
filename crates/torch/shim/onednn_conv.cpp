// oneDNN convolutions with a reordered weight and fused shortcut addition and ReLU. These
// operations of libtorch are available only through its dispatcher.

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/GradMode.h>

#include "catch_exceptions.h"
#include "parallel.h"

namespace {

// ConvParams in folded_conv.rs.
struct ConvParams {
  int64_t stride[2], padding[2], groups;
};

using Sizes = std::vector<int64_t>;

Sizes to_sizes(const int64_t (&pair)[2]) { return {pair[0], pair[1]}; }

// Calls an operation by its name and returns its only result.
at::Tensor call(const char *name, const char *overload, torch::jit::Stack stack) {
  const auto operation = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
  operation.callBoxed(&stack);
  return stack.at(0).toTensor();
}

}  // namespace

extern "C" {

bool residual_has_onednn() { return at::hasMKLDNN() && at::globalContext().userEnabledMkldnn(); }

// Computes a convolution without gradients, adds `bias` and `shortcut` (both may be null) and
// applies ReLU if `relu`. `weight` is a result of mkldnn_reorder_conv2d_weight. Moves the shortcut
// out of its tensor.
bool residual_onednn_conv2d(at::Tensor *input, at::Tensor *weight, at::Tensor *bias,
                            at::Tensor *shortcut, bool relu, const ConvParams *params,
                            at::Tensor **output) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto x = channels_last(*input);
    const c10::IValue b = bias == nullptr ? c10::IValue() : c10::IValue(*bias);
    const Sizes padding = to_sizes(params->padding), stride = to_sizes(params->stride),
                  dilation = {1, 1};
    const int64_t groups = params->groups;
    const c10::List<std::optional<at::Scalar>> no_scalars;
    const c10::IValue none;
    if (shortcut == nullptr) {
      *output = new at::Tensor(call("mkldnn::_convolution_pointwise", "",
                                    {x, *weight, b, padding, stride, dilation, groups,
                                     relu ? "relu" : "none", no_scalars, none}));
      return;
    }
    const auto addend = channels_last(std::exchange(*shortcut, at::Tensor()).to(x.scalar_type()));
    const c10::IValue unary = relu ? c10::IValue("relu") : none;
    // A shortcut without other owners becomes the output.
    const auto y =
        has_unique_owner(addend)
            ? call("mkldnn::_convolution_pointwise_", "binary",
                   {addend, x, *weight, b, padding, stride, dilation, groups, "add", 1.0, unary,
                    no_scalars, none})
            : call("mkldnn::_convolution_pointwise", "binary",
                   {x, addend, *weight, b, padding, stride, dilation, groups, "add", 1.0, unary,
                    no_scalars, none});
    *output = new at::Tensor(y);
  });
}
}
