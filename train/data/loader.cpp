// The workers take rows, not batches, from one counter that runs through all batches: the batch
// needed next is finished first. Slot t % ahead holds batch t; a worker waits before a slot whose
// batch was not taken yet.
#include "train/data/loader.h"
#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include "engine/check.h"
#include "kernels/parallel.h"
#include "train/data/names.h"
#include "train/data/shuffle.h"

namespace autodidact {
namespace {

constexpr int kRows = 8;            // rows a worker takes at once
constexpr int kReplacements = 100;  // tries: with 1 % damaged, all failing has probability 1e-200

using Order = std::shared_ptr<const std::vector<int64_t>>;

struct Slot {
  Batch batch;
  Order order;
  int taken = 0, done = 0;  // rows given to workers, rows finished
  std::map<int64_t, std::string> bad;
  std::exception_ptr failure;
};

}  // namespace

struct Loader::State {
  State(DatasetPtr d, const LoaderOptions& o) : data(std::move(d)), options(o) {
    if (options.threads == LoaderOptions::kAutomatic)
      options.threads = data->size() == 0 || data->pixels(0) ? 0 : thread_count();
    check(options.batch > 0 && options.threads >= 0 && options.ahead > 0,
          "loader: batch and ahead must be positive, threads not negative, got ", options.batch,
          ", ", options.ahead, ", ", options.threads);
    side = options.side > 0 ? options.side : data->side();
    check(side > 0, "loader: the pictures of ", data->describe(),
          " may differ in size: a side is needed");
    int64_t n = data->size();
    if (n == 0) fail(ErrorKind::data, "loader: ", data->describe(), " is empty");
    if (options.drop_last && n < options.batch)
      fail(ErrorKind::data, "loader: ", data->describe(), " has ", n,
           " samples, fewer than a batch of ", options.batch, "; choose a smaller batch");
    batches = options.drop_last ? n / options.batch : (n + options.batch - 1) / options.batch;
    cap = int64_t(options.bad_cap * double(n));
    slots.resize(size_t(options.threads == 0 ? 1 : options.ahead + 1));  // + 1: the one in use
  }

  // ---- one row

  void fill_row(Slot& slot, int row) {
    Batch& b = slot.batch;
    int64_t sample = (*slot.order)[size_t(b.index * options.batch + row)];
    const size_t bytes = size_t(side) * size_t(side) * 3;
    uint8_t* to = b.images.data() + size_t(row) * bytes;
    const int64_t wanted = sample;
    for (int attempt = 0; !fill_picture(to, sample, slot) && options.replace_damaged; ++attempt) {
      if (attempt == kReplacements)
        fail(ErrorKind::data, "loader: no readable picture in ", kReplacements,
             " draws in place of ", printable(data->name(wanted)));
      sample = replacement(data->size(), options.seed, uint32_t(b.epoch), wanted, attempt);
    }
    b.labels[size_t(row)] = data->label(sample);
    b.samples[size_t(row)] = sample;
  }

  bool fill_picture(uint8_t* to, int64_t sample, Slot& slot) {
    try {
      load_square(to, *data, sample, side);
      return true;
    } catch (const Error& e) {
      if (e.kind != ErrorKind::data) throw;
      std::lock_guard lock(mutex);
      slot.bad.emplace(sample, e.what());
      return false;
    }
  }

  // The rows of damaged pictures, which were not replaced, are closed up.
  void leave_out_damaged(Slot& slot) {
    Batch& b = slot.batch;
    const size_t bytes = size_t(side) * size_t(side) * 3;
    size_t kept = 0;
    for (size_t row = 0; row < size_t(b.count); ++row) {
      if (slot.bad.count(b.samples[row])) continue;
      if (kept != row) {
        std::memcpy(b.images.data() + kept * bytes, b.images.data() + row * bytes, bytes);
        b.labels[kept] = b.labels[row], b.samples[kept] = b.samples[row];
      }
      ++kept;
    }
    b.count = int(kept);
    b.images.resize(kept * bytes), b.labels.resize(kept), b.samples.resize(kept);
  }

  // ---- slots: `mutex` is held

  Order order_of(int64_t epoch) {
    if (!order || order_epoch != epoch) {
      order_epoch = epoch;
      auto o = std::make_shared<std::vector<int64_t>>();
      if (options.shuffle) *o = data->order(options.seed, uint32_t(epoch));
      else
        for (int64_t i = 0; i < data->size(); ++i) o->push_back(i);
      order = o;
    }
    return order;
  }

  Slot& slot_of(int64_t t) { return slots[size_t(t) % slots.size()]; }

