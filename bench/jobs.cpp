// Our side of bench/compare.sh: answers requests on standard input, one a line, by running a job
// once more. bench/peers/jobs.py is PyTorch's side and takes the same lines; the driver asks them
// in turn. An answer is `work seconds cpu_seconds`, work in images, FLOP (2 a multiply-add of the
// direct sum) or bytes. `bench_jobs THREADS --memory JOB` runs a job thrice and writes the bytes
// that the process had before it and at its peak; `--saved JOB`, of a training step, what each kind
// of op keeps for the backward pass.
//
//   train|adapt|infer NETWORK BATCH SIZE TYPE
//                                          f32 or bf16; SGD with momentum, in adapt without (a step
//                                          of test-time training); ImageNet's stem from 64 pixels
//   optimizer foreach|fused                PyTorch's kinds; ours is one: SGD, average, bf16
//   gemm BATCH M N K TRANSPOSE_A TRANSPOSE_B
//   conv N SIZE IN OUT KERNEL STRIDE PASS
//   mae BATCH MASK                         a step of ViT-Ti/4 at 32 pixels, decoder 128x4, AdamW
//   infonce TYPE BATCH KEYS DIM            forward and dq, f32 or bf16, rows of length 1
//   views simclr32|moco224                 random views of uint8 pictures, in views
//   decode HEIGHT WIDTH SIDE               JPEG files to central squares, in pictures
//   moco BATCH KEYS DIM                    a step of CIFAR's ResNet-18, its views too
//   fma, or stream                         the machine's ceilings
//   onednn gemm .., or onednn conv ..      the same by oneDNN, where it is built in
//   direct ..                              any job without Winograd's convolutions
#include <sys/resource.h>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include "bench/cases/case.h"
#include "bench/cases/ceilings.h"
#include "engine/optimizer.h"
#include "kernels/conv.h"
#include "kernels/cpu_class.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/view.h"
#include "kernels/winograd.h"
#include "models/encoder.h"
#include "train/data/image_file.h"
#include "train/method.h"
#ifdef HAS_ONEDNN
#include "bench/peers/onednn.h"
#endif

namespace autodidact {
namespace {

struct Job {
  std::function<void()> run;
  double work;                          // of one run
  double least = 0.25;                  // seconds: short jobs are repeated
  std::function<Tensor()> loss = {};    // of a training step
  const Parameters* weights = nullptr;  // of it
};

Dtype dtype_of(const std::string& type) {
  check(type == "f32" || type == "bf16", "bench_jobs: TYPE must be f32 or bf16, got ", type);
  return type == "bf16" ? Dtype::bf16 : Dtype::f32;
}

Tensor numbers(const Shape& shape) {
  Tensor t = empty(shape);
  Rng rng(1);
  fill_normal(t, 0, 1, rng);
  return t;
}

struct Network {
  Rng rng{1};
  Classifier model;
  Parameters parameters;
  Optimizer optimizer;
  Tensor images, labels;

