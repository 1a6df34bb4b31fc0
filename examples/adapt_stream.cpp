// Test-time training inside a loop of your own: pictures arrive one by one, and the network learns
// from each before it answers.   adapt_stream RUN [SOURCE]
// RUN is a run of `autodidact train ttt`; without arguments the example shows how to make one.
#include <algorithm>
#include <cstdio>
#include "train/data/splits.h"
#include "train/run.h"
#include "ttt/adapter.h"
#include "ttt/corruptions/corruption.h"

using namespace autodidact;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::puts(
        "autodidact train ttt --recipe ttt-world-quick --out runs/ttt; adapt_stream runs/ttt");
    return 0;
  }
  LoadedMethod loaded = load_method(argv[1]);
  std::string notes;
  const DatasetPtr clean = open_test_pictures(argc > 2 ? argv[2] : "world:test", {}, notes);
  const DatasetPtr noisy = corrupted(clean, {"gaussian_noise", 5}, {});
  const int side = loaded.side;

  AdaptOptions options;
  options.keep = Keep::online, options.steps = 1, options.learning_rate = 0.001;
  Adapter adapter(*loaded.method, options);
  int right = 0;
  const int64_t count = std::min<int64_t>(noisy->size(), 500);
  for (int64_t i = 0; i < count; ++i) {
    const Image picture = noisy->image(i);
    adapter.observe(picture.rgb.data(), &i, 1, side);
    const Tensor probabilities = adapter.predict(picture.rgb.data(), 1, side);
    const float* p = ptr<float>(probabilities);
    right += std::max_element(p, p + probabilities.size()) - p == noisy->label(i);
  }
  adapter.reset();  // the network it was, bit for bit
  std::printf("%d of %lld recognised while learning\n", right, static_cast<long long>(count));
}
