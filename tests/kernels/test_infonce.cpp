// InfoNCE over a queue: the f64 body against the unfused definition; every class in f32 and bf16
// against it within a derived bound; the same bytes for any thread count, guard zones, memory; and
// the queue against a plain list. INFONCE_GRID=1 takes every shape of the benchmark, minutes long.
#include <cstdlib>
#include <deque>
#include <thread>
#include "kernels/infonce.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int batch, keys, dim;
  float temperature;
  bool unit;  // rows of length 1, or of random lengths up to 3
};

struct Inputs {
  Values q, k, queue;
};

Values rows_of(int64_t rows, int dim, bool unit, uint64_t key, bool narrow) {
  Values v = random_values(rows * dim, key);
  for (int64_t r = 0; r < rows; ++r) {
    double* row = v.data() + r * dim;
    double squares = 0;
    for (int d = 0; d < dim; ++d) squares += row[d] * row[d];
    double length = unit ? 1 : 3 * uniform(philox(key + 1, uint64_t(r), 0).v[0]);
    for (int d = 0; d < dim; ++d) {
      row[d] = double(float(row[d] * length / std::sqrt(squares)));
      if (narrow) row[d] = double(float(bf16(float(row[d]))));
    }
  }
  return v;
}
// Every third positive resembles its query, so that some losses are near 0.
Inputs inputs_for(const Case& c, bool narrow) {
  Inputs in{rows_of(c.batch, c.dim, c.unit, 1, narrow), rows_of(c.batch, c.dim, c.unit, 3, narrow),
            rows_of(c.keys, c.dim, c.unit, 5, narrow)};
  for (int r = 0; r < c.batch; r += 3)
    std::copy_n(in.q.begin() + int64_t(r) * c.dim, c.dim, in.k.begin() + int64_t(r) * c.dim);
  return in;
}

// The definition in f64, nothing fused, and what the bounds need.
struct Reference {
  Values loss, lse, dq, weight;     // weight: sum_j p_j |queue_j| + (1 - p+) |k|, over t batch
  Values share, magnitude, spread;  // a row: 1 - p+; max_j sum_d |q key| / t; max l - min l
  std::vector<int32_t> least_rank, most_rank;  // with logits that are wrong by their bound
};

double gamma(int roundings) { return roundings * 0x1p-24 / (1 - roundings * 0x1p-24); }
// q times the rounded log2(e) / t, then a chain of dim multiply-adds (or products and sums), then
// times the rounded ln 2: dim + 4 roundings, Higham, Accuracy and Stability, 3.1.
double logit_error(int dim, double magnitude) { return gamma(dim + 4) * magnitude; }

Reference reference(const Case& c, const Inputs& in) {
  const size_t rows = size_t(c.batch), size = rows * size_t(c.dim);
  Reference f{Values(rows),
              Values(rows),
              Values(size),
              Values(size),
              Values(rows),
              Values(rows),
              Values(rows),
              std::vector<int32_t>(rows),
              std::vector<int32_t>(rows)};
  parallel_for(c.batch, 1, [&](int64_t begin, int64_t) {
    const size_t row = size_t(begin);
    const double* q = in.q.data() + begin * c.dim;
    auto key = [&](int64_t j) {  // 0: the positive
      return j == 0 ? in.k.data() + begin * c.dim : in.queue.data() + (j - 1) * c.dim;
    };
    Values l(size_t(c.keys) + 1);
    for (int64_t j = 0; j <= c.keys; ++j) {
      double dot = 0, magnitude = 0;
      for (int d = 0; d < c.dim; ++d) {
        const double product = q[d] * key(j)[d];
        dot += product, magnitude += std::abs(product);
      }
      l[size_t(j)] = dot / double(c.temperature);
      f.magnitude[row] = std::max(f.magnitude[row], magnitude / double(c.temperature));
    }
    const auto [least, most] = std::minmax_element(l.begin(), l.end());
    const double top = *most;
    f.spread[row] = top - *least;
    double negatives = 0;
    for (size_t j = 1; j < l.size(); ++j) negatives += std::exp(l[j] - top);
    const double of_positive = std::exp(l[0] - top), all = negatives + of_positive;
    f.lse[row] = top + std::log(all);
    f.loss[row] = std::log1p(negatives / of_positive);
    if (std::isinf(f.loss[row])) f.loss[row] = f.lse[row] - l[0];
    f.share[row] = negatives / all;
    const double either = 2 * logit_error(c.dim, f.magnitude[row]);
    for (size_t j = 1; j < l.size(); ++j) {
      f.least_rank[row] += l[j] - l[0] > either;
      f.most_rank[row] += l[j] - l[0] > -either;
    }
    const double scale = 1 / (double(c.temperature) * c.batch);
    for (int64_t j = 0; j <= c.keys; ++j) {
      const double p = j == 0 ? -f.share[row] : std::exp(l[size_t(j)] - top) / all;
      for (int d = 0; d < c.dim; ++d) {
        f.dq[row * size_t(c.dim) + size_t(d)] += scale * p * key(j)[d];
        f.weight[row * size_t(c.dim) + size_t(d)] += scale * std::abs(p * key(j)[d]);
      }
    }
  });
  return f;
}