  Network(const std::string& name, int batch, int size, Dtype dtype, const OptimizerOptions& rule)
      : model({.name = name,
               .imagenet_stem = size >= 64 && name.rfind("resnet", 0) == 0,
               .side = size},
              size < 64 ? 10 : 1000, rng),
        parameters(model, dtype),
        optimizer(parameters, rule),
        images(cast(numbers({batch, size, size, 3}), dtype)),
        labels(empty({batch}, Dtype::i32)) {
    for (int i = 0; i < batch; ++i) ptr<int32_t>(labels)[i] = i % 10;
  }
  Tensor loss() const { return cross_entropy(model(images), labels); }
  void train() {
    backward(loss());
    optimizer.update(0.01);
  }
  void infer() const { model(images); }
};

Job network_job(std::istringstream& line, const std::string& kind) {
  std::string name, type;
  int batch = 0, size = 0;
  check(bool(line >> name >> batch >> size >> type),
        "bench_jobs: train|adapt|infer NETWORK BATCH SIZE TYPE");
  // A step of test-time training has neither momentum nor weight decay.
  const OptimizerOptions rule{.weight_decay = kind == "adapt" ? 0 : 5e-4f,
                              .momentum = kind == "adapt" ? 0 : 0.9f};
  auto network = std::make_shared<Network>(name, batch, size, dtype_of(type), rule);
  if (kind != "infer")
    return {.run = [network] { network->train(); },
            .work = double(batch),
            .loss = [network] { return network->loss(); },
            .weights = &network->parameters};
  network->parameters.freeze();
  set_training(network->model, false);
  return {[network] { network->infer(); }, double(batch)};
}

// Whose kernels a job runs.
struct Ours {
  template <class P>
  void operator()(P p) const {
    run(Cpu{}, p);
  }
};
#ifdef HAS_ONEDNN
struct OneDnn {
  template <class P>
  void operator()(P p) const {
    onednn::run(p);
  }
};
#endif

template <class Kernels>
Job gemm_job(std::istringstream& line, Kernels kernels) {
  int batch, m, n, k, ta, tb;
  check(bool(line >> batch >> m >> n >> k >> ta >> tb), "bench_jobs: gemm BATCH M N K TA TB");
  Tensor a = numbers({batch, m, k}), b = numbers({batch, k, n}), c = empty({batch, m, n});
  Gemm<float> product{.c = ptr<float>(c),
                      .a = ptr<float>(a),
                      .b = ptr<float>(b),
                      .m = m,
                      .n = n,
                      .k = k,
                      .lda = ta ? m : k,
                      .ldb = tb ? k : n,
                      .ldc = n,
                      .transpose_a = ta != 0,
                      .transpose_b = tb != 0,
                      .batch = batch,
                      .stride_a = int64_t(m) * k,
                      .stride_b = int64_t(k) * n,
                      .stride_c = int64_t(m) * n};
  return {[a, b, c, product, kernels] { kernels(product); }, 2.0 * batch * m * double(n) * k};
}

template <class Kernels>
Job conv_job(std::istringstream& line, Kernels kernels) {
  int n, size, in, out, kernel, stride;
  std::string pass;
  check(bool(line >> n >> size >> in >> out >> kernel >> stride >> pass),
        "bench_jobs: conv N SIZE IN OUT KERNEL STRIDE forward|data|weights");
  ConvSizes s{n, size, size, in, out, kernel, kernel, stride, kernel / 2};
  Tensor x = numbers({n, size, size, in}), w = numbers({out, kernel, kernel, in});
  Tensor y = numbers({n, s.out_h(), s.out_w(), out}), dx = empty_like(x), dw = empty_like(w);
  double flop = 2.0 * double(y.size()) * kernel * kernel * in;
  auto job = [&](auto pass_of) {
    return Job{[=, keep = std::array{x, w, y, dx, dw}] { kernels(pass_of); }, flop};
  };
  if (pass == "forward")
    return job(ConvForward<float>{ptr<float>(y), ptr<float>(x), ptr<float>(w), nullptr, s});
  if (pass == "data")
    return job(ConvBackwardData<float>{ptr<float>(dx), ptr<float>(y), ptr<float>(w), s});
  return job(ConvBackwardWeights<float>{ptr<float>(dw), nullptr, ptr<float>(y), ptr<float>(x), s});
}

Tensor unit_rows(int rows, int dim, Dtype dtype) {
  Tensor t = numbers({rows, dim});
  for (int r = 0; r < rows; ++r) {
    float *row = ptr<float>(t) + int64_t(r) * dim, squares = 0;
    for (int d = 0; d < dim; ++d) squares += row[d] * row[d];
    for (int d = 0; d < dim; ++d) row[d] /= std::sqrt(squares);
  }
  return cast(t, dtype);
}

Job infonce_job(std::istringstream& line) {
  std::string type;
  int batch, keys, dim;
  check(bool(line >> type >> batch >> keys >> dim), "bench_jobs: infonce f32|bf16 BATCH KEYS DIM");
  const Dtype dtype = dtype_of(type);
  Tensor q = unit_rows(batch, dim, dtype), k = clone(q), queue = unit_rows(keys, dim, dtype);
  return {[q, k, queue] { backward(infonce(leaf(q), k, queue, 0.07f)); },
          4.0 * batch * double(keys) * dim};
}

// SimCLR's views of 32 pixels (no blur), MoCo v2's of 224 from pictures of 256; drawn anew each
// time.
Job views_job(std::istringstream& line) {
  std::string kind;
  line >> kind;
  check(kind == "simclr32" || kind == "moco224", "bench_jobs: views simclr32|moco224");
  const bool large = kind == "moco224";
  ViewRanges ranges;
  ranges.brightness = ranges.contrast = ranges.saturation = 0.4f, ranges.hue = 0.1f;
  ranges.grey = 0.2f, ranges.blur = large ? 0.5f : 0, ranges.least_area = large ? 0.2f : 0.08f;
  const int side = large ? 256 : 32, size = large ? 224 : 32, views = large ? 16 : 256;
  auto images =
      std::make_shared<std::vector<uint8_t>>(size_t(views) * size_t(side) * size_t(side) * 3);
  for (size_t i = 0; i < images->size(); ++i)  // smooth, as photographs
    (*images)[i] =
        uint8_t(128 + 100 * std::sin(double(i) * 0.01) + double(philox(1, i, 0).v[0] % 20));
  Tensor y = empty({views, size, size, 3});
  auto run_views = [=, epoch = uint32_t(0)]() mutable {
    std::vector<ViewDraw> draws;
    for (int v = 0; v < views; ++v) {
      draws.push_back(draw_view({1, 1, epoch, uint64_t(v), 0}, ranges, side, side));
      draws.back().image = v;
    }
    ++epoch;
    run(Cpu{}, RenderViews<float>{.y = ptr<float>(y),
                                  .images = images->data(),
                                  .draws = draws.data(),
                                  .views = views,
                                  .height = side,
                                  .width = side,
                                  .size = size,
                                  .cubic = false,
                                  .blur_window = 23,
                                  .mean = {0.485f, 0.456f, 0.406f},
                                  .std = {0.229f, 0.224f, 0.225f}});
  };
  return {run_views, double(views)};
}

// Smooth with some noise, as a photograph; every seed another one.
Image photograph(int height, int width, uint64_t seed) {
  Image image{height, width, std::vector<uint8_t>(size_t(height) * size_t(width) * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = uint8_t(118 + 100 * std::sin(double(i) * 0.01 + double(seed)) +
                           double(philox(seed, i, 1).v[0] % 20));
  return image;
}

Job decode_job(std::istringstream& line) {
  int height, width, side;
  check(bool(line >> height >> width >> side), "bench_jobs: decode HEIGHT WIDTH SIDE");
  constexpr int kFiles = 16, kQuality = 90;
  std::vector<std::vector<uint8_t>> files;
  for (int i = 0; i < kFiles; ++i)
    files.push_back(encode_jpeg(photograph(height, width, uint64_t(i)), kQuality));
  std::vector<uint8_t> square(size_t(side) * size_t(side) * 3);
  return {[files, square, side]() mutable {
            for (auto& file : files)
              resize_square(square.data(), side, decode_image(file, "photograph.jpg", {}, side));
          },
          kFiles};
}

// A training step of a method that needs no labels, on pictures of 32 pixels.
struct MethodStep {
  std::unique_ptr<Method> method;
  Parameters parameters;
  std::unique_ptr<Optimizer> optimizer;
  Batch batch;
  double rate;

  MethodStep(const std::string& name, Recipe recipe, int count, const OptimizerOptions& rule,
             double rate_)
      : rate(rate_) {
    constexpr int kSide = 32, kSeed = 1;
    method = make_method(name, recipe, {kSide, {}, kSeed, count}, Dtype::f32);
    parameters = Parameters(*method);
    optimizer = std::make_unique<Optimizer>(parameters, rule);
    method->begin({parameters, *optimizer, count, [](const std::string&) {}});
    batch.count = count, batch.side = kSide, batch.labels.assign(size_t(count), -1);
    for (int i = 0; i < count; ++i) {
      const Image image = photograph(kSide, kSide, uint64_t(i));
      batch.images.insert(batch.images.end(), image.rgb.begin(), image.rgb.end());
      batch.samples.push_back(i);
    }
  }
  Tensor loss() {
    Metrics metrics;
    return method->loss(batch, metrics);
  }
  void run() {
    backward(loss());
    optimizer->update(rate);
    ++batch.epoch;  // other views and masks
  }
};

Job moco_job(std::istringstream& line) {
  int batch, keys, dim;
  check(bool(line >> batch >> keys >> dim), "bench_jobs: moco BATCH KEYS DIM");
  Recipe recipe("moco-cifar10");
  recipe.set("queue_size", int64_t(keys)), recipe.set("dim", int64_t(dim));
  auto step = std::make_shared<MethodStep>("moco", recipe, batch,
                                           OptimizerOptions{.weight_decay = 5e-4f}, 0.06);
  return {[step] { step->run(); }, double(batch)};
}

Job mae_job(std::istringstream& line) {
  int batch;
  double mask;
  check(bool(line >> batch >> mask), "bench_jobs: mae BATCH MASK");
  Recipe recipe("mae-cifar10-quick");
  recipe.set("width", int64_t(0)), recipe.set("depth", int64_t(0)), recipe.set("heads", int64_t(0));
  recipe.set("decoder_width", int64_t(128)), recipe.set("decoder_depth", int64_t(4));
  recipe.set("decoder_heads", int64_t(4)), recipe.set("mask_ratio", mask);
  const OptimizerOptions rule{
      .rule = Rule::adamw, .weight_decay = 0.05f, .decay_scalars = false, .beta2 = 0.95f};
  auto step = std::make_shared<MethodStep>("mae", recipe, batch, rule, 1e-4);
  return {.run = [step] { step->run(); },
          .work = double(batch),
          .loss = [step] { return step->loss(); },
          .weights = &step->parameters};
}

Job bench_job(const BenchWork& work) { return {work.run, work.flop + work.bytes}; }
// At its reference shape.
Job bench_job(const std::string& kernel) {
  for (const BenchKernel& k : bench_kernels())
    if (k.name == kernel) return bench_job(k.f32(k.shapes.front(), Device::cpu));
  fail(ErrorKind::usage, "bench_jobs: no kernel ", kernel);
}

Job make_job(const std::string& request) {
  std::istringstream line(request);
  std::string kind;
  line >> kind;
  set_winograd(kind != "direct");
  if (kind == "direct") line >> kind;
  if (kind == "train" || kind == "adapt" || kind == "infer") return network_job(line, kind);
  if (kind == "optimizer") return bench_job("sgd_ema");
  if (kind == "gemm") return gemm_job(line, Ours());
  if (kind == "conv") return conv_job(line, Ours());
#ifdef HAS_ONEDNN
  if (kind == "onednn") {
    line >> kind;
    return kind == "gemm" ? gemm_job(line, OneDnn()) : conv_job(line, OneDnn());
  }
#endif
  if (kind == "infonce") return infonce_job(line);
  if (kind == "views") return views_job(line);
  if (kind == "decode") return decode_job(line);
  if (kind == "moco") return moco_job(line);
  if (kind == "mae") return mae_job(line);
  if (kind == "fma") return bench_job(fma_ceiling());
  if (kind == "stream") return bench_job(stream_ceiling());
  fail(ErrorKind::usage,
       "bench_jobs: train, adapt, infer, optimizer, gemm, conv, infonce, views, decode, ",
       "moco, mae, fma or stream, got ", request);
}

double cpu_seconds() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  auto seconds = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

void answer(const Job& job) {
  auto begin = std::chrono::steady_clock::now();
  double cpu = cpu_seconds(), seconds = 0, work = 0;
  while (seconds < job.least) {
    job.run();
    work += job.work;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  std::cout << work << ' ' << seconds << ' ' << cpu_seconds() - cpu << std::endl;
}

// Bytes: VmRSS, now; VmHWM, the most since the program began.
int64_t resident(const std::string& which) {
  std::ifstream status("/proc/self/status");
  std::string word;
  int64_t kilobytes = 0;
  while (status >> word)
    if (word == which + ":") status >> kilobytes;
  return kilobytes * 1024;
}

// By kind of op, in millions of bytes; what several keep counts for the oldest of them.
void print_saved(const Job& job) {
  check(bool(job.loss), "bench_jobs: --saved needs a training step");
  const Tensor loss = job.loss();
  struct Bytes {
    double kept = 0, remade = 0;
  };
  std::map<std::string, Bytes> by_op;
  Bytes all;
  std::set<const void*> counted;
  for (auto& s : job.weights->segments()) counted.insert(s.tensor->buffer.get());
  for (const Node* node : nodes_of(loss))
    for (const Node::Kept& k : node->saved) {
      const double bytes = 1e-6 * double(k.shape.size()) * double(bytes_of(k.dtype));
      if (!counted.insert(k.what).second) continue;
      for (Bytes* b : {&by_op[node->op], &all}) (k.remade ? b->remade : b->kept) += bytes;
    }
  by_op["all"] = all;
  for (auto& [op, b] : by_op)
    std::cout << std::left << std::setw(16) << op << std::right << std::setw(8) << b.kept
              << std::setw(8) << b.remade << '\n';
}

}  // namespace
}  // namespace autodidact

int main(int argc, char** argv) try {
  using namespace autodidact;
  if (argc > 1) set_thread_count(std::atoi(argv[1]));
  if (argc == 4 && std::string(argv[2]) == "--memory") {
    const int64_t start = resident("VmRSS");
    const Job measured = make_job(argv[3]);
    for (int i = 0; i < 3; ++i) measured.run();
    std::cout << start << ' ' << resident("VmHWM") << std::endl;
    return 0;
  }
  if (argc == 4 && std::string(argv[2]) == "--saved") {
    std::cout << std::fixed << std::setprecision(1) << "op                  kept  again\n";
    print_saved(make_job(argv[3]));
    return 0;
  }
  std::string request, current;
  Job job;
  std::cout.precision(9);
#ifdef HAS_ONEDNN
  std::cout << name(cpu_class()) << " onednn" << std::endl;
#else
  std::cout << name(cpu_class()) << std::endl;
#endif
  while (std::getline(std::cin, request)) {
    if (request != current) {  // the first run of a job warms up
      job = {};
      job = make_job(request), current = request;
      job.run();
    }
    answer(job);
  }
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
