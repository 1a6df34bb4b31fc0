#include "train/views.h"
#include <algorithm>
#include "engine/dispatch.h"
#include "engine/random.h"
#include "train/classification.h"

namespace autodidact {

void ViewKeys::visit(Keys& k) {
  k("crop_area", crop_area, "least part of the picture that a crop covers; 1: no crop", 0.001, 1.0);
  k("flip", flip, "mirror half of the views");
  k("jitter", jitter, "part of the views whose colours are shifted", 0.0, 1.0);
  k("brightness", brightness, "factor within 1 -+ this", 0.0, 10.0);
  k("contrast", contrast, "factor within 1 -+ this", 0.0, 10.0);
  k("saturation", saturation, "factor within 1 -+ this", 0.0, 10.0);
  k("hue", hue, "turns of the colour circle, within -+ this", 0.0, 0.5);
  k("grey", grey, "part of the views without colour", 0.0, 1.0);
  k("blur", blur, "part of the views that are blurred, by 0.1 to 2 pixels", 0.0, 1.0);
  k("blur_kernel", blur_kernel, "width of the blur's window, as a part of the view's", 0.0, 1.0);
  k("solarize", solarize, "part of the views whose bright half is inverted", 0.0, 1.0);
  k("view_size", view_size, "pixels a side of a view; 0: as the pictures", 0, 1024);
  k("interpolation", interpolation, "of the crop, antialiased", {"bilinear", "bicubic"});
  k("normalization", normalization, "mean and standard deviation of the pixels",
    {"none", "half", "cifar10", "imagenet"});
}

ViewOptions ViewKeys::options(uint64_t seed) const {
  ViewOptions o;
  ViewRanges& r = o.ranges;
  r.least_area = float(crop_area);
  if (crop_area == 1) r.least_ratio = r.most_ratio = 1;  // the whole square
  r.flip = flip ? 0.5f : 0;
  r.jitter = float(jitter), r.brightness = float(brightness), r.contrast = float(contrast);
  r.saturation = float(saturation), r.hue = float(hue), r.grey = float(grey);
  r.blur = float(blur), r.solarize = float(solarize);
  o.cubic = interpolation == "bicubic", o.size = int(view_size), o.blur_kernel = blur_kernel;
  o.normalization = normalization_of(normalization), o.seed = seed;
  return o;
}

Tensor render_views(const Batch& batch, const std::vector<ViewOf>& rows, const ViewOptions& options,
                    Dtype dtype, Device device) {
  const int size = options.size ? options.size : batch.side;
  std::vector<ViewDraw> draws;
  for (const ViewOf& row : rows) {
    const ViewKey key{options.seed, uint32_t(Stream::view), uint32_t(batch.epoch),
                      uint64_t(batch.samples[size_t(row.picture)]), row.view};
    draws.push_back(draw_view(key, options.ranges, batch.side, batch.side));
    draws.back().image = row.picture;
  }
  static_assert(std::is_trivially_copyable_v<ViewDraw>);
  Tensor x = empty({int(rows.size()), size, size, 3}, dtype, device);
  Tensor pictures =
      from_host({batch.count, batch.side, batch.side, 3}, batch.images.data(), device);
  Tensor drawn = from_host({int(draws.size() * sizeof(ViewDraw))},
                           reinterpret_cast<const uint8_t*>(draws.data()), device);
  dispatch(x, [&]<class T>(auto queue, T) {
    RenderViews<T> p{};
    p.y = ptr<T>(x), p.images = ptr<const uint8_t>(pictures);
    p.draws = reinterpret_cast<const ViewDraw*>(ptr<const uint8_t>(drawn));
    p.views = int(rows.size()), p.height = p.width = batch.side, p.size = size;
    p.cubic = options.cubic;
    // As SimCLR's: odd; reflection needs it within twice the picture.
    p.blur_window = std::min(int(options.blur_kernel * size) | 1, 2 * size - 1);
    std::copy_n(options.normalization.mean.begin(), 3, p.mean);
    std::copy_n(options.normalization.std.begin(), 3, p.std);
    run(queue, p);
  });
  return x;
}

std::vector<ViewOf> views_in_order(int count, uint32_t view) {
  std::vector<ViewOf> rows;
  for (int i = 0; i < count; ++i) rows.push_back({i, view});
  return rows;
}

}  // namespace autodidact
