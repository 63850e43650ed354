// c10d's process group on CPUs: a TCPStore for the rendezvous and gloo for the collectives. Every
// function catches exceptions, as in shim.cpp.

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "../catch_exceptions.h"

namespace {
using std::chrono::milliseconds;

// A store and the process group that met through it.
struct Group {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
};

using Work = c10::intrusive_ptr<c10d::Work>;

// Stores that this process serves. Never freed: a thread of libtorch serves them until the exit.
std::vector<c10::intrusive_ptr<c10d::Store>> &served_stores() {
  static auto *stores = new std::vector<c10::intrusive_ptr<c10d::Store>>();
  return *stores;
}
}  // namespace

extern "C" {

// Connects to the store at `host`:`port`. `listen_fd`, if it is not negative, is a socket that is bound
// and listens: this process then serves the store until it exits, because other processes may join the
// next group before this one has left the last. The store owns the socket.
bool residual_store_connect(const char *host, uint16_t port, int listen_fd, int64_t timeout_ms,
                            const char *prefix, Group **output) {
  return catch_exceptions([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = listen_fd >= 0;
    if (listen_fd >= 0) options.masterListenFd = listen_fd;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout_ms);
    // libtorch's libuv and Node's have symbols of the same names.
    options.useLibUV = false;
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    if (listen_fd >= 0) served_stores().push_back(store);
    *output = new Group{c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(store)), nullptr};
  });
}

// Connects all ranks. `address`, if it is not null, is the local address that peers connect to;
// otherwise gloo uses GLOO_SOCKET_IFNAME or the address of the host's name.
bool residual_group_init(Group *group, const char *address, int rank, int size, int64_t timeout_ms) {
  return catch_exceptions([&] {
    const auto timeout = milliseconds(timeout_ms);
    group->store->setTimeout(timeout);
    auto options = address == nullptr ? c10d::ProcessGroupGloo::Options::create_default(timeout)
                                      : c10d::ProcessGroupGloo::Options::create(timeout);
    if (address != nullptr) {
      options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address));
    }
    group->group =
        c10::make_intrusive<c10d::ProcessGroupGloo>(group->store, rank, size, std::move(options));
  });
}

void residual_group_free(Group *group) {
  catch_exceptions([&] { delete group; });
}

bool residual_group_set(Group *group, const char *key, const uint8_t *value, size_t size) {
  return catch_exceptions(
      [&] { group->store->set(key, std::vector<uint8_t>(value, value + size)); });
}

// Waits for a key of the store, and calls `receive` with its value.
bool residual_group_get(Group *group, const char *key, void *owner,
                        void (*receive)(void *owner, const uint8_t *value, size_t size)) {
  return catch_exceptions([&] {
    const auto value = group->store->get(key);
    receive(owner, value.data(), value.size());
  });
}

// Starts the sum of a tensor over all ranks, in place. `residual_work_wait` must be called once.
bool residual_group_all_reduce(Group *group, const at::Tensor *tensor, Work **output) {
  return catch_exceptions([&] {
    std::vector<at::Tensor> tensors{tensor->detach()};
    *output = new Work(group->group->allreduce(tensors));
  });
}

// Starts a copy of the tensor of rank `root` to all ranks.
bool residual_group_broadcast(Group *group, const at::Tensor *tensor, int root, Work **output) {
  return catch_exceptions([&] {
    std::vector<at::Tensor> tensors{tensor->detach()};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    *output = new Work(group->group->broadcast(tensors, options));
  });
}

// Waits for an operation and frees it.
bool residual_work_wait(Work *work) {
  return catch_exceptions([&] {
    const std::unique_ptr<Work> owned(work);
    (*owned)->wait();
  });
}

}  // extern "C"