// How far a sum of exp(l - max) may be off, relative, for logits that are right. u = 2^-24:
//  - a power is within 2 ulp (kernels/packet-inl.h), 4 u; its argument l - max is rounded, u
//  spread;
//  - a sum over a block of at most 192 keys: 192 u (a lane adds its terms one after the other);
//  - a block more: u for the addition, 4 u for the factor by which a new maximum shrinks the sums
//    before it; the arguments of all these factors together round by another u spread;
//  - terms below e^-87 of the largest are taken for e^-87: keys e^-87;
//  - dq alone: 16 runs put together, each with a rounded weight, and the positive: 20 u.
double sum_error(const Case& c, CpuClass cls, double spread) {
  const int blocks = cls == CpuClass::plain ? c.keys / 128 + 1 : c.keys / (96 * 16) + 2;
  return 1.01 * 0x1p-24 * (4 + 192 + 5.0 * blocks + 20 + 2 * spread) + c.keys * std::exp(-87.0);
}

template <class T>
InfoNce<T> arguments(Buffers<T>& b, const Case& c, const Inputs& in) {
  return {.loss = b.out_acc(1),
          .row_loss = b.out_acc(c.batch),
          .lse = b.out_acc(c.batch),
          .rank = b.template out_as<int32_t>(c.batch),
          .dq = b.out_acc(int64_t(c.batch) * c.dim),
          .q = b.in(in.q),
          .k = b.in(in.k),
          .queue = b.in(in.queue),
          .batch = c.batch,
          .keys = c.keys,
          .dim = c.dim,
          .temperature = c.temperature,
          .unit = c.unit};
}

// The largest of error / bound over an output.
struct Worst {
  double ratio = 0;
  void operator()(double error, double bound) {
    if (!(error <= ratio * bound)) ratio = std::isnan(error) ? 1e30 : error / bound;
  }
};

