// autodidact bench [KERNEL]: kernels of bench/cases, cold and warm, beside this machine's ceilings.
#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>
#include "bench/cases/ceilings.h"
#include "kernels/cpu_class.h"
#include "kernels/elementwise.h"
#include "kernels/parallel.h"
#include "tools/autodidact/command.h"
#include "train/recipe.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string kernel, against, shape, dtype = "f32";
  double seconds = 0.2;  // of warm calls, a kernel and a ceiling
  bool list = false;
};

double median(std::vector<double> values) {
  auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// One that waits for the device once, at the end.
double seconds_of(const BenchWork& work, int calls, Device device) {
  auto begin = Clock::now();
  for (int i = 0; i < calls; ++i) work.run();
  synchronize(device);
  return std::chrono::duration<double>(Clock::now() - begin).count() / calls;
}

// Calls whose arrays lie where the call before left them: the median of as many samples of 20 us
// (on a GPU, where the wait at the end counts too, of a millisecond) or a call as fit the budget,
// at least 7. Where another program takes the CPU, it hits few of them. Several works take turns,
// sample by sample.
std::vector<double> warm_seconds(const std::vector<const BenchWork*>& works, double budget,
                                 Device device) {
  const double sample = device == Device::cpu ? 20e-6 : 1e-3;
  std::vector<int> calls;
  for (const BenchWork* work : works) {
    seconds_of(*work, 1, device);
    calls.push_back(int(std::clamp(sample / seconds_of(*work, 1, device), 1.0, 1e6)));
  }
  std::vector<std::vector<double>> samples(works.size());
  const std::chrono::duration<double> all(budget * double(works.size()));
  const auto begin = Clock::now();
  while (samples[0].size() < 7 || (samples[0].size() < 100000 && Clock::now() - begin < all))
    for (size_t w = 0; w < works.size(); ++w)
      samples[w].push_back(seconds_of(*works[w], calls[w], device));
  std::vector<double> seconds;
  for (auto& of_work : samples) seconds.push_back(median(of_work));
  return seconds;
}

// Writes over more than the last cache holds, so that the next call reads from memory.
class CacheFlush {
 public:
  explicit CacheFlush(Device device) {
    constexpr int64_t kGpuCache = 64 << 20;  // more than the largest of them, an H100's or H200's
    const int64_t last_cache =               // 0 or -1: not known
        device == Device::cpu ? sysconf(_SC_LEVEL3_CACHE_SIZE) : kGpuCache;
    const int64_t count = std::clamp<int64_t>(2 * last_cache, 64 << 20, 1 << 30) / 4;
    BenchMemory memory(device);
    float* numbers = memory.filled<float>(count, 0);
    write_ = memory.work(ScaleShift<float>{numbers, numbers, count, 1.0f, 1.0f}, 0, 0);
  }
  void operator()() const { write_.run(); }

 private:
  BenchWork write_;
};

double cold_seconds(const BenchWork& work, const CacheFlush& flush, Device device) {
  std::vector<double> calls;
  for (int i = 0; i < 5; ++i) {
    flush();
    synchronize(device);
    calls.push_back(seconds_of(work, 1, device));
  }
  return median(calls);
}

[[noreturn]] void fail_unknown(const std::string& what, const std::string& given,
                               const std::vector<std::string>& known) {
  const std::string near = nearest(given, known);
  fail(ErrorKind::usage, "bench: there is no ", what, " ", given, "; ",
       near.empty() ? fmt::format("there are {}", fmt::join(known, " "))
                    : "did you mean " + near + "?");
}

// --shape B=256,K=60000: over the reference's sizes.
BenchShape shape_of(const BenchKernel& kernel, const std::string& text) {
  BenchShape shape = kernel.shapes.front();
  std::vector<std::string> keys;
  for (auto& [key, value] : shape.sizes) keys.push_back(key);
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    auto found = std::find(keys.begin(), keys.end(), key);
    if (found == keys.end()) fail_unknown(kernel.name + " size", key, keys);
    const bool flag = key == "TA" || key == "TB" || key == "UNIT",
               border = key == "P";  // 0 is a value of these
    int value = -1;
    size_t used = 0;
    const std::string number = equals == part.npos ? "" : part.substr(equals + 1);
    try {
      value = std::stoi(number, &used);
    } catch (const std::logic_error&) {}  // told below
    if (used == 0 || used != number.size() || value < (flag || border ? 0 : 1) ||
        (flag && value > 1))
      fail(ErrorKind::usage, "bench: ", key, " must be ",
           flag     ? "0 or 1"
           : border ? "a number from 0 on"
                    : "a number from 1 on",
           ", got '", number, "'");
    shape.sizes[size_t(found - keys.begin())].second = value;
  }
  return shape;
}

