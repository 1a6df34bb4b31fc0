#include "ttt/adapt_keys.h"
#include <fmt/format.h>

namespace autodidact {
namespace {

AdaptOptions turning(const AdaptKeys& k, Keep keep) {
  AdaptOptions o;
  o.keep = keep, o.steps = int(k.steps), o.learning_rate = k.learning_rate;
  o.copies = int(k.copies), o.threshold = k.threshold, o.seed = uint64_t(k.seed);
  o.rotation = k.rotations == "all" ? Rotation::all : Rotation::random;
  o.random_labels = k.turn_labels == "random";
  o.part = k.part == "all"      ? AdaptedPart::all
           : k.part == "shared" ? AdaptedPart::shared
                                : AdaptedPart::norms;
  o.rails = {.most_norm = k.most_norm,
             .stop_rising = k.stop_rising,
             .anchor = k.anchor,
             .reset_every = k.reset_every,
             .alarm_window = int(k.alarm_window)};
  return o;
}

std::string steps_of(const AdaptKeys& k, const char* optimizer) {
  return fmt::format("{} step{} of {}, rate {}", k.steps, k.steps == 1 ? "" : "s", optimizer,
                     k.learning_rate);
}

std::string turning_protocol(const AdaptKeys& k) {
  std::string text =
      fmt::format("{}, on {} copies ({}) of each picture, {} arriving at a time; parameters: {}",
                  steps_of(k, "SGD"), k.copies, k.rotations == "all" ? "all turns" : "random turns",
                  k.batch, k.part);
  text += k.mode == "standard" ? "; weights restored before every batch"
                               : "; weights kept, restored before every stream";
  if (k.turn_labels == "random") text += "; control: the turns' labels are random";
  if (k.threshold < 1)
    text += fmt::format("; learned from where upright has less than {}", k.threshold);
  if (k.most_norm > 0) text += fmt::format("; gradients of norm {} at most", k.most_norm);
  if (k.stop_rising) text += "; stops where the loss rises";
  if (k.anchor > 0)
    text += fmt::format("; {} of the way back to the snapshot after a batch", k.anchor);
  if (k.reset_every > 0) text += fmt::format("; reset every {} batches", k.reset_every);
  if (k.alarm_window > 0)
    text += fmt::format("; reset where the snapshot was better over {} batches", k.alarm_window);
  return text;
}

std::string norm_protocol(const AdaptKeys& k) {
  std::string text;
  if (k.method == "bn")
    text = fmt::format(
        "nothing is learned; BatchNorm statistics of the {} arriving, those before "
        "counting as {} pictures",
        k.batch, k.prior);
  else
    text = fmt::format(
        "{}, on {}; parameters: scales and shifts of BatchNorm; statistics of the "
        "{} arriving",
        steps_of(k, "Adam"),
        k.method == "tent" ? "the entropy of the answers"
                           : fmt::format("own answers of at least {}", k.confidence),
        k.batch);
  const char* what = k.method == "bn" ? "statistics" : "weights";
  return text + (k.mode == "standard"
                     ? fmt::format("; {} restored before every batch", what)
                     : fmt::format("; {} kept, restored before every stream", what));
}

}  // namespace

void AdaptKeys::visit(Keys& k) {
  k("data", data, "source of labelled pictures; empty: the run's test split");
  k("corruption", corruption, "none, NAME[:SEVERITY], all, extra, or a list of these with commas");
  k("frost", frost, "folder of frost textures; empty: procedural ones");
  k("gradual", gradual, "the severity grows from 1 along the stream");
  k("in_turn", in_turn,
    "the corruptions follow one another in one stream, each with all of its pictures");
  k("method", method,
    "ttt: the self-supervised task; of BatchNorm, bn: statistics alone, tent: entropy, "
    "pseudo_label",
    {"ttt", "bn", "tent", "pseudo_label"});
  k("mode", mode, "none; standard: all restored after each batch; online: kept",
    {"none", "standard", "online"});
  k("steps", steps, "a batch, of SGD (ttt) or Adam", 1, 10000);
  k("learning_rate", learning_rate, "of these steps", 0.0, 1000.0);
  k("copies", copies, "of each picture a step", 1, 4096);
  k("rotations", rotations, "of the copies: random, or all four turns of a quarter as many crops",
    {"random", "all"});
  k("turn_labels", turn_labels, "of the copies; random: a control, which must not help",
    {"own", "random"});
  k("part", part, "what learns: all (shared blocks and self-supervised branch), shared, norms",
    {"all", "shared", "norms"});
  k("gradients", gradients,
    "also measure by how much the two losses' gradients agree, beside the gain");
  k("threshold", threshold, "learn from a picture where upright has less probability; 1: always",
    0.0, 1.0);
  k("prior", prior, "of bn: how many pictures the statistics before count as; 0: the batch's alone",
    0.0, 1e9);
  k("confidence", confidence, "of pseudo_label: learn from answers of at least this probability",
    0.0, 1.0);
  k("most_norm", most_norm, "of a step's gradient, longer ones are shortened to it; 0: any", 0.0,
    1e30);
  k("stop_rising", stop_rising, "a batch's steps end where its loss rises");
  k("anchor", anchor, "part of the way back to the snapshot after every batch", 0.0, 1.0);
  k("reset_every", reset_every, "batches between returns to the snapshot; 0: none", 0,
    int64_t(1) << 40);
  k("alarm_window", alarm_window,
    "batches; reset where over them the snapshot had the lower self-supervised loss; 0: no alarm",
    0, 100000);
  k("batch", batch, "pictures that arrive at a time", 1, 65536);
  k("samples", samples, "pictures of the stream, chosen by the seed; 0: all", 0, 100000000);
  k("order", order, "of the stream", {"shuffled", "in_order", "by_label"});
  k("seed", seed, "of the choice of pictures, the corruptions and the copies", 0, int64_t(1) << 62);
  k("weights", weights, "hash of the network");
}

void AdaptKeys::refuse_idle(const Recipe& given) const {
  const bool adapts = mode != "none", turns = adapts && method == "ttt",
             learns = adapts && method != "bn";
  auto used = [&](bool some, std::initializer_list<const char*> keys) {
    for (const char* key : keys)
      if (!some && given.has(key))
        fail(ErrorKind::usage, "adapt: ", key, " does nothing in mode ", mode,
             adapts && method != "ttt" ? " of method " + method : "");
  };
  used(adapts, {"method", "batch"});
  used(learns, {"steps", "learning_rate"});
  used(turns, {"gradients", "copies", "rotations", "turn_labels", "part", "threshold", "most_norm",
               "stop_rising"});
  used(turns && mode == "online", {"anchor", "reset_every", "alarm_window"});
  used(adapts && method == "bn", {"prior"});
  used(adapts && method == "pseudo_label", {"confidence"});
}

std::unique_ptr<TestTimeLearner> AdaptKeys::learner(Method& network) const {
  const Keep keep = mode == "online" ? Keep::online : Keep::standard;
  if (method == "ttt") return std::make_unique<Adapter>(network, turning(*this, keep));
  const NormObjective objective = method == "bn"     ? NormObjective::statistics
                                  : method == "tent" ? NormObjective::entropy
                                                     : NormObjective::pseudo_label;
  return std::make_unique<BatchNormAdapter>(network,
                                            BatchNormOptions{.keep = keep,
                                                             .objective = objective,
                                                             .prior = prior,
                                                             .steps = int(steps),
                                                             .learning_rate = learning_rate,
                                                             .confidence = confidence});
}

std::string AdaptKeys::protocol() const {
  return fmt::format("{}, {}: {}", method, mode,
                     method == "ttt" ? turning_protocol(*this) : norm_protocol(*this));
}

}  // namespace autodidact
