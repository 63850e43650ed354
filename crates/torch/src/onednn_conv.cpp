// Convolutions by oneDNN with the weight in the order that it computes in, and what follows the sum
// in the same pass. They are operations of libtorch that only its dispatcher hands out.

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/GradMode.h>

#include "catch_exceptions.h"
#include "parallel.h"

namespace {

struct Geometry {
  int64_t stride[2], padding[2], groups;
};

using Numbers = std::vector<int64_t>;

Numbers pair(const int64_t (&numbers)[2]) { return {numbers[0], numbers[1]}; }

at::Tensor call(const char *name, const char *overload, torch::jit::Stack stack) {
  const auto operation = c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
  operation.callBoxed(&stack);
  return stack.at(0).toTensor();
}

}  // namespace

extern "C" {

bool residual_has_onednn() { return at::hasMKLDNN() && at::globalContext().userEnabledMkldnn(); }

// `weight` as mkldnn_reorder_conv2d_weight gave it; `bias` and `shortcut` may be null. No gradients.
// The shortcut is taken out of its tensor.
bool residual_packed_convolution(at::Tensor *input, at::Tensor *weight, at::Tensor *bias,
                                 at::Tensor *shortcut, bool relu, const Geometry *geometry,
                                 at::Tensor **output) {
  return catch_exceptions([&] {
    c10::AutoGradMode no_grad(false);
    const auto x = channels_last(*input);
    const c10::IValue b = bias == nullptr ? c10::IValue() : c10::IValue(*bias);
    const Numbers padding = pair(geometry->padding), stride = pair(geometry->stride),
                  dilation = {1, 1};
    const int64_t groups = geometry->groups;
    const c10::List<std::optional<at::Scalar>> no_scalars;
    const c10::IValue none;
    if (shortcut == nullptr) {
      *output = new at::Tensor(call("mkldnn::_convolution_pointwise", "",
                                    {x, *weight, b, padding, stride, dilation, groups,
                                     relu ? "relu" : "none", no_scalars, none}));
      return;
    }
    const auto other = channels_last(std::exchange(*shortcut, at::Tensor()).to(x.scalar_type()));
    const c10::IValue then = relu ? c10::IValue("relu") : none;
    // A shortcut that nobody looks at any more becomes the output.
    const auto y =
        is_held_once(other)
            ? call("mkldnn::_convolution_pointwise_", "binary",
                   {other, x, *weight, b, padding, stride, dilation, groups, "add", 1.0, then,
                    no_scalars, none})
            : call("mkldnn::_convolution_pointwise", "binary",
                   {x, other, *weight, b, padding, stride, dilation, groups, "add", 1.0, then,
                    no_scalars, none});
    *output = new at::Tensor(y);
  });
}
}
