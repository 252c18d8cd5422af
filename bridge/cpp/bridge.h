// What Rust calls. Tensors cross as addresses of at::Tensor, as tch holds them; every function throws on misuse and cxx turns the
// exception into a Result.
#pragma once

#include <cstddef>
#include <cstdint>

#include "rust/cxx.h"

namespace collimate {

// runtime.cpp
void set_deterministic(bool on);
void keep_large_allocations();
rust::String show_config();
rust::Vec<uint8_t> rng_state();
void set_rng_state(rust::Slice<const uint8_t> state);
size_t data_address(size_t tensor);
bool is_plain(size_t tensor);

// optimizer.cpp
struct AdamWKnobs;
void fused_adamw(rust::Slice<const size_t> params, rust::Slice<const size_t> grads, rust::Slice<const size_t> exp_avg,
                 rust::Slice<const size_t> exp_avg_sq, rust::Slice<const size_t> steps, const AdamWKnobs& knobs);
double foreach_norm(rust::Slice<const size_t> tensors);
void foreach_mul(rust::Slice<const size_t> tensors, double factor);
void foreach_zero(rust::Slice<const size_t> tensors);

// decode.cpp
struct DecodeShape;
struct DecodeRow;
void decode_attention(size_t qkv, size_t cos, size_t sin, size_t own_k, size_t own_v, size_t out, rust::Slice<const DecodeRow> rows,
                      rust::Slice<const size_t> prefix_k, rust::Slice<const size_t> prefix_v, const DecodeShape& shape);

// skinny.cpp
void few_rows_linear(size_t x, size_t weight, size_t bias, size_t out);

// sample.cpp
struct DrawRow;
struct DrawnRow;
void draw_rows(size_t logits, rust::Slice<const DrawRow> rows, rust::Slice<const uint32_t> suppressed, rust::Slice<DrawnRow> out);

// layer.cpp
void rms_norm(size_t x, size_t weight, double eps, size_t out);
void rms_norm_backward(size_t x, size_t weight, double eps, size_t dy, size_t dx, size_t dweight);
void silu_mul(size_t gate_up, size_t out);
void silu_mul_backward(size_t gate_up, size_t dy, size_t out, size_t dgate_up);
void rotate_heads(size_t x, int64_t heads, size_t cos, size_t sin, bool back);

}  // namespace collimate
