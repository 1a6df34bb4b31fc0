#include "train/loop.h"
#include <bit>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include "engine/durable_file.h"
#include "train/metrics.h"
#include "train/signals.h"

namespace autodidact {

void LoopKeys::visit(Keys& k) {
  k("epochs", epochs, "passes over the training data", 1, 1000000);
  k("batch_size", batch_size, "pictures a step, before any copies a method makes of them", 1,
    65536);
  k("optimizer", optimizer, "update rule, as PyTorch's; lars: You et al. 2017",
    {"sgd", "adamw", "lars"});
  k("learning_rate", learning_rate, "of the first step after the warm-up", 0.0, 1000.0);
  k("momentum", momentum, "of sgd and lars", 0.0, 0.9999);
  k("beta2", beta2, "of adamw: how long it remembers squared gradients", 0.0, 0.99999);
  k("nesterov", nesterov, "Nesterov's momentum");
  k("weight_decay", weight_decay, "L2 for sgd and lars, decoupled for adamw", 0.0, 10.0);
  k("decay_scalars", decay_scalars, "weight decay on biases and norm parameters too");
  k("layer_decay", layer_decay,
    "factor of the learning rate for each block of the encoder that a block lies before the head",
    0.0, 1.0);
  k("schedule", schedule, "of the learning rate", {"constant", "cosine", "step"});
  k("warmup_epochs", warmup_epochs, "epochs of linear rise from zero", 0.0, 1000.0);
  k("milestones", milestones,
    "epochs at which the step schedule multiplies the rate by decay_factor");
  k("decay_factor", decay_factor, "see milestones", 0.0, 1.0);
  k("log_every", log_every, "steps a line of metrics.jsonl", 1, 1000000);
  k("checkpoint_every", checkpoint_every, "steps; 0: at the end of every epoch", 0,
    int64_t(1) << 40);
  k("evaluate_every", evaluate_every,
    "epochs between looks at the test split; the last epoch always has one", 1, 1000000);
}

OptimizerOptions LoopKeys::optimizer_options() const {
  OptimizerOptions o;
  o.rule = optimizer == "adamw" ? Rule::adamw : optimizer == "lars" ? Rule::lars : Rule::sgd;
  o.weight_decay = float(weight_decay), o.momentum = float(momentum);
  o.beta2 = float(beta2);
  o.nesterov = nesterov && momentum > 0, o.decay_scalars = decay_scalars;
  return o;
}

void LoopKeys::refuse_contradictions() const {
  if (warmup_epochs >= double(epochs) && warmup_epochs > 0)
    fail(ErrorKind::usage, "train: warmup_epochs must be below epochs, got ", warmup_epochs, " of ",
         epochs);
  if (!milestones.empty() && schedule != "step")
    fail(ErrorKind::usage, "train: milestones belong to schedule = \"step\", got ", schedule);
  if (milestones.empty() && schedule == "step")
    fail(ErrorKind::usage, "train: schedule = \"step\" needs milestones");
}

Schedule LoopKeys::schedule_of(int64_t steps_per_epoch) const {
  Schedule s;
  s.base = learning_rate;
  s.decay = schedule == "cosine" ? Decay::cosine
            : schedule == "step" ? Decay::steps
                                 : Decay::constant;
  s.total = epochs * steps_per_epoch;
  s.warmup = int64_t(std::llround(warmup_epochs * double(steps_per_epoch)));
  for (int64_t epoch : milestones) s.milestones.push_back(epoch * steps_per_epoch);
  s.factor = decay_factor;
  return s;
}

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Means over the steps since the last line; part of a checkpoint, so that a resumed run writes the
// same lines.
struct Interval {
  Metrics sums;
  int64_t steps = 0;

