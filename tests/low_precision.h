// FlashAttention's rule for low precision, the one tolerance of the tests that compare a body with
// the plain one.
#pragma once

namespace autodidact {

// Rounding to nearest is off by at most half a unit in the last place: relative to the number, 2^-p
// with a significand of p bits, the hidden one counted: 24 in float, 8 in bf16.
constexpr double rounding(bool is_bf16) { return is_bf16 ? 0x1p-8 : 0x1p-24; }

// The error allowed to a body whose plain twin, in the same type, is off by plain_error: twice
// that, and one more rounding of the largest result (another order may round where the twin was
// lucky).
constexpr double allowed_error(double plain_error, double largest, bool is_bf16) {
  return 2 * plain_error + rounding(is_bf16) * largest;
}

}  // namespace autodidact
