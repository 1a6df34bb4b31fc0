#include "ttt/adaptation.h"
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include "kernels/parallel.h"
#include "train/data/names.h"
#include "train/data/readable.h"
#include "train/data/splits.h"
#include "train/metrics.h"
#include "train/signals.h"
#include "ttt/corruptions/corruption.h"
#include "ttt/figures.h"

namespace autodidact {
namespace {

constexpr const char* kClean = "none";

std::vector<std::string> stream_names(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream list(text);
  for (std::string item; std::getline(list, item, ',');)
    if (item == kClean) names.push_back(kClean);
    else
      for (const Corruption& c : parse_corruptions(item)) names.push_back(to_string(c));
  if (names.empty()) fail(ErrorKind::usage, "adapt: no corruption is named");
  return names;
}

std::string bits_of(const std::vector<bool>& right) {
  std::string text;
  for (bool r : right) text += r ? '1' : '0';
  return text;
}
std::vector<bool> from_bits(const std::string& text) {
  std::vector<bool> right;
  for (char c : text) right.push_back(c == '1');
  return right;
}

MetricsFile::Line line_of(const NamedStream& s) {
  MetricsFile::Line line = facts_of(s);
  line.emplace_back("right_none", bits_of(s.result.frozen));
  line.emplace_back("right", bits_of(s.result.adapted));
  return line;
}

// The finished streams of an earlier process; a torn last line is none.
std::vector<NamedStream> finished_streams(const std::string& path,
                                          const std::vector<std::string>& names) {
  std::vector<NamedStream> found;
  std::ifstream file(path, std::ios::binary);
  for (std::string text; std::getline(file, text) && !file.eof();) try {
      const auto j = nlohmann::json::parse(text);
      NamedStream s;
      s.corruption = j.at("corruption");
      s.result.frozen = from_bits(j.at("right_none")), s.result.adapted = from_bits(j.at("right"));
      s.result.learned_from = j.at("learned_from"), s.result.failures = j.at("failures");
      s.result.alarms = j.at("alarms");
      auto number = [&](const char* key) {  // null: it was not finite
        return j.at(key).is_null() ? std::nan("") : j.at(key).get<double>();
      };
      s.result.first_loss = number("first_loss"), s.result.last_loss = number("last_loss");
      if (j.contains("gradient_product")) s.result.gradient_product = number("gradient_product");
      if (found.size() >= names.size() || s.corruption != names[found.size()])
        fail(ErrorKind::usage, path, ": holds other streams than this run's");
      found.push_back(std::move(s));
    } catch (const nlohmann::json::exception& e) {
      fail(ErrorKind::checkpoint, path, ", line ", found.size() + 1, ": ", e.what());
    }
  return found;
}

class Run {
 public:
  Run(AdaptRequest& request, Progress& progress)
      : progress_(progress), loaded_(load_method(request.checkpoint, request.device)) {
    const Recipe trained = Recipe::parse(loaded_.checkpoint.facts.at("recipe"), loaded_.name);
    Recipe copy = trained;
    copy.read(training_);
    request.recipe.set("weights", weights());
    request.recipe.read(keys_);
    request.recipe.check_all_known();
    resolved_ = request.recipe.resolved();
    keys_.refuse_idle(request.recipe);
    if (keys_.data.empty()) keys_.data = training_.data;
    corruptions_ = stream_names(keys_.corruption);
    names_ = corruptions_;
    if (keys_.in_turn) {
      if (corruptions_.size() == 1)
        fail(ErrorKind::usage, "adapt: in turn there must be several corruptions, got ",
             keys_.corruption);
      names_ = {keys_.corruption + " in turn"};
    }
    corruption_ = {.seed = uint64_t(keys_.seed), .frost = nullptr};
    if (!keys_.frost.empty()) corruption_.frost = frost_textures(keys_.frost);
    open_pictures();
    if (keys_.mode != "none") make_learners(request);
    else set_training(*loaded_.method, false);
  }

