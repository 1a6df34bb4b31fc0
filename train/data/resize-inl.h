// The two passes of resize.cpp for one CPU class: 8 numbers at a time, the same integers as the
// plain body's. No include guard: read once for each class.

namespace hn = hwy::HWY_NAMESPACE;

// Two rows at once, a pixel and the byte behind it of each.
inline void narrow_rows(uint8_t* to0, uint8_t* to1, const uint8_t* in0, const uint8_t* in1,
                        const Taps& t) {
  const hn::FixedTag<uint8_t, 4> pixel;
  const hn::FixedTag<uint8_t, 8> pixels;
  const hn::FixedTag<int32_t, 8> wide;
  const int n = int(t.first.size());
  for (int x = 0; x < n; ++x, to0 += 3, to1 += 3) {
    const uint8_t *p0 = in0 + t.first[size_t(x)] * 3, *p1 = in1 + t.first[size_t(x)] * 3;
    const int32_t* w = t.weight.data() + size_t(x) * size_t(t.width);
    auto sum = hn::Set(wide, kHalf);
    for (int k = 0; k < t.count[size_t(x)]; ++k, p0 += 3, p1 += 3) {
      const auto both = hn::Combine(pixels, hn::LoadU(pixel, p1), hn::LoadU(pixel, p0));
      sum = hn::Add(sum, hn::Mul(hn::PromoteTo(wide, both), hn::Set(wide, w[k])));
    }
    const auto rounded = hn::DemoteTo(pixels, hn::ShiftRight<kBits>(sum));
    hn::StoreU(hn::LowerHalf(pixel, rounded), pixel, to0);
    hn::StoreU(hn::UpperHalf(pixel, rounded), pixel, to1);
  }
}

inline void sum_rows(uint8_t* out, const uint8_t* in, size_t stride, const int32_t* w, int count,
                     int n) {
  const hn::FixedTag<uint8_t, 8> narrow;
  const hn::FixedTag<int32_t, 8> wide;
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    auto sum = hn::Set(wide, kHalf);
    for (int k = 0; k < count; ++k)
      sum =
          hn::Add(sum, hn::Mul(hn::PromoteTo(wide, hn::LoadU(narrow, in + size_t(k) * stride + i)),
                               hn::Set(wide, w[k])));
    hn::StoreU(hn::DemoteTo(narrow, hn::ShiftRight<kBits>(sum)), narrow, out + i);
  }
  plain::sum_rows(out + i, in + i, stride, w, count, n - i);
}
