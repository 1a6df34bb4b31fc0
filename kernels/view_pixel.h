// What is done to single pixels of a view, the same on every device. No include guard and no
// namespace on purpose: view-inl.h is read once for each CPU class, view.cu reads this file alone.

// How many inputs reach one output at most.
HD int most_taps(int length, int size, bool cubic) {
  const double scale = double(length) / size, reach = (cubic ? 2 : 1) * (scale > 1 ? scale : 1);
  const int taps = int(2 * reach) + 2;
  return taps < length ? taps : length;
}

template <class A>
HD A resampling_weight(A x, bool cubic) {
  x = x < 0 ? -x : x;
  if (!cubic) return x < 1 ? 1 - x : 0;
  constexpr A a = A(-0.5);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// The weights [taps] of output i; returns the first input that they are for.
template <class A>
HD int output_taps(A* weight, int i, int taps, int length, int size, bool cubic) {
  const A scale = A(length) / A(size), stretch = scale > 1 ? scale : 1;
  const A reach = (cubic ? 2 : 1) * stretch;
  const A centre = (A(i) + A(0.5)) * scale;
  int begin = int(centre - reach + A(0.5)), end = int(centre + reach + A(0.5));
  begin = centre - reach + A(0.5) < 0 ? 0 : begin, end = end < length ? end : length;
  begin = begin < length - taps ? begin : length - taps;
  A total = 0;
  for (int t = 0; t < taps; ++t) {
    const A at = (A(begin + t) - centre + A(0.5)) / stretch;
    weight[t] = begin + t < end ? resampling_weight(at, cubic) : 0;
    total += weight[t];
  }
  for (int t = 0; t < taps; ++t) weight[t] /= total;
  return begin;
}

template <class A>
HD A clamped(A v) {
  v = v > 0 ? v : 0;
  return v < 1 ? v : 1;
}
template <class A>
HD A grey_of(A r, A g, A b) {
  return A(0.299) * r + A(0.587) * g + A(0.114) * b;
}

// The colour circle in sixths: red 0, green 2, blue 4. With v the largest and c the range of the
// three, a channel at k sixths behind its opposite is v - c max(0, min(k, 4 - k, 1)).
template <class A>
HD A channel_of(A v, A c, A k) {
  k = k >= 12 ? k - 12 : k;
  k = k >= 6 ? k - 6 : k;
  A m = k < 4 - k ? k : 4 - k;
  m = m < 1 ? m : 1;
  return v - c * (m > 0 ? m : 0);
}
// A pixel `shift` sixths further on the circle, shift in [0, 6).
template <class A>
HD void turn_hue(A& r, A& g, A& b, A shift) {
  const A most = r > g ? (r > b ? r : b) : (g > b ? g : b);
  const A least = r < g ? (r < b ? r : b) : (g < b ? g : b);
  const A range = most - least, divisor = range > 0 ? range : 1;
  const A sixths = (most == r   ? g - b
                    : most == g ? b - r
                                : r - g) /
                       divisor +
                   (most == r   ? A(0)
                    : most == g ? A(2)
                                : A(4));  // [-1, 5]
  const A h = sixths + shift;             // [-1, 11)
  r = channel_of(most, range, h + 5);
  g = channel_of(most, range, h + 3);
  b = channel_of(most, range, h + 1);
}
template <class A>
HD A hue_shift(A turns) {
  return 6 * (turns < 0 ? turns + 1 : turns);
}

// Where pixel i of an axis comes from that is reflected at both ends.
HD int reflected(int i, int size) { return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i; }