Json sizes_json(const BenchShape& shape) {
  Json object = Json::object();
  for (auto& [key, value] : shape.sizes) object[key] = value;
  return object;
}

void run_list(const Common& common) {
  std::string text;
  Json list = Json::array();
  for (const BenchKernel& k : bench_kernels()) {
    text += fmt::format("{:<24}{}\n{:<24}{}{}\n", k.name, k.what, "", k.shapes.front().text(),
                        k.bf16 ? "" : "  (f32 alone)");
    list.push_back({{"name", k.name},
                    {"what", k.what},
                    {"shape", sizes_json(k.shapes.front())},
                    {"dtypes", k.bf16 ? Json{"f32", "bf16"} : Json{"f32"}}});
  }
  Json object = result_object("bench", nullptr, nullptr, nullptr);
  object["kernels"] = list;
  print_result(common, text, object);
}

std::vector<BenchKernel> chosen(const Options& o) {
  std::vector<BenchKernel> all = bench_kernels();
  std::vector<std::string> names;
  for (const BenchKernel& k : all) names.push_back(k.name);
  if (o.kernel.empty()) {
    if (!o.shape.empty())
      fail(ErrorKind::usage, "bench: --shape is that of one kernel: name it (bench --list)");
    if (o.dtype == "bf16") std::erase_if(all, [](const BenchKernel& k) { return !k.bf16; });
    return all;
  }
  auto found = std::find(names.begin(), names.end(), o.kernel);
  if (found == names.end()) fail_unknown("kernel", o.kernel, names);
  BenchKernel kernel = all[size_t(found - names.begin())];
  if (o.dtype == "bf16" && !kernel.bf16)
    fail(ErrorKind::usage, "bench: ", kernel.name, " has f32 alone, asked for bf16");
  return {kernel};
}

// What is timed: the kernel and, to compare it with, another at the same shape, which it has to
// have.
struct Row {
  const BenchKernel* kernel;
  BenchShape shape;
  BenchWork work;
};
std::vector<Row> rows_of(const BenchKernel& kernel, const BenchKernel* other, const Options& o,
                         Device device) {
  const bool half = o.dtype == "bf16";
  const BenchShape shape = shape_of(kernel, o.shape);
  std::vector<Row> rows = {{&kernel, shape, (half ? kernel.bf16 : kernel.f32)(shape, device)}};
  if (other) rows.push_back({other, shape, (half ? other->bf16 : other->f32)(shape, device)});
  return rows;
}

const BenchKernel* other_of(const std::vector<BenchKernel>& all, const BenchKernel& kernel,
                            const Options& o) {
  auto has = [&](const BenchKernel& k) {
    auto &a = k.shapes.front().sizes, &b = kernel.shapes.front().sizes;
    return k.name != kernel.name && (o.dtype == "f32" || k.bf16) &&
           std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](auto& x, auto& y) { return x.first == y.first; });
  };
  std::vector<std::string> known;
  for (const BenchKernel& k : all) {
    if (k.name == o.against && has(k)) return &k;
    if (has(k)) known.push_back(k.name);
  }
  fail(ErrorKind::usage, "bench: --against takes another kernel of the same sizes as ", kernel.name,
       known.empty() ? std::string(": there is none") : fmt::format(" ({})", fmt::join(known, " ")),
       ", got ", o.against);
}

