// Test double of CUDA graphs on the CPU: records libtorch operations as they are dispatched and
// calls them again on the same tensors. As with CUDA graphs, recorded operations take effect only
// on replay, host values are captured as constants, tensors that replace recorded ones have no
// effect, and reading a value on the host fails. Kernels that are not libtorch operations are not
// recorded.

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

#include "../shim/catch_exceptions.h"

namespace {
// A dispatch key below autograd, so that the backward pass is recorded too. libtorch does not use
// this key in this process.
constexpr auto KEY = c10::DispatchKey::Fake;

using Stack = torch::jit::Stack;

struct Call {
  c10::OperatorHandle operation;
  Stack arguments;
  Stack results;
};

template <typename F>
void for_each_tensor(const c10::IValue &value, F &&body) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) body(value.toTensor());
  } else if (value.isTensorList()) {
    for (const at::Tensor &tensor : value.toTensorList()) body(tensor);
  } else if (value.isList()) {
    for (const c10::IValue &item : value.toListRef()) for_each_tensor(item, body);
  }
}
}  // namespace

struct Recording {
  std::vector<Call> calls;
  // Storages that recorded calls created.
  std::unordered_set<c10::StorageImpl *> created;
  // Content of all other storages before the recording.
  std::unordered_map<c10::StorageImpl *, std::string> saved;
  std::optional<c10::impl::IncludeDispatchKeyGuard> guard;

  void save(const at::Tensor &tensor) {
    auto *storage = tensor.storage().unsafeGetStorageImpl();
    if (created.count(storage) != 0 || saved.count(storage) != 0) return;
    const auto *bytes = static_cast<const char *>(storage->data());
    saved.emplace(storage, bytes == nullptr ? "" : std::string(bytes, storage->nbytes()));
  }

  void restore() {
    for (auto &[storage, bytes] : saved) {
      if (!bytes.empty()) std::memcpy(storage->mutable_data(), bytes.data(), bytes.size());
    }
    saved.clear();
  }
};

namespace {
thread_local Recording *current = nullptr;

void record(const c10::OperatorHandle &operation, c10::DispatchKeySet keys, Stack *stack) {
  const auto &name = operation.schema().name();
  TORCH_CHECK(name != "aten::_local_scalar_dense" && name != "aten::equal",
              "operation not permitted when stream is capturing: ", name);
  const c10::impl::ExcludeDispatchKeyGuard exclude(KEY);
  const auto num_arguments = operation.schema().arguments().size();
  const auto num_results = operation.schema().returns().size();
  Call call{operation, Stack(stack->end() - num_arguments, stack->end()), {}};
  for (const auto &argument : call.arguments) {
    for_each_tensor(argument, [](const at::Tensor &tensor) { current->save(tensor); });
  }
  const c10::DispatchKeySet keys_below(c10::DispatchKeySet::FULL_AFTER, KEY);
  operation.redispatchBoxed(keys & keys_below, stack);
  call.results.assign(stack->end() - num_results, stack->end());
  for (const auto &result : call.results) {
    for_each_tensor(result, [](const at::Tensor &tensor) {
      auto *storage = tensor.storage().unsafeGetStorageImpl();
      if (current->saved.count(storage) == 0) current->created.insert(storage);
    });
  }
  current->calls.push_back(std::move(call));
}

TORCH_LIBRARY_IMPL(_, Fake, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&record>());
}

std::vector<at::Tensor> collect_tensors(const Stack &values) {
  std::vector<at::Tensor> tensors;
  for (const auto &value : values) {
    for_each_tensor(value, [&](const at::Tensor &tensor) { tensors.push_back(tensor); });
  }
  return tensors;
}
}  // namespace

extern "C" {

bool residual_recorder_begin(Recording **recording) {
  return catch_exceptions([&] {
    TORCH_CHECK(current == nullptr, "recordings cannot be nested");
    auto started = std::make_unique<Recording>();
    started->guard.emplace(KEY);
    current = *recording = started.release();
  });
}

// Ends the recording and restores the content that every tensor had before.
bool residual_recorder_end(Recording *recording) {
  return catch_exceptions([&] {
    recording->guard.reset();
    current = nullptr;
    recording->restore();
  });
}

bool residual_recorder_replay(Recording *recording) {
  return catch_exceptions([&] {
    const at::AutoDispatchBelowADInplaceOrView guard;
    for (const auto &call : recording->calls) {
      Stack stack = call.arguments;
      call.operation.callBoxed(&stack);
      const auto recorded = collect_tensors(call.results), replayed = collect_tensors(stack);
      for (size_t i = 0; i < recorded.size(); i++) {
        // A newly allocated result is copied to the address of the recorded result.
        if (recorded[i].const_data_ptr() != replayed[i].const_data_ptr()) {
          recorded[i].copy_(replayed[i]);
        }
      }
    }
  });
}

void residual_recorder_free(Recording *recording) {
  catch_exceptions([&] { delete recording; });
}

}