  AdaptRun all(const AdaptRequest& request) {
    RunDirectory run(request.out, request.existing);
    run.remove_overwritten();
    AdaptRun result;
    result.keys = keys_, result.protocol = protocol();
    const std::string config = run.file("config.toml"), metrics = run.file("metrics.jsonl");
    std::error_code none;
    if (run.resumes() && std::filesystem::exists(config, none)) {
      refuse_changes(config);
      result.streams = finished_streams(metrics, names_);
    }
    run.write("config.toml", resolved_);
    run.write_environment();
    progress_.log_to(run.file("log.txt"));
    progress_.say(result.protocol);
    SignalWatch signals;
    MetricsFile lines(metrics, int64_t(result.streams.size()));
    double seconds = 0;
    int64_t pictures = 0;
    while (result.streams.size() < names_.size()) {
      NamedStream s{names_[result.streams.size()], {}};
      s.result = stream(s.corruption, [&] { return signals.stop() != 0; });
      if (signals.stop()) break;
      seconds += s.result.seconds, pictures += int64_t(s.result.adapted.size());
      auto& times = result.batch_seconds;
      times.insert(times.end(), s.result.batch_seconds.begin(), s.result.batch_seconds.end());
      lines.write(line_of(s));
      lines.sync();
      progress_.say(fmt::format("{}: error {:.1f} % -> {:.1f} %", s.corruption,
                                error_of(s.result.frozen).value, error_of(s.result.adapted).value));
      result.streams.push_back(std::move(s));
    }
    result.signal = signals.stop();
    if (!result.signal) leave_pictures(run, result);
    result.side_by_side = std::max<int64_t>(1, int64_t(learners_.size()));
    std::sort(result.batch_seconds.begin(), result.batch_seconds.end());
    if (pictures) result.seconds_per_sample = seconds / double(pictures);
    return result;
  }

 private:
  static void leave_pictures(const RunDirectory& run, AdaptRun& result) {
    auto leave = [&](const char* name, const auto& drawing) {
      result.pictures.push_back(run.picture(name));
      draw(result.pictures.back(), drawing);
    };
    leave("errors.png", error_plot(result));
    leave("stream.png", stream_figure(result));
    if (result.keys.gradients) leave("gradients.png", gradient_figure(result));
  }

  // Of the network: a run is not gone on with for another one.
  std::string weights() const {
    std::string hashes;
    for (const StoredTensor& s : stored_tensors(named_tensors(*loaded_.method))) {
      const Tensor t = to_device(s.tensor, Device::cpu);
      hashes += xxh3(t.data(), t.bytes());
    }
    return xxh3(hashes.data(), hashes.size());
  }

  // Where each batch begins from the snapshot none has to wait for another: a network a thread,
  // unless there are so few that threads would long be idle at the end.
  void make_learners(const AdaptRequest& request) {
    const int64_t pictures =
        int64_t(order_.size()) * (keys_.in_turn ? int64_t(corruptions_.size()) : 1);
    const int64_t batches = (pictures + keys_.batch - 1) / keys_.batch;
    int64_t count = 1;
    if (keys_.mode == "standard" && request.device == Device::cpu)
      count = request.side_by_side            ? std::min(request.side_by_side, batches)
              : batches >= 8 * thread_count() ? thread_count()
                                              : 1;
    else if (request.side_by_side > 1)
      fail(ErrorKind::usage, "adapt: side by side: batches depend on those before in mode ",
           keys_.mode, ", and a GPU takes one after the other");
    for (int64_t i = 1; i < count; ++i) copies_.push_back(copy_of(loaded_));
    learners_.push_back(keys_.learner(*loaded_.method));
    for (auto& copy : copies_) learners_.push_back(keys_.learner(*copy));
  }

  void open_pictures() {
    std::string notes;
    const bool own = keys_.data == training_.data;
    const SourceOptions source{.side = loaded_.side, .size = own ? training_.test_size : 0};
    pictures_ = labelled(open_test_pictures(keys_.data, source, notes), notes);
    std::vector<BadFile> bad;
    pictures_ = readable_pictures(pictures_, training_.bad_cap, bad);
    warn_left_out(progress_, bad);
    if (pictures_->classes() != loaded_.method->outputs())
      fail(ErrorKind::data, "adapt: the classes of ", printable(keys_.data),
           " are not those that the network tells apart");
    if (!notes.empty()) progress_.say(notes.substr(0, notes.size() - 1));
    const Arrival arrival = keys_.order == "shuffled"   ? Arrival::shuffled
                            : keys_.order == "in_order" ? Arrival::in_order
                                                        : Arrival::by_label;
    order_ = stream_order(*pictures_, arrival, keys_.samples, uint64_t(keys_.seed));
    if (pictures_->side() != loaded_.side) pictures_ = in_memory(pictures_, loaded_.side);
  }

  void refuse_changes(const std::string& config) const {
    std::ifstream file(config, std::ios::binary);
    std::stringstream then;
    then << file.rdbuf();
    const std::string changes = recipe_differences(then.str(), resolved_);
    if (!changes.empty())
      fail(ErrorKind::usage, "--resume: this is not the run that is there:\n", changes);
  }

  DatasetPtr stream_pictures(const std::string& name) const {
    const int side = loaded_.side;
    if (!keys_.in_turn) return in_memory(corrupted_pictures(name), side);
    Samples all;
    all.side = side, all.classes = pictures_->classes();
    const size_t row = size_t(side) * size_t(side) * 3;
    all.images.reserve(corruptions_.size() * order_.size() * row);
    for (const std::string& c : corruptions_) {
      const DatasetPtr part = in_memory(corrupted_pictures(c), side);
      for (int64_t i = 0; i < part->size(); ++i) {
        all.images.resize(all.images.size() + row);
        load_square(&all.images[all.images.size() - row], *part, i, side);
        all.labels.push_back(part->label(i));
      }
    }
    return from_memory(std::move(all), "streams in turn");
  }