  void add(const Metrics& m) {
    if (sums.empty())
      for (auto& [name, value] : m) sums.emplace_back(name, 0.0);
    for (size_t i = 0; i < m.size(); ++i) sums[i].second += m[i].second;
    ++steps;
  }
  Metrics means() const {
    Metrics m = sums;
    for (auto& [name, value] : m) value /= double(steps);
    return m;
  }
  std::string text() const {
    nlohmann::ordered_json j = {{"steps", steps}, {"sums", nlohmann::ordered_json::array()}};
    for (auto& [name, value] : sums) j["sums"].push_back({name, value});
    return j.dump();
  }
  static Interval parse(const std::string& text) {
    Interval i;
    try {
      auto j = nlohmann::json::parse(text);
      i.steps = j.at("steps");
      for (auto& e : j.at("sums"))
        i.sums.emplace_back(e.at(0).get<std::string>(), e.at(1).get<double>());
    } catch (const nlohmann::json::exception& e) {
      fail(ErrorKind::checkpoint, "checkpoint: metrics of the running interval: ", e.what());
    }
    return i;
  }
};

// A frozen encoder keeps its running statistics: everything but the head is in evaluation mode.
void enter_training(Training& t) { set_training(t.method, !t.encoder_frozen); }

// Empty: stopped.
Metrics evaluate(Training& t, const SignalWatch& signals) {
  Frozen frozen(t.parameters);
  set_training(t.method, false);
  Loader pictures(t.test, t.test_options);
  Metrics m = t.method.evaluate(pictures, [&] { return signals.stop() != 0; });
  enter_training(t);
  return m;
}

// The fact of a checkpoint that was written before its look at the test split.
constexpr const char* kTestDue = "test_split";

class Loop {
 public:
  Loop(Training& training, const LoopKeys& keys)
      : t(training),
        keys_(keys),
        per_epoch_(t.loader.batches_per_epoch()),
        schedule_(keys.schedule_of(per_epoch_)),
        graph_(t.parameters.value.device(), t.replay) {
    if (per_epoch_ == 0)
      fail(ErrorKind::data, "train: fewer pictures than one batch of ", keys.batch_size);
  }

  LoopResult run() {
    resume();
    MetricsFile lines(t.run.file("metrics.jsonl"), metrics_lines_);
    SignalWatch signals;
    enter_training(t);
    auto begin = Clock::now();
    double training_seconds = 0;
    int64_t images = 0, total = keys_.epochs * per_epoch_;
    if (step_ == 0) keep_pictures();
    while (!signals.stop() && (step_ < total || test_due_)) {
      if (!test_due_) {
        auto step_begin = Clock::now();
        const Batch& batch = t.loader.next();
        take_step(batch);
        images += batch.count;
        training_seconds += since(step_begin);
        if (step_ % keys_.log_every == 0 || epoch_ends())
          write_training_line(lines, training_seconds);
        test_due_ = t.test && epoch_ends() &&
                    ((step_ / per_epoch_) % keys_.evaluate_every == 0 || step_ == total);
        if (test_due_) save(lines);
      }
      if (test_due_) {
        t.progress.finish();
        Metrics m = evaluate(t, signals);
        if (m.empty()) break;
        write_line(lines, m, training_seconds);
        test_due_ = false;
      }
      const int64_t epoch = step_ / per_epoch_;
      if (epoch_ends() && (std::has_single_bit(uint64_t(epoch)) || step_ == total)) keep_pictures();
      bool due = keys_.checkpoint_every ? step_ % keys_.checkpoint_every == 0 : epoch_ends();
      if (signals.take_checkpoint_request() || due || step_ == total) save(lines);
      t.progress.update(step_ * keys_.batch_size, total * keys_.batch_size, headline());
    }
    t.progress.finish();
    result_.signal = signals.stop();
    if (result_.signal && (step_ < total || test_due_)) {
      save(lines);
      t.progress.warn("stopped by a signal after step " + std::to_string(step_) +
                      "; a checkpoint is saved: go on with --resume");
    }
    result_.steps = step_;
    result_.seconds = since(begin);
    result_.images_per_second = training_seconds > 0 ? double(images) / training_seconds : 0;
    return result_;
  }

 private:
  bool epoch_ends() const { return step_ % per_epoch_ == 0; }

  void keep_pictures() {
    if (!t.test) return;
    Frozen frozen(t.parameters);
    set_training(t.method, false);
    t.method.keep_pictures(t.test, step_ / per_epoch_, t.run.path());
    enter_training(t);
  }

  void resume() {
    if (!t.last) return;
    const Checkpoint& last = *t.last;
    refuse_changes(last.facts);
    load_strict(t.method, last.file, {.may_be_extra = {"optimizer"}}, "checkpoint", &t.parameters);
    load_optimizer(last.file, t.parameters, t.optimizer, "checkpoint");
    step_ = last.step, metrics_lines_ = last.metrics_lines;
    auto interval = last.facts.find("interval");
    interval_ = Interval::parse(interval == last.facts.end() ? "" : interval->second);
    test_due_ = last.facts.count(kTestDue) > 0;
    t.method.load_facts(last.facts);
    t.loader.seek(last.epoch, last.batch);
    t.progress.say("resuming after step " + std::to_string(step_));
  }