// Logits off by e = logit_error and sums by s = sum_error change each ratio of exponentials by a
// factor within exp(+-(2 e + s)): the loss, log(1 + sum of ratios), moves by at most that times the
// negatives' share (times the factor itself, as the share moves too), dq by at most
// exp(2 e + 2 s) - 1 of its terms' magnitudes. Each is then rounded once.
template <class T>
void check_bounds(const Case& c, const Inputs& in, const Reference& f) {
  CpuState restore;
  for (CpuClass cls : classes_here()) {
    set_cpu_class(cls);
    std::unique_ptr<Buffers<T>> first;
    for (int threads : {1, 2, 3}) {
      INFO("batch " << c.batch << " keys " << c.keys << " dim " << c.dim << " t " << c.temperature
                    << (c.unit ? " unit " : " any ") << (sizeof(T) == 2 ? "bf16 " : "f32 ")
                    << std::string(name(cls)) << ", " << threads << " threads");
      set_thread_count(threads);
      auto b = std::make_unique<Buffers<T>>(false);
      run(Cpu{}, arguments(*b, c, in));
      for (size_t o = 0; o < b->outputs().size(); ++o) {
        CHECK(b->outputs()[o]->guards_intact());
        if (first) CHECK(b->outputs()[o]->bytes == first->outputs()[o]->bytes);
      }
      if (first) continue;
      Worst loss, row_loss, lse, dq;
      double mean = 0, mean_bound = 0;
      const Values rows = b->outputs()[1]->values(), sums = b->outputs()[2]->values(),
                   ranks = b->outputs()[3]->values(), gradient = b->outputs()[4]->values();
      for (size_t r = 0; r < rows.size(); ++r) {
        const double e = logit_error(c.dim, f.magnitude[r]), s = sum_error(c, cls, f.spread[r]);
        const double move = (2 * e + s) * std::exp(2 * e + s) * f.share[r];
        row_loss(std::abs(rows[r] - f.loss[r]), move + 0x1p-24 * f.loss[r] + 0x1p-149);
        mean += f.loss[r] / c.batch;
        mean_bound += (move + 0x1p-24 * f.loss[r]) / c.batch;
        lse(std::abs(sums[r] - f.lse[r]), e + s + 0x1p-24 * std::abs(f.lse[r]));
        CHECK(ranks[r] >= f.least_rank[r]);
        CHECK(ranks[r] <= f.most_rank[r]);
        for (size_t i = r * size_t(c.dim); i < (r + 1) * size_t(c.dim); ++i)
          dq(std::abs(gradient[i] - f.dq[i]),
             std::expm1(2 * e + 2 * s) * f.weight[i] + 0x1p-24 * std::abs(f.dq[i]) + 0x1p-126);
      }
      loss(std::abs(b->outputs()[0]->values()[0] - mean), mean_bound + 0x1p-24 * mean + 0x1p-149);
      CHECK(loss.ratio <= 1);
      CHECK(row_loss.ratio <= 1);
      CHECK(lse.ratio <= 1);
      CHECK(dq.ratio <= 1);
      if (std::getenv("INFONCE_GRID"))
        MESSAGE("error / bound: loss " << loss.ratio << " row " << row_loss.ratio << " lse "
                                       << lse.ratio << " dq " << dq.ratio);
      first = std::move(b);
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const bool grid = std::getenv("INFONCE_GRID") != nullptr;
  for (int batch : {1, 31, 256})
    for (int keys : {1, 127, 4096, 60000, 65536})
      for (int dim : {64, 100, 128, 512})
        for (auto [t, unit] : {std::pair{0.05f, true},
                               {0.2f, true},
                               {1.0f, true},
                               {0.05f, false},
                               {0.2f, false},
                               {1.0f, false}})
          if (grid || int64_t(batch) * keys * dim <= 1 << 20)
            all.push_back({batch, keys, dim, t, unit});
  if (!grid)
    for (Case c : {Case{31, 4096, 100, 0.07f, true}, {256, 500, 512, 0.07f, false}})
      all.push_back(c);
  // Sizes around the blocks and panels of every class, 2 / t on both sides of 80, a tile of queries
  // and one more, dim over a block of depth.
  for (Case c : {Case{7, 191, 3, 0.07f, true},
                 {17, 193, 9, 0.024f, true},
                 {65, 97, 33, 0.026f, true},
                 {257, 385, 20, 0.5f, false},
                 {3, 50, 1000, 0.07f, true},
                 {5, 2000, 1, 0.1f, false}})
    all.push_back(c);
  return all;
}

}  // namespace

TEST_CASE("infonce in f64 is the unfused definition") {
  for (Case c :
       {Case{1, 1, 1, 1.0f, false}, {5, 300, 17, 0.07f, true}, {6, 129, 8, 0.02f, false}}) {
    Inputs in = inputs_for(c, false);
    Reference f = reference(c, in);
    Buffers<double> b(false);
    run(Cpu{}, arguments(b, c, in));
    double mean = 0;
    for (double loss : f.loss) mean += loss / c.batch;
    CHECK(b.outputs()[0]->values()[0] == doctest::Approx(mean).epsilon(1e-13));
    CHECK(largest_error(b.outputs()[1]->values(), f.loss) <= 1e-13 * largest(f.lse));
    CHECK(largest_error(b.outputs()[2]->values(), f.lse) <= 1e-13 * largest(f.lse));
    CHECK(largest_error(b.outputs()[4]->values(), f.dq) <= 1e-13 * largest(f.weight));
  }
}

TEST_CASE("infonce: every class within the derived bound, the same bytes for any thread count") {
  for (const Case& c : cases()) {
    for (bool narrow : {false, true}) {
      Inputs in = inputs_for(c, narrow);
      Reference f = reference(c, in);
      if (narrow) check_bounds<bf16>(c, in, f);
      else check_bounds<float>(c, in, f);
    }
  }
}

TEST_CASE("infonce: outputs alone, and a positive that lies in the queue") {
  const Case c{33, 500, 24, 0.1f, true};
  Inputs in = inputs_for(c, false);
  for (int r = 0; r < c.batch; ++r)
    std::copy_n(in.k.begin() + r * c.dim, c.dim, in.queue.begin() + (r * 15 + 2) * c.dim);
  CpuState restore;
  for (CpuClass cls : classes_here()) {
    set_cpu_class(cls);
    INFO(std::string(name(cls)));
    Buffers<float> all(false), loss_alone(false);
    InfoNce<float> p = arguments(all, c, in);
    run(Cpu{}, p);
    // Every third query is its own positive, of which nothing lies above: its twin ties.
    for (int r = 0; r < c.batch; r += 3) CHECK(p.rank[r] == 0);
    InfoNce<float> alone = arguments(loss_alone, c, in);
    float* row_loss = alone.row_loss;
    alone.row_loss = alone.lse = alone.dq = nullptr, alone.rank = nullptr;
    run(Cpu{}, alone);
    CHECK(*alone.loss == *p.loss);
    CHECK(std::isnan(row_loss[0]));
  }
}

TEST_CASE("infonce: a broken word of unit length is seen in the loss") {
  Case c{4, 300, 16, 0.05f, true};
  CpuState restore;
  for (double length : {-9.0, -3.0, 3.0, 9.0}) {  // row 0 has logits of 20 times that
    Inputs in = inputs_for(c, false);
    for (int64_t j = 0; j < c.keys; ++j)
      for (int d = 0; d < c.dim; ++d) in.queue[size_t(j * c.dim + d)] = length * in.q[size_t(d)];
    for (CpuClass cls : classes_here()) {
      set_cpu_class(cls);
      Buffers<float> b(false);
      InfoNce<float> p = arguments(b, c, in);
      run(Cpu{}, p);
      CHECK(!std::isfinite(p.row_loss[0]));
      p.unit = false;
      run(Cpu{}, p);
      CHECK(std::isfinite(p.row_loss[0]));
    }
  }
}

TEST_CASE("infonce: NaN in a query, a key or the queue is NaN in the loss") {
  const Case c{3, 200, 12, 0.1f, true};
  CpuState restore;
  for (CpuClass cls : classes_here())
    for (bool unit : {false, true})
      for (int where : {0, 1, 2}) {
        set_cpu_class(cls);
        Inputs in = inputs_for(c, false);
        (where == 0 ? in.q : where == 1 ? in.k : in.queue)[size_t(c.dim) + 5] = NAN;
        Buffers<float> b(false);
        InfoNce<float> p = arguments(b, c, in);
        p.unit = unit;
        run(Cpu{}, p);
        INFO(std::string(name(cls)) << " unit " << unit << " where " << where);
        CHECK(std::isnan(p.row_loss[1]));
        CHECK(std::isnan(*p.loss));
        CHECK(std::isnan(p.row_loss[0]) == (where == 2));
      }
}

TEST_CASE("infonce: at most 10 MB of working memory at B256 K65536 D128") {
  const Case c{256, 65536, 128, 0.07f, true};
  Inputs in = inputs_for(c, false);
  CpuState restore;
  set_cpu_class(best_cpu_class());
  set_thread_count(1);
  set_thread_count(2);  // a worker that has done nothing yet
  Buffers<float> b(false);
  InfoNce<float> p = arguments(b, c, in);
  const size_t before = scratch_high_water();
  std::thread([&] { run(Cpu{}, p); }).join();  // and a caller
  const size_t bytes = scratch_high_water() - before;
  MESSAGE("working memory: " << bytes << " bytes");
  CHECK(bytes > 0);
  CHECK(bytes <= 10'000'000);
}

TEST_CASE_TEMPLATE("enqueue: 10,000 batches of random sizes, as a plain list", T, float, bf16,
                   double) {
  constexpr int kKeys = 37, kDim = 3;
  std::vector<T> queue(kKeys * kDim);
  for (int i = 0; i < kKeys * kDim; ++i) queue[size_t(i)] = T(float(i % kDim));
  std::deque<int> list(kKeys, 0);  // the oldest first; number n is the row n, n + 1, n + 2
  int32_t next = 0;
  for (int step = 1; step <= 10000; ++step) {
    const Philox4 r = philox(11, uint64_t(step), 0);
    // Mostly smaller than the queue, some as large or larger, now and then empty.
    const int batch = int(r.v[0] % (step % 10 == 0 ? 3 * kKeys : 17));
    std::vector<T> rows(size_t(batch * kDim));
    for (int i = 0; i < batch; ++i) {
      const int id = (step * 31 + i) % 200;  // exact in bf16
      for (int d = 0; d < kDim; ++d) rows[size_t(i * kDim + d)] = T(float(id + d));
      list.push_back(id);
      list.pop_front();
    }
    run(Cpu{}, Enqueue<T>{queue.data(), &next, rows.data(), kKeys, batch, kDim});
    bool same = next >= 0 && next < kKeys;
    for (int i = 0; same && i < kKeys * kDim; ++i)
      same = float(queue[size_t((next * kDim + i) % (kKeys * kDim))]) ==
             float(list[size_t(i / kDim)] + i % kDim);
    REQUIRE(same);
  }
}
