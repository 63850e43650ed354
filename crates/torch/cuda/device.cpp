// Queries of the device.

#include <c10/cuda/CUDAException.h>
#include <cuda_runtime_api.h>

#include <cstddef>

#include "../shim/catch_exceptions.h"

bool device_capability(int *major, int *minor) {
  return catch_exceptions([&] {
    C10_CUDA_CHECK(cudaDeviceGetAttribute(major, cudaDevAttrComputeCapabilityMajor, 0));
    C10_CUDA_CHECK(cudaDeviceGetAttribute(minor, cudaDevAttrComputeCapabilityMinor, 0));
  });
}

bool free_memory(size_t *bytes) {
  return catch_exceptions([&] {
    size_t total = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(bytes, &total));
  });
}
