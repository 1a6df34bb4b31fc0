// A band of NHWC image rows, some of its channels, copied into scratch as floats (bf16 widened) or
// pairs of bf16, with the padding written out as zeros: behind it a convolution needs no test for
// borders, and the kw pixels of one kernel row lie side by side. Each number is copied once and
// then used kh * kw * columns times. Included once per target, as simd-inl.h.
#if defined(AUTODIDACT_KERNELS_CONV_STAGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_CONV_STAGE_INL_H_
#undef AUTODIDACT_KERNELS_CONV_STAGE_INL_H_
#else
#define AUTODIDACT_KERNELS_CONV_STAGE_INL_H_
#endif

#include "kernels/matrix_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

template <class T>
struct Band {
  const T* x;  // [images of the band and more, h, w, channels]
  int h, w, channels;
  int images, rows, cols;    // of the staged band
  int first_row, first_col;  // input pixel of the staged pixel (0, 0); may be negative
  int first_channel, channel_count;
};

// target: [images, rows, cols, elements of channel_count]
template <class Element, class T>
void stage(Element* target, const Band<T>& b) {
  const int count = elements<Element>(b.channel_count);
  // staged columns [left, right) lie inside the image
  const int left = std::clamp(-b.first_col, 0, b.cols);
  const int right = std::clamp(b.w - b.first_col, left, b.cols);
  for (int n = 0; n < b.images; ++n)
    for (int r = 0; r < b.rows; ++r) {
      Element* row = target + (int64_t(n) * b.rows + r) * b.cols * count;
      const int y = b.first_row + r;
      if (y < 0 || y >= b.h || left == right) {
        std::fill(row, row + int64_t(b.cols) * count, Element{});
        continue;
      }
      std::fill(row, row + int64_t(left) * count, Element{});
      std::fill(row + int64_t(right) * count, row + int64_t(b.cols) * count, Element{});
      const T* source =
          b.x + ((int64_t(n) * b.h + y) * b.w + b.first_col + left) * b.channels + b.first_channel;
      row += int64_t(left) * count;
      if (b.channel_count == b.channels && b.channels % kNumbers<Element> == 0) {
        copy_elements(row, source, (right - left) * b.channels);
      } else {
        for (int c = left; c < right; ++c, row += count, source += b.channels)
          copy_elements(row, source, b.channel_count);
      }
    }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
