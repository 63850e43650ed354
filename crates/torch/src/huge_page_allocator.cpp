// An allocator of libtorch's for the CPU whose large blocks are Rust's (allocator.rs).

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

#include <cstddef>

extern "C" void residual_memory_ran_out();

namespace {

struct Blocks {
  size_t large;
  void *(*take)(size_t);
  bool (*give_back)(void *);
};

const Blocks *blocks = nullptr;

void give_back(void *block) {
  if (block != nullptr && !blocks->give_back(block)) c10::free_cpu(block);
}

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(size_t size) override {
    void *block = size < blocks->large ? c10::alloc_cpu(size) : blocks->take(size);
    if (block == nullptr && size != 0) residual_memory_ran_out();
    TORCH_CHECK(block != nullptr || size == 0, "not enough memory for a tensor of ", size, " bytes");
    return {block, block, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void *into, const void *from, size_t count) const override {
    default_copy_data(into, from, count);
  }
};

}  // namespace

extern "C" void residual_use_blocks(const Blocks *table) {
  // Tensors may outlive everything: the allocator is never destroyed.
  static auto *allocator = new Allocator();
  blocks = table;
  c10::SetCPUAllocator(allocator);
}