  void prepare(int64_t t) {
    Slot& slot = slot_of(t);
    Batch& b = slot.batch;
    b.epoch = t / batches, b.index = t % batches, b.side = side;
    b.count = int(std::min<int64_t>(options.batch, data->size() - b.index * options.batch));
    b.images.resize(size_t(b.count) * size_t(side) * size_t(side) * 3);
    b.labels.resize(size_t(b.count));
    b.samples.resize(size_t(b.count));
    slot.order = order_of(b.epoch);
    slot.taken = slot.done = 0;
    slot.bad.clear();
    slot.failure = nullptr;
  }

  // ---- threads

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      // Slots in use are those of batches [taken, filling].
      wake_workers.wait(lock, [&] { return stop || filling < taken + int64_t(slots.size()); });
      if (stop) return;
      Slot& slot = slot_of(filling);
      if (slot.taken == 0) prepare(filling);
      int begin = slot.taken, end = std::min(begin + kRows, slot.batch.count);
      slot.taken = end;
      if (end == slot.batch.count) {
        ++filling;
        slot_of(filling).taken = 0;
        wake_workers.notify_one();
      }
      lock.unlock();
      std::exception_ptr failure;
      try {
        for (int row = begin; row < end; ++row) fill_row(slot, row);
      } catch (...) { failure = std::current_exception(); }
      lock.lock();
      if (failure && !slot.failure) slot.failure = failure;
      slot.done += end - begin;
      if (slot.done == slot.batch.count) wake_consumer.notify_one();
    }
  }

  void start() {
    stop = false;
    for (auto& s : slots) s.taken = s.done = 0;
    for (int i = 0; i < options.threads; ++i) workers.emplace_back([this] { work(); });
  }
  void join() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    wake_workers.notify_all();
    for (auto& w : workers) w.join();
    workers.clear();
  }

  const Batch& next() {
    const int64_t t = position++;
    Slot& slot = slot_of(t);
    if (options.threads == 0) {
      prepare(t);
      for (int row = 0; row < slot.batch.count; ++row) fill_row(slot, row);
    } else {
      std::unique_lock lock(mutex);
      taken = t;  // the batch given out before is free now
      wake_workers.notify_all();
      wake_consumer.wait(lock, [&] {
        return filling > t && slot.batch.count > 0 && slot.done == slot.batch.count;
      });
    }
    for (const auto& [sample, reason] : slot.bad)
      if (bad.emplace(sample, reason).second && options.found) options.found({sample, reason});
    if (int64_t(bad.size()) > cap)
      fail(ErrorKind::data, bad.size(), " of ", data->size(), " images are damaged, more than the ",
           "cap of ", options.bad_cap * 100, " %: ", bad.begin()->second,
           "; `autodidact data check` lists them; remove them, or raise the cap (bad_cap in a "
           "recipe, --cap of evaluate and embed)");
    if (slot.failure) std::rethrow_exception(slot.failure);
    if (!options.replace_damaged) leave_out_damaged(slot);
    return slot.batch;
  }

  DatasetPtr data;
  LoaderOptions options;
  int side;
  int64_t batches, cap;

  std::mutex mutex;
  std::condition_variable wake_workers, wake_consumer;
  std::vector<Slot> slots;
  std::vector<std::thread> workers;
  bool stop = false;
  int64_t filling = 0;   // the batch whose rows are being given out, counted over all epochs
  int64_t taken = 0;     // the batch that the caller holds or waits for
  int64_t position = 0;  // what next() gives
  Order order;
  int64_t order_epoch = -1;
  std::map<int64_t, std::string> bad;
};

Loader::Loader(DatasetPtr data, const LoaderOptions& options)
    : state_(std::make_unique<State>(std::move(data), options)) {
  state_->start();
}
Loader::~Loader() { state_->join(); }

int64_t Loader::batches_per_epoch() const { return state_->batches; }
int Loader::workers() const { return state_->options.threads; }
const Batch& Loader::next() { return state_->next(); }

void Loader::seek(int64_t epoch, int64_t batch) {
  check(epoch >= 0 && batch >= 0 && batch <= state_->batches, "loader: epoch ", epoch, ", batch ",
        batch, " of ", state_->batches, " does not exist");
  state_->join();
  state_->position = state_->filling = state_->taken = epoch * state_->batches + batch;
  state_->start();
}

std::vector<BadFile> Loader::bad_files() const {
  std::vector<BadFile> list;
  for (auto& [sample, reason] : state_->bad) list.push_back({sample, reason});
  return list;
}

}  // namespace autodidact
