// What a CUDA graph is to a card, on the CPU and for tests: operations of libtorch are written down as
// they are called, and called again later on the same tensors. As on a card, nothing that is
// recorded happens before it is replayed; a number that the host had when it was recorded stays what it
// was, a tensor that has taken another's place is not looked at, and a number that the host asks for is
// refused. Kernels of our own, which are no operations of libtorch, are not seen.

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../src/catch_exceptions.h"

namespace {
// Below autograd, so that the backward pass is seen, too; libtorch itself has no use for it.
constexpr auto KEY = c10::DispatchKey::Fake;

using Stack = torch::jit::Stack;

struct Call {
  c10::OperatorHandle operation;
  Stack arguments;
  Stack results;
};

template <typename F>
void each_tensor(const c10::IValue &value, F &&look) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) look(value.toTensor());
  } else if (value.isTensorList()) {
    for (const at::Tensor &tensor : value.toTensorList()) look(tensor);
  } else if (value.isList()) {
    for (const c10::IValue &item : value.toListRef()) each_tensor(item, look);
  }
}
}  // namespace

struct Recording {
  std::vector<Call> calls;
  // Storages that the calls made, and what lay in those that were there before.
  std::unordered_set<c10::StorageImpl *> made;
  std::unordered_map<c10::StorageImpl *, std::string> before;
  std::optional<c10::impl::IncludeDispatchKeyGuard> running;

  void look_at(const at::Tensor &tensor) {
    auto *storage = tensor.storage().unsafeGetStorageImpl();
    if (made.count(storage) != 0 || before.count(storage) != 0) return;
    const auto *bytes = static_cast<const char *>(storage->data());
    before.emplace(storage, bytes == nullptr ? "" : std::string(bytes, storage->nbytes()));
  }

  void restore() {
    for (auto &[storage, bytes] : before) {
      if (!bytes.empty()) std::memcpy(storage->mutable_data(), bytes.data(), bytes.size());
    }
    before.clear();
  }
};

namespace {
thread_local Recording *current = nullptr;

void record(const c10::OperatorHandle &operation, c10::DispatchKeySet keys, Stack *stack) {
  const auto &name = operation.schema().name();
  TORCH_CHECK(name != "aten::_local_scalar_dense" && name != "aten::equal",
              "operation not permitted when stream is capturing: ", name);
  const c10::impl::ExcludeDispatchKeyGuard below(KEY);
  const auto arguments = operation.schema().arguments().size();
  const auto results = operation.schema().returns().size();
  Call call{operation, Stack(stack->end() - arguments, stack->end()), {}};
  for (const auto &argument : call.arguments) {
    each_tensor(argument, [](const at::Tensor &tensor) { current->look_at(tensor); });
  }
  operation.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, KEY), stack);
  call.results.assign(stack->end() - results, stack->end());
  for (const auto &result : call.results) {
    each_tensor(result, [](const at::Tensor &tensor) {
      auto *storage = tensor.storage().unsafeGetStorageImpl();
      if (current->before.count(storage) == 0) current->made.insert(storage);
    });
  }
  current->calls.push_back(std::move(call));
}

TORCH_LIBRARY_IMPL(_, Fake, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&record>());
}

std::vector<at::Tensor> tensors_of(const Stack &values) {
  std::vector<at::Tensor> all;
  for (const auto &value : values) {
    each_tensor(value, [&](const at::Tensor &tensor) { all.push_back(tensor); });
  }
  return all;
}
}  // namespace

extern "C" {

bool residual_recorder_begin(Recording **recording) {
  return catch_exceptions([&] {
    TORCH_CHECK(current == nullptr, "a recording in a recording");
    auto begun = std::make_unique<Recording>();
    begun->running.emplace(KEY);
    current = *recording = begun.release();
  });
}

// Leaves every tensor as it was at the beginning.
bool residual_recorder_end(Recording *recording) {
  return catch_exceptions([&] {
    recording->running.reset();
    current = nullptr;
    recording->restore();
  });
}

bool residual_recorder_replay(Recording *recording) {
  return catch_exceptions([&] {
    const at::AutoDispatchBelowADInplaceOrView below;
    for (const auto &call : recording->calls) {
      Stack stack = call.arguments;
      call.operation.callBoxed(&stack);
      const auto before = tensors_of(call.results), now = tensors_of(stack);
      for (size_t i = 0; i < before.size(); i++) {
        // What is not where it was is new, and goes there.
        if (before[i].const_data_ptr() != now[i].const_data_ptr()) before[i].copy_(now[i]);
      }
    }
  });
}

void residual_recorder_forget(Recording *recording) {
  catch_exceptions([&] { delete recording; });
}

}