  DatasetPtr corrupted_pictures(const std::string& name) const {
    if (name == kClean) return subset(pictures_, order_, "a stream");
    const Corruption c = parse_corruptions(name)[0];
    if (keys_.gradual)
      return gradually_corrupted(subset(pictures_, order_, "a stream"), c, 1, corruption_);
    return subset(corrupted(pictures_, c, corruption_), order_, "a stream");
  }

  StreamResult stream(const std::string& name, const std::function<bool()>& stop) {
    const DatasetPtr pictures = stream_pictures(name);
    std::vector<int64_t> keys;  // a picture's own, whatever was done to it
    while (int64_t(keys.size()) < pictures->size())
      keys.insert(keys.end(), order_.begin(), order_.end());
    if (learners_.empty()) {
      StreamResult r;
      r.frozen = r.adapted = recognised(
          [&](const uint8_t* images, int count, int side) {
            const Tensor x = normalize(images, count, side, loaded_.method->normalization(),
                                       Dtype::f32, loaded_.method->device());
            return to_device(loaded_.method->logits(x), Device::cpu);
          },
          *pictures, loaded_.side, stop);
      return r;
    }
    TestTimeLearner& first = *learners_.front();
    first.reset();
    auto frozen = recognised([&](const uint8_t* images, int count,
                                 int side) { return first.predict(images, count, side); },
                             *pictures, loaded_.side, stop);
    const std::optional<double> product =
        keys_.gradients ? std::optional(mean_gradient_product(*pictures, stop)) : std::nullopt;
    std::vector<TestTimeLearner*> learners;
    for (auto& l : learners_) learners.push_back(l.get());
    StreamResult r = run_stream(learners, *pictures, keys, loaded_.side,
                                {.batch = int(keys_.batch), .stop = stop});
    r.frozen = std::move(frozen);
    r.gradient_product = product;
    return r;
  }

  // Of the snapshot.
  double mean_gradient_product(const Dataset& pictures, const std::function<bool()>& stop) {
    Adapter& network = dynamic_cast<Adapter&>(*learners_.front());
    double sum = 0;
    for (int64_t i = 0; i < pictures.size() && !stop(); ++i)
      sum += network.gradient_product(pictures.pixels(i), pictures.label(i), loaded_.side);
    return sum / double(pictures.size());
  }

  std::string protocol() const {
    std::string text =
        fmt::format("{}, step {}; {} of {}, {}, seed {}", loaded_.name, loaded_.checkpoint.step,
                    order_.size(), pictures_->describe(), keys_.order, keys_.seed);
    if (keys_.gradual)
      text += fmt::format(", severity from 1 upwards along {}",
                          keys_.in_turn ? "each corruption's pictures" : "the stream");
    if (keys_.in_turn) text += fmt::format("; {} corruptions in turn", corruptions_.size());
    if (keys_.mode == "none") return text + "; nothing is learned";
    return text + "; " + keys_.protocol() + "; prediction on the untouched picture";
  }

  Progress& progress_;
  LoadedMethod loaded_;
  RunKeys training_;
  AdaptKeys keys_;
  std::string resolved_;
  std::vector<std::string> corruptions_, names_;  // names_: of the streams
  CorruptionOptions corruption_;
  DatasetPtr pictures_;
  std::vector<int64_t> order_;
  std::vector<std::unique_ptr<Method>> copies_;  // of the network
  std::vector<std::unique_ptr<TestTimeLearner>> learners_;
};

}  // namespace

std::vector<StreamResult> AdaptRun::results() const {
  std::vector<StreamResult> results;
  for (const NamedStream& s : streams) results.push_back(s.result);
  return results;
}

MetricsFile::Line facts_of(const NamedStream& s) {
  const StreamResult& r = s.result;
  const Interval change = difference(r.adapted, r.frozen);
  MetricsFile::Line line = {{"corruption", s.corruption},
                            {"samples", int64_t(r.adapted.size())},
                            {"error_none", error_of(r.frozen).value},
                            {"error", error_of(r.adapted).value},
                            {"difference", change.value},
                            {"half_interval", change.half},
                            {"learned_from", r.learned_from},
                            {"failures", r.failures},
                            {"alarms", r.alarms},
                            {"first_loss", r.first_loss},
                            {"last_loss", r.last_loss}};
  if (r.gradient_product) line.emplace_back("gradient_product", *r.gradient_product);
  return line;
}

AdaptRun adapt_run(AdaptRequest request, Progress& progress) {
  Run run(request, progress);
  return run.all(request);
}

}  // namespace autodidact
