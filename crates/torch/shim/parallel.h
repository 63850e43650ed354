// Parallel loops on ATen's threads.

#pragma once

#include <ATen/ATen.h>
#include <ATen/TensorIterator.h>

#include <algorithm>

// Calls body(0) to body(chunks - 1) on ATen's threads. Uses a TensorIterator loop, which libtorch
// runs on its threads, because at::parallel_for is a template that would have to be compiled with
// OpenMP and linked to the OpenMP library of this libtorch.
template <typename F>
void parallel_chunks(int64_t chunks, const F &body) {
  const auto indices = at::arange(chunks, at::kLong);
  auto iterator = at::TensorIterator::borrowing_nullary_op(indices);
  iterator.for_each(
      [&](char **data, const int64_t *strides, int64_t inner, int64_t outer) {
        for (int64_t i = 0; i < outer; i++)
          for (int64_t j = 0; j < inner; j++)
            body(*reinterpret_cast<int64_t *>(data[0] + i * strides[1] + j * strides[0]));
      },
      /*grain_size=*/1);
}

// Divides `count` items into `chunks` ranges and calls body(chunk, begin, end) for each in
// parallel.
template <typename F>
void parallel_ranges(int64_t count, int64_t chunks, const F &body) {
  const auto run_chunk = [&](int64_t chunk) {
    body(chunk, count * chunk / chunks, count * (chunk + 1) / chunks);
  };
  if (chunks == 1) return run_chunk(0);
  parallel_chunks(chunks, run_chunk);
}

// Returns whether the tensor and its storage have no other owner, so that it may be overwritten.
inline bool has_unique_owner(const at::Tensor &tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

inline at::Tensor channels_last(const at::Tensor &tensor) {
  return tensor.contiguous(at::MemoryFormat::ChannelsLast);
}
