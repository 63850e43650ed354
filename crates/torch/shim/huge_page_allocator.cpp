// CPU allocator of libtorch that takes large blocks from huge_page_allocator.rs.

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

#include <cstddef>

extern "C" void residual_set_out_of_memory();

namespace {

// BlockAllocator in huge_page_allocator.rs.
struct BlockAllocator {
  size_t min_size;
  void *(*allocate)(size_t);
  bool (*free)(void *);
};

const BlockAllocator *block_allocator = nullptr;

void free_block(void *block) {
  if (block != nullptr && !block_allocator->free(block)) c10::free_cpu(block);
}

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(size_t size) override {
    void *block =
        size < block_allocator->min_size ? c10::alloc_cpu(size) : block_allocator->allocate(size);
    if (block == nullptr && size != 0) residual_set_out_of_memory();
    TORCH_CHECK(block != nullptr || size == 0, "not enough memory for a tensor of ", size,
                " bytes");
    return {block, block, &free_block, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &free_block; }

  void copy_data(void *target, const void *source, size_t count) const override {
    default_copy_data(target, source, count);
  }
};

}  // namespace

extern "C" void residual_set_cpu_allocator(const BlockAllocator *table) {
  // Never deleted, because tensors may outlive static objects.
  static auto *allocator = new Allocator();
  block_allocator = table;
  // libtorch frees scratch memory with the current allocator, even if another one allocated it. An
  // allocator of a second copy of residual in this process would not know the blocks of the first
  // copy's allocator, so the first one is not replaced.
  c10::Allocator *current = c10::GetCPUAllocator();
  if (current == c10::GetDefaultCPUAllocator()) c10::SetCPUAllocator(allocator);
}