  // Going on with other data or settings would end in a run that nobody can repeat.
  void refuse_changes(const std::map<std::string, std::string>& then) const {
    std::string changes;
    for (auto& [name, now] : t.facts) {
      auto old = then.find(name);
      if (old == then.end() || old->second == now) continue;
      changes += name == "recipe" ? recipe_differences(old->second, now)
                                  : name + ": " + old->second + " then, " + now + " now\n";
    }
    if (!changes.empty())
      fail(ErrorKind::usage, "--resume: this is not the run that the checkpoint is of:\n", changes,
           "Resume with the settings of ", t.run.file("config.toml"),
           ", or start another run with --init");
  }

  void differentiate(const Tensor& loss) {
    if (!t.graph_file.empty()) {
      write_durably(t.graph_file, tape_dot(loss));
      t.graph_file.clear();
    }
    if (loss.node) backward(loss);
    loss_ = detach(loss);
    t.parameters.finish_grad();
    squares_ = sum_of_squares(t.parameters.grad);
  }

  void take_step(const Batch& batch) {
    const double rate = schedule_(step_);
    Metrics metrics;
    if (CapturableStep* step = t.method.capturable()) {
      step->prepare(batch);
      t.optimizer.prepare(rate);
      graph_([&] {
        differentiate(step->loss());
        t.optimizer.update();
      });
      metrics = step->metrics();
    } else {
      differentiate(t.method.loss(batch, metrics));
      t.optimizer.update(rate);
    }
    check_finite("loss", double(item<float>(loss_)));
    const double norm = std::sqrt(double(item<float>(squares_)));
    check_finite("gradient norm", norm);
    metrics.emplace_back("gradient_norm", norm);
    interval_.add(metrics);
    rate_ = rate;
    ++step_;
  }

  // Before a checkpoint could be written of it: the last one is good.
  void check_finite(const char* what, double value) const {
    if (!std::isfinite(value))
      fail(ErrorKind::numerical, "train: the ", what, " of step ", step_, " (epoch ",
           step_ / per_epoch_, ", batch ", step_ % per_epoch_, ") is ", value,
           "; the last checkpoint is unharmed. A smaller learning rate or a warm-up usually helps");
  }

  void write_training_line(MetricsFile& lines, double seconds) {
    Metrics m = interval_.means();
    m.emplace_back("learning_rate", rate_);
    interval_ = {};
    write_line(lines, m, seconds);
  }

  void write_line(MetricsFile& lines, const Metrics& m, double seconds) {
    MetricsFile::Line line = {{"step", step_}, {"epoch", double(step_) / double(per_epoch_)}};
    for (auto& [name, value] : m) {
      line.emplace_back(name, value);
      remember(name, value);
    }
    line.emplace_back("seconds", seconds);
    lines.write(line);
  }

  void remember(const std::string& name, double value) {
    for (auto& [known, v] : result_.last)
      if (known == name) return void(v = value);
    result_.last.emplace_back(name, value);
  }

  std::string headline() const {
    std::string text =
        "epoch " + std::to_string(step_ / per_epoch_) + "/" + std::to_string(keys_.epochs);
    for (auto& [name, value] : result_.last)
      if (name == "loss" || name == "accuracy" || name == "test_accuracy" ||
          name == "test_knn_accuracy") {
        char number[32];
        std::snprintf(number, sizeof number, "%.4g", value);
        text += "  " + name + " " + number;
      }
    const std::string status = t.method.status();
    return status.empty() ? text : text + "  " + status;
  }

  void save(MetricsFile& lines) {
    lines.sync();
    Checkpoint c;
    store(c.file, stored_tensors(named_tensors(t.method), &t.parameters));
    store_optimizer(c.file, t.parameters, t.optimizer);
    c.step = step_, c.epoch = step_ / per_epoch_, c.batch = step_ % per_epoch_,
    c.metrics_lines = lines.lines();
    c.facts = t.facts;
    c.facts["interval"] = interval_.text();
    t.method.store_facts(c.facts);
    if (test_due_) c.facts[kTestDue] = "due";
    t.run.checkpoints().save(c);
  }

  Training& t;
  const LoopKeys& keys_;
  int64_t per_epoch_;
  Schedule schedule_;
  Graph graph_;
  Tensor loss_, squares_;  // of the last step: the loss, the sum of the gradient's squares
  int64_t step_ = 0, metrics_lines_ = 0;
  double rate_ = 0;
  bool test_due_ = false;  // the test split has not been looked at after this step
  Interval interval_;
  LoopResult result_;
};

}  // namespace

LoopResult run_loop(Training& t, const LoopKeys& keys) { return Loop(t, keys).run(); }

}  // namespace autodidact
