// autodidact bench [KERNEL]: kernels of bench/cases, cold and warm, beside this machine's ceilings.
#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>
#include "bench/cases/ceilings.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "tools/autodidact/command.h"
#include "train/recipe.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string kernel, shape, dtype = "f32";
  double seconds = 0.2;  // of warm calls, a kernel and a ceiling
  bool list = false;
};

double median(std::vector<double> values) {
  auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double seconds_of(const BenchWork& work, int calls) {
  auto begin = Clock::now();
  for (int i = 0; i < calls; ++i) work.run();
  return std::chrono::duration<double>(Clock::now() - begin).count() / calls;
}

// A call whose arrays lie where the call before left them: the median of as many samples of 20 us
// or a call as fit the budget, at least 7. Where another program takes the CPU, it hits few of
// them.
double warm_seconds(const BenchWork& work, double budget) {
  work.run();
  const double once = seconds_of(work, 1);
  const int calls = int(std::clamp(20e-6 / once, 1.0, 1e6));
  const int64_t most = int64_t(std::clamp(budget / (once * calls), 7.0, 1e5));
  std::vector<double> samples;
  const auto begin = Clock::now();
  while (int64_t(samples.size()) < 7 ||
         (int64_t(samples.size()) < most &&
          Clock::now() - begin < std::chrono::duration<double>(budget)))
    samples.push_back(seconds_of(work, calls));
  return median(samples);
}

// Writes over more than the last cache holds, so that the next call reads from memory.
class CacheFlush {
 public:
  CacheFlush() {
    const int64_t last_cache = sysconf(_SC_LEVEL3_CACHE_SIZE);  // 0 or -1: not known
    count_ = std::clamp<int64_t>(2 * last_cache, 64 << 20, 1 << 30) / 4;
    numbers_ = memory_.filled<float>(count_, 0);
  }
  void operator()() const {
    parallel_for(count_, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) numbers_[i] += 1;
    });
  }

 private:
  BenchMemory memory_;
  float* numbers_;
  int64_t count_;
};

double cold_seconds(const BenchWork& work, const CacheFlush& flush) {
  std::vector<double> calls;
  for (int i = 0; i < 5; ++i) {
    flush();
    calls.push_back(seconds_of(work, 1));
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

void run_bench(const Common& common, const Options& o) {
  if (o.list) return run_list(common);
  const auto begin = Clock::now();
  const std::vector<BenchKernel> kernels = chosen(o);
  if (!o.kernel.empty()) shape_of(kernels.front(), o.shape);  // a refusal costs nothing
  const BenchWork fma = fma_ceiling(), stream = stream_ceiling();
  const double peak = fma.flop / warm_seconds(fma, o.seconds),
               bandwidth = stream.bytes / warm_seconds(stream, o.seconds);
  const CacheFlush flush;
  std::string text = fmt::format(
      "{} on {} threads: {:.0f} GFLOP/s of f32 fused multiply-adds, {:.1f} GB/s of a triad\n"
      "{:<24}{:>12}{:>12}{:>12}{:>10}{:>12}  {}\n",
      name(cpu_class()), thread_count(), peak / 1e9, bandwidth / 1e9, "kernel", "warm", "cold",
      "GFLOP/s", "GB/s", "of ceiling", "shape");
  Json results = Json::array();
  for (const BenchKernel& kernel : kernels) {
    const BenchShape shape = shape_of(kernel, o.shape);
    const BenchWork work = (o.dtype == "bf16" ? kernel.bf16 : kernel.f32)(shape);
    const double warm = warm_seconds(work, o.seconds), cold = cold_seconds(work, flush);
    const bool arithmetic = work.flop / peak > work.bytes / bandwidth;
    const double least = std::max(work.flop / peak, work.bytes / bandwidth);
    const char* ceiling = arithmetic ? "fma" : "stream";
    auto rate = [](double amount, double seconds) {
      return amount > 0 ? fmt::format("{:.1f}", amount / seconds / 1e9) : std::string("-");
    };
    text += fmt::format("{:<24}{:>9.1f} us{:>9.1f} us{:>12}{:>10}{:>5.0f} % {:<6} {}\n",
                        kernel.name, 1e6 * warm, 1e6 * cold, rate(work.flop, warm),
                        rate(work.bytes, warm), 100 * least / warm, ceiling, shape.text());
    results.push_back({{"kernel", kernel.name},
                       {"shape", sizes_json(shape)},
                       {"dtype", o.dtype},
                       {"flop", work.flop},
                       {"bytes", work.bytes},
                       {"warm_seconds", warm},
                       {"cold_seconds", cold},
                       {"ceiling", ceiling},
                       {"warm_share", least / warm},
                       {"cold_share", least / cold}});
  }
  const std::string protocol = fmt::format(
      "wall time; warm: median of samples of one call, or of 20 us of calls, for {} s (7 samples "
      "at least), on arrays that the call before left; cold: median of 5 calls, the caches written "
      "over before each; share: the least time "
      "that the work takes at the ceiling it meets first, over the time it took (arrays that fit "
      "the caches can pass the stream's); FLOP: 2 a multiply-add of the direct sum; bytes: each "
      "array once",
      o.seconds);
  print_result(common, text + "protocol: " + protocol + "\n",
               {{"command", "bench"},
                {"seed", kBenchSeed},
                {"seconds", std::chrono::duration<double>(Clock::now() - begin).count()},
                {"device", "cpu"},
                {"class", name(cpu_class())},
                {"threads", thread_count()},
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
      "  autodidact bench --dtype bf16 --threads 1 --json");
  c->add_option("KERNEL", o->kernel, "the kernel to time (default: all)");
  c->add_option("--shape", o->shape, "sizes that differ from the reference's: M=256,K=128");
  c->add_option("--dtype", o->dtype, "of the arrays")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  c->add_option("--seconds", o->seconds, "of warm calls, a kernel")
      ->check(CLI::Range(0.001, 600.0))
      ->capture_default_str();
  c->add_flag("--list", o->list, "the kernels, their sizes and reference shapes");
  add_common(*c, common);
  c->callback([o, &common] { run_bench(common, *o); });
}

}  // namespace autodidact
