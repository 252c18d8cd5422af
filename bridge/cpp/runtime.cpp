// Process-wide settings of LibTorch and of the allocator.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Config.h>
#include <ATen/Context.h>
#include <malloc.h>

#include <cstring>
#include <mutex>

#include "bridge.h"

namespace collimate {

void set_deterministic(bool on) {
    at::globalContext().setDeterministicAlgorithms(on, false);
    // Filling fresh memory with NaN is for finding reads of uninitialised memory; it costs a pass over every buffer.
    at::globalContext().setDeterministicFillUninitializedMemory(false);
}

void keep_large_allocations() {
    // By default glibc gives every block above 128 KiB back to the system and faults its pages in anew at the next step: seconds a step.
    // (M_MMAP_THRESHOLD cannot be set above 32 MiB, so mapping is switched off; one arena, because only the main one can grow at will.)
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_TOP_PAD, 64 << 20);
}

rust::String show_config() { return rust::String::lossy(at::show_config()); }

rust::Vec<uint8_t> rng_state() {
    auto generator = at::detail::getDefaultCPUGenerator();
    std::lock_guard<std::mutex> guard(generator.mutex());
    at::Tensor state = generator.get_state();
    rust::Vec<uint8_t> bytes;
    bytes.reserve(state.numel());
    const uint8_t* data = state.data_ptr<uint8_t>();
    for (int64_t i = 0; i < state.numel(); ++i) bytes.push_back(data[i]);
    return bytes;
}

void set_rng_state(rust::Slice<const uint8_t> state) {
    auto generator = at::detail::getDefaultCPUGenerator();
    at::Tensor bytes = at::empty({static_cast<int64_t>(state.size())}, at::kByte);
    std::memcpy(bytes.data_ptr<uint8_t>(), state.data(), state.size());
    std::lock_guard<std::mutex> guard(generator.mutex());
    generator.set_state(bytes);
}

size_t data_address(size_t tensor) { return reinterpret_cast<size_t>(reinterpret_cast<at::Tensor*>(tensor)->data_ptr()); }

bool is_plain(size_t tensor) {
    const at::Tensor& t = *reinterpret_cast<at::Tensor*>(tensor);
    return t.defined() && t.is_contiguous() && t.device().is_cpu() && t.layout() == at::kStrided;
}

}  // namespace collimate
