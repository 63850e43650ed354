// Work on ATen's own threads.

#pragma once

#include <ATen/ATen.h>
#include <ATen/TensorIterator.h>

#include <algorithm>

// Calls body(0) to body(chunks - 1) on ATen's threads. (at::parallel_for would have to be compiled
// with OpenMP and linked to the very library that this libtorch brings; a TensorIterator's loop
// runs on the same team from inside libtorch.)
template <typename F>
void in_parallel(int64_t chunks, const F &body) {
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

// Shares `count` things between `chunks` threads: body(chunk, begin, end).
template <typename F>
void in_shares(int64_t count, int64_t chunks, const F &body) {
  const auto one = [&](int64_t chunk) {
    body(chunk, count * chunk / chunks, count * (chunk + 1) / chunks);
  };
  if (chunks == 1) return one(0);
  in_parallel(chunks, one);
}

// Whether nobody but the holder of this tensor can see what is written into it.
inline bool is_held_once(const at::Tensor &tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

inline at::Tensor channels_last(const at::Tensor &tensor) {
  return tensor.contiguous(at::MemoryFormat::ChannelsLast);
}
