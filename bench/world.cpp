// Pictures a second of the built-in world on one core, by size. The bar is 5,000 at 32 pixels.
#include <benchmark/benchmark.h>
#include <vector>
#include "train/data/world.h"

using namespace autodidact;

static void draw_world(benchmark::State& state, WorldView view) {
  WorldConfig config{0, WorldSplit::train, view, int(state.range(0))};
  std::vector<uint8_t> image(size_t(config.size) * size_t(config.size) * 3);
  int64_t index = 0;
  for (auto _ : state) {
    render_world_image(image.data(), config, index++);
    benchmark::DoNotOptimize(image.data());
  }
  state.counters["images/s"] = benchmark::Counter(double(index), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(draw_world, one, WorldView::one)->Arg(32)->Arg(64)->Arg(96)->Arg(224);
BENCHMARK_CAPTURE(draw_world, scenes, WorldView::scenes)->Arg(32)->Arg(64)->Arg(96)->Arg(224);

BENCHMARK_MAIN();
