// The functions of process_group.cpp where the process group is not supported: macOS and Windows.

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "../catch_exceptions.h"

namespace {
bool fail() {
  return catch_exceptions(
      [] { throw std::runtime_error("several processes are supported on Linux only"); });
}
}  // namespace

extern "C" {
bool residual_store_connect(const char *, uint16_t, int, int64_t, const char *, void **) {
  return fail();
}
bool residual_group_init(void *, const char *, int, int, int64_t) { return fail(); }
void residual_group_free(void *) {}
bool residual_group_set(void *, const char *, const uint8_t *, size_t) { return fail(); }
bool residual_group_get(void *, const char *, void *,
                        void (*)(void *owner, const uint8_t *value, size_t size)) {
  return fail();
}
bool residual_group_all_reduce(void *, const void *, void **) { return fail(); }
bool residual_group_broadcast(void *, const void *, int, void **) { return fail(); }
bool residual_work_wait(void *) { return fail(); }
}  // extern "C"
