#include "ttt/corruptions/picture.h"
#include <algorithm>
#include <cmath>

namespace autodidact {

Picture::Picture(const Image& image) : Picture(image.height, image.width, 3) {
  for (size_t i = 0; i < v.size(); ++i) v[i] = image.rgb[i] / 255.0;
}

Image Picture::image() const {
  constexpr double kRounding = 1e-9;  // k / 255 * 255 may fall short of k
  Image image{height, width, std::vector<uint8_t>(v.size())};
  for (size_t i = 0; i < v.size(); ++i)
    image.rgb[i] = uint8_t(std::clamp(v[i], 0.0, 1.0) * 255 + kRounding);
  return image;
}

uint32_t Draws::bits() {
  if (left_ == 0) {
    block_ = philox(seed_, (uint64_t(Stream::corrupt) << 32) | counter_++, high_);
    left_ = 4;
  }
  return block_.v[4 - left_--];
}

double Draws::normal() {  // Box and Muller
  const double u = (double(bits()) + 0.5) * 0x1p-32, angle = 2 * M_PI * uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(angle);
}

// By inversion: exact for the means that occur here, at most 500 (exp(-500) is a normal double).
double Draws::poisson(double mean) {
  const double u = (double(bits()) + uniform()) * 0x1p-32;
  double term = std::exp(-mean), sum = term;
  int k = 0;
  for (; sum < u && term > 0; ++k) term *= mean / (k + 1), sum += term;
  return k;
}

Level::Level(double severity, int shorter_side)
    : severity_(severity),
      table_(shorter_side <= 48    ? 0
             : shorter_side <= 144 ? 1
                                   : 2) {}

double Level::operator()(const Column& cifar, const Column& tiny, const Column& imagenet) const {
  const Column& c = table_ == 0 ? cifar : table_ == 1 ? tiny : imagenet;
  const size_t below = std::min(size_t(severity_) - 1, size_t(3));
  const double part = severity_ - double(below + 1);
  return part == 0 ? c[below] : c[below] + part * (c[below + 1] - c[below]);
}

int Level::whole(const Column& cifar, const Column& tiny, const Column& imagenet) const {
  return int(std::lround((*this)(cifar, tiny, imagenet)));
}

int inside(int i, int n, Border border) {
  if (border == Border::nearest || n == 1) return std::clamp(i, 0, n - 1);
  const int period = border == Border::reflect ? 2 * n : 2 * (n - 1);
  i = (i % period + period) % period;
  return i < n ? i : border == Border::reflect ? period - 1 - i : period - i;
}

void gaussian_blur(Picture& x, double sigma, double truncate, Border border) {
  const int radius = int(truncate * sigma + 0.5);
  if (radius == 0) return;
  std::vector<double> weight(size_t(radius) + 1);
  double sum = 0;
  for (int i = 0; i <= radius; ++i) {
    weight[size_t(i)] = std::exp(-0.5 * i * i / (sigma * sigma));
    sum += (i ? 2 : 1) * weight[size_t(i)];
  }
  for (double& w : weight) w /= sum;
  const int C = x.channels;
  Picture across(x.height, x.width, C);
  auto pass = [&](const Picture& from, Picture& to, bool rows) {
    const int n = rows ? x.height : x.width;
    std::vector<int> place(size_t(n + 2 * radius));  // of pixel i - radius
    for (int i = 0; i < n + 2 * radius; ++i) place[size_t(i)] = inside(i - radius, n, border);
    for (int y = 0; y < x.height; ++y)
      for (int col = 0; col < x.width; ++col)
        for (int c = 0; c < C; ++c) {
          const int centre = rows ? y : col;
          double total = 0;
          for (int k = -radius; k <= radius; ++k) {
            const int i = place[size_t(centre + k + radius)];
            total += weight[size_t(std::abs(k))] *
                     from.v[(rows ? from.at(i, col) : from.at(y, i)) + size_t(c)];
          }
          to.v[to.at(y, col) + size_t(c)] = total;
        }
  };
  pass(x, across, true);
  pass(across, x, false);
}

double sampled(const Picture& x, double row, double col, int channel, Border border) {
  const double top = std::floor(row), left = std::floor(col), down = row - top, right = col - left;
  auto value = [&](int dy, int dx) {
    return x
        .v[x.at(inside(int(top) + dy, x.height, border), inside(int(left) + dx, x.width, border)) +
           size_t(channel)];
  };
  return (1 - down) * ((1 - right) * value(0, 0) + right * value(0, 1)) +
         down * ((1 - right) * value(1, 0) + right * value(1, 1));
}

Picture centre_zoom(const Picture& x, double zoom) {
  const int h = int(std::ceil(x.height / zoom)), w = int(std::ceil(x.width / zoom));
  const int top = (x.height - h) / 2, left = (x.width - w) / 2;
  const int tall = int(std::lround(h * zoom)), wide = int(std::lround(w * zoom));  // enlarged
  const int trim_y = (tall - x.height) / 2, trim_x = (wide - x.width) / 2;
  Picture y(x.height, x.width, x.channels);
  for (int i = 0; i < x.height; ++i)
    for (int j = 0; j < x.width; ++j) {
      const double row = top + std::min(double(h - 1), (i + trim_y) * double(h - 1) / (tall - 1));
      const double col = left + std::min(double(w - 1), (j + trim_x) * double(w - 1) / (wide - 1));
      for (int c = 0; c < x.channels; ++c)
        y.v[y.at(i, j) + size_t(c)] = sampled(x, row, col, c, Border::nearest);
    }
  return y;
}

Picture motion_blurred(const Picture& x, double radius, double sigma, double angle) {
  const int taps = 2 * int(std::ceil(radius)) + 1;
  const double down = std::sin(angle * M_PI / 180), right = std::cos(angle * M_PI / 180);
  std::vector<double> weight(size_t(taps), 0);
  double sum = 0;
  for (int i = 0; i < taps; ++i) sum += weight[size_t(i)] = std::exp(-i * i / (2 * sigma * sigma));
  Picture y(x.height, x.width, x.channels);
  for (int i = 0; i < taps; ++i) {
    const int dy = int(std::ceil(i * down - 0.5)), dx = int(std::ceil(i * right - 0.5));
    for (int row = 0; row < x.height; ++row)
      for (int col = 0; col < x.width; ++col) {
        const size_t from = x.at(inside(row + dy, x.height, Border::nearest),
                                 inside(col + dx, x.width, Border::nearest));
        for (int c = 0; c < x.channels; ++c)
          y.v[y.at(row, col) + size_t(c)] += weight[size_t(i)] / sum * x.v[from + size_t(c)];
      }
  }
  return y;
}

}  // namespace autodidact