void run_bench(const Common& common, const Options& o) {
  if (o.list) return run_list(common);
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  const Device device = device_of(common, progress);
  if (device_name(device) == "emulated")
    fail(ErrorKind::usage, "bench: the emulator's speed says nothing of a GPU");
  const auto begin = Clock::now();
  const std::vector<BenchKernel> kernels = chosen(o);
  if (!o.kernel.empty()) shape_of(kernels.front(), o.shape);  // a refusal costs nothing
  const std::vector<BenchKernel> all = bench_kernels();
  if (!o.against.empty() && o.kernel.empty())
    fail(ErrorKind::usage, "bench: --against needs the kernel that is compared: name it");
  const BenchKernel* other = o.against.empty() ? nullptr : other_of(all, kernels.front(), o);
  auto ceiling_of = [&](const BenchWork& work) {
    return std::max(work.flop, work.bytes) / warm_seconds({&work}, o.seconds, device)[0];
  };
  const double peak = ceiling_of(o.dtype == "bf16" ? bf16_ceiling(device) : fma_ceiling(device)),
               bandwidth = ceiling_of(stream_ceiling(device));
  const CacheFlush flush(device);
  const std::string where = device == Device::cpu
                                ? fmt::format("{} on {} threads", name(cpu_class()), thread_count())
                                : find_gpu().name;
  std::string text = fmt::format(
      "{}: {:.0f} GFLOP/s of multiply-adds, {:.1f} GB/s of a triad\n"
      "{:<24}{:>12}{:>12}{:>12}{:>10}{:>12}  {}\n",
      where, peak / 1e9, bandwidth / 1e9, "kernel", "warm", "cold", "GFLOP/s", "GB/s", "of ceiling",
      "shape");
  Json results = Json::array();
  for (const BenchKernel& kernel : kernels) {
    const std::vector<Row> rows = rows_of(kernel, other, o, device);
    std::vector<const BenchWork*> works;
    for (const Row& row : rows) works.push_back(&row.work);
    const std::vector<double> seconds = warm_seconds(works, o.seconds, device);
    for (size_t r = 0; r < rows.size(); ++r) {
      const BenchWork& work = rows[r].work;
      const double warm = seconds[r], cold = cold_seconds(work, flush, device);
      const bool arithmetic = work.flop / peak > work.bytes / bandwidth;
      const double least = std::max(work.flop / peak, work.bytes / bandwidth);
      const char* ceiling = arithmetic ? "fma" : "stream";
      auto rate = [](double amount, double time) {
        return amount > 0 ? fmt::format("{:.1f}", amount / time / 1e9) : std::string("-");
      };
      text +=
          fmt::format("{:<24}{:>9.1f} us{:>9.1f} us{:>12}{:>10}{:>5.0f} % {:<6} {}\n",
                      rows[r].kernel->name, 1e6 * warm, 1e6 * cold, rate(work.flop, warm),
                      rate(work.bytes, warm), 100 * least / warm, ceiling, rows[r].shape.text());
      results.push_back({{"kernel", rows[r].kernel->name},
                         {"shape", sizes_json(rows[r].shape)},
                         {"dtype", o.dtype},
                         {"flop", work.flop},
                         {"bytes", work.bytes},
                         {"warm_seconds", warm},
                         {"cold_seconds", cold},
                         {"ceiling", ceiling},
                         {"warm_share", least / warm},
                         {"cold_share", least / cold}});
    }
    if (other) {
      text += fmt::format("{}: {:.2f} times as fast as {}\n", kernel.name, seconds[1] / seconds[0],
                          other->name);
      results.front()["times_as_fast"] = seconds[1] / seconds[0];
    }
  }
  const std::string protocol = fmt::format(
      "wall time; warm: median of samples of one call, or of {} of calls, for {} s (7 samples "
      "at least), on arrays that the call before left{}; cold: median of 5 calls, the caches "
      "written over before each; share: the least time "
      "that the work takes at the ceiling it meets first, over the time it took (arrays that fit "
      "the caches can pass the stream's); FLOP: 2 a multiply-add of the direct sum; bytes: each "
      "array once",
      device == Device::cpu ? "20 us" : "1 ms", o.seconds, other ? ", taking turns" : "");
  const bool cpu = device == Device::cpu;
  print_result(common, text + "protocol: " + protocol + "\n",
               {{"command", "bench"},
                {"seed", kBenchSeed},
                {"seconds", std::chrono::duration<double>(Clock::now() - begin).count()},
                {"device", device_name(device)},
                {"class", cpu ? Json(name(cpu_class())) : Json(find_gpu().name)},
                {"threads", cpu ? Json(thread_count()) : Json()},
                {"protocol", protocol},
                {"ceilings", {{"fma_flops", peak}, {"stream_bytes_per_second", bandwidth}}},
                {"results", results}});
}

}  // namespace

void add_bench(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand(
      "bench", "time one kernel or all, cold and warm, beside this machine's ceilings");
  c->footer(
      "Examples:\n"
      "  autodidact bench --list\n"
      "  autodidact bench gemm --shape M=256,N=65536,K=128,TB=1\n"
      "  autodidact bench unshuffle --against unshuffle_chain\n"
      "  autodidact bench --dtype bf16 --threads 1 --json");
  c->add_option("KERNEL", o->kernel, "the kernel to time (default: all)");
  c->add_option("--shape", o->shape, "sizes that differ from the reference's: M=256,K=128");
  c->add_option("--against", o->against,
                "another kernel at the same shape, timed in turns with it: how many times as fast");
  c->add_option("--dtype", o->dtype, "of the arrays")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  c->add_option("--seconds", o->seconds, "of warm calls, a kernel")
      ->check(CLI::Range(0.001, 600.0))
      ->capture_default_str();
  c->add_flag("--list", o->list, "the kernels, their sizes and reference shapes");
  add_device(*c, common);
  add_common(*c, common);
  c->callback([o, &common] { run_bench(common, *o); });
}

}  // namespace autodidact
