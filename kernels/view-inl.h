// One view on the CPU, in loops that compilers turn into vectors. No include guard and no namespace
// on purpose: view.cpp reads this file once for each CPU class and once for the plain body. Nothing
// is contracted or reordered, so that all classes of one type give the same bytes.

#include "kernels/view_pixel.h"

// Where the outputs of one axis come from: out[i] = sum_t weight[i taps + t] in[first[i] + t].
template <class A>
struct AxisTaps {
  const A* weight;  // [size, taps], zeros behind the last
  const int* first;
  int taps;
};

template <class A>
AxisTaps<A> axis_taps(A* weight, int* first, int length, int size, bool cubic) {
  const int taps = most_taps(length, size, cubic);
  for (int i = 0; i < size; ++i)
    first[i] = output_taps(weight + int64_t(i) * taps, i, taps, length, size, cubic);
  return {weight, first, taps};
}

// planes: [3, size, size], of [0, 1]. Rows first: they are contiguous in the picture.
template <class A>
void resample_crop(A* planes, const uint8_t* image, int image_width, const ViewDraw& d, int size,
                   bool cubic) {
  const int row_taps = most_taps(d.height, size, cubic), columns = d.width * 3;
  const int column_taps = most_taps(d.width, size, cubic);
  Scratch<A> row_weight(int64_t(size) * row_taps), column_weight(int64_t(size) * column_taps);
  Scratch<int> row_first(size), column_first(size);
  Scratch<A> row(columns);
  const AxisTaps<A> down = axis_taps(row_weight.data(), row_first.data(), d.height, size, cubic);
  const AxisTaps<A> across =
      axis_taps(column_weight.data(), column_first.data(), d.width, size, cubic);
  const uint8_t* corner = image + (int64_t(d.top) * image_width + d.left) * 3;
  A* const sums = row.data();
  for (int i = 0; i < size; ++i) {
    for (int t = 0; t < down.taps; ++t) {
      const A w = down.weight[i * down.taps + t] / 255;
      const uint8_t* pixel = corner + int64_t(down.first[i] + t) * image_width * 3;
      if (t == 0)
        for (int k = 0; k < columns; ++k) sums[k] = w * A(pixel[k]);
      else
        for (int k = 0; k < columns; ++k) sums[k] += w * A(pixel[k]);
    }
    for (int j = 0; j < size; ++j) {
      A rgb[3] = {0, 0, 0};
      const A* w = across.weight + j * across.taps;
      const A* from = sums + across.first[j] * 3;
      for (int t = 0; t < across.taps; ++t, from += 3)
        for (int c = 0; c < 3; ++c) rgb[c] += w[t] * from[c];
      const int64_t at = int64_t(i) * size + (d.flip ? size - 1 - j : j);
      for (int c = 0; c < 3; ++c) planes[int64_t(c) * size * size + at] = rgb[c];
    }
  }
}

// v = clamp(factor v + (1 - factor) other), other: grey of the pixel, or one number for all.
template <class A>
void change_brightness(A* v, int64_t n, A factor) {
  for (int64_t i = 0; i < 3 * n; ++i) v[i] = clamped(factor * v[i]);
}
template <class A>
void change_contrast(A* v, int64_t n, A factor) {
  constexpr int kLanes = 16;  // sums side by side, so that the order of additions is fixed and wide
  A sums[kLanes] = {};
  const A *r = v, *g = v + n, *b = v + 2 * n;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) sums[l] += grey_of(r[i + l], g[i + l], b[i + l]);
  for (int l = 0; i + l < n; ++l) sums[l] += grey_of(r[i + l], g[i + l], b[i + l]);
  A mean = 0;
  for (A s : sums) mean += s;
  const A rest = (1 - factor) * (mean / A(n));
  for (int64_t k = 0; k < 3 * n; ++k) v[k] = clamped(factor * v[k] + rest);
}
template <class A>
void change_saturation(A* v, int64_t n, A factor) {
  A *r = v, *g = v + n, *b = v + 2 * n;
  for (int64_t i = 0; i < n; ++i) {
    const A rest = (1 - factor) * grey_of(r[i], g[i], b[i]);
    r[i] = clamped(factor * r[i] + rest);
    g[i] = clamped(factor * g[i] + rest);
    b[i] = clamped(factor * b[i] + rest);
  }
}

template <class A>
void change_hue(A* v, int64_t n, A turns) {
  A *r = v, *g = v + n, *b = v + 2 * n;
  const A shift = hue_shift(turns);
  for (int64_t i = 0; i < n; ++i) turn_hue(r[i], g[i], b[i], shift);
}

template <class A>
void change_colours(A* v, int64_t n, const ViewDraw& d) {
  for (ColourOp op : d.order) {
    if (op == ColourOp::brightness && d.brightness != 1) change_brightness(v, n, A(d.brightness));
    if (op == ColourOp::contrast && d.contrast != 1) change_contrast(v, n, A(d.contrast));
    if (op == ColourOp::saturation && d.saturation != 1) change_saturation(v, n, A(d.saturation));
    if (op == ColourOp::hue && d.hue != 0) change_hue(v, n, A(d.hue));
  }
}

// Along the rows, then along the columns; size - 1 pixels are reflected at each border at most.
template <class A>
void blur_plane(A* plane, int size, A sigma, int window) {
  const int reach = window / 2, wide = size + 2 * reach;
  Scratch<A> weight(window), line(wide), copy(int64_t(size) * size);
  A total = 0;
  for (int t = 0; t < window; ++t) {
    const A x = A(t - reach) / sigma;
    total += weight[t] = A(std::exp(double(A(-0.5) * x * x)));
  }
  for (int t = 0; t < window; ++t) weight[t] /= total;
  for (int i = 0; i < size; ++i) {
    for (int k = 0; k < wide; ++k) line[k] = plane[i * size + reflected(k - reach, size)];
    A *to = copy.data() + i * size, *from = line.data();
    for (int j = 0; j < size; ++j) to[j] = 0;
    for (int t = 0; t < window; ++t) {
      const A w = weight[t];
      for (int j = 0; j < size; ++j) to[j] += w * from[j + t];
    }
  }
  for (int i = 0; i < size; ++i) {
    A* to = plane + i * size;
    for (int j = 0; j < size; ++j) to[j] = 0;
    for (int t = 0; t < window; ++t) {
      const A* from = copy.data() + reflected(i + t - reach, size) * size;
      const A w = weight[t];
      for (int j = 0; j < size; ++j) to[j] += w * from[j];
    }
  }
}

template <class T>
void render_view(const RenderViews<T>& p, int64_t view) {
  using A = Acc<T>;
  const ViewDraw& d = p.draws[view];
  const int64_t n = int64_t(p.size) * p.size;
  Scratch<A> planes(3 * n);
  A* v = planes.data();
  const uint8_t* image = p.images + int64_t(d.image) * p.height * p.width * 3;
  resample_crop(v, image, p.width, d, p.size, p.cubic);
  if (p.cubic)  // which overshoots
    for (int64_t i = 0; i < 3 * n; ++i) v[i] = clamped(v[i]);
  if (d.jitter) change_colours(v, n, d);
  if (d.grey)
    for (int64_t i = 0; i < n; ++i)
      v[i] = v[n + i] = v[2 * n + i] = grey_of(v[i], v[n + i], v[2 * n + i]);
  if (d.sigma > 0)
    for (int c = 0; c < 3; ++c) blur_plane(v + c * n, p.size, A(d.sigma), p.blur_window);
  if (d.solarize)
    for (int64_t i = 0; i < 3 * n; ++i) v[i] = v[i] >= A(0.5) ? 1 - v[i] : v[i];
  T* y = p.y + view * 3 * n;
  A scale[3], shift[3];
  for (int c = 0; c < 3; ++c) scale[c] = 1 / A(p.std[c]), shift[c] = -A(p.mean[c]) * scale[c];
  for (int64_t i = 0; i < n; ++i)
    for (int c = 0; c < 3; ++c) y[3 * i + c] = T(v[c * n + i] * scale[c] + shift[c]);
}
