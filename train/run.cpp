#include "train/run.h"
#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include "engine/durable_file.h"
#include "models/mae.h"
#include "train/classification.h"
#include "train/data/names.h"
#include "train/data/splits.h"
#include "train/layer_decay.h"
#include "train/metrics.h"

namespace autodidact {
namespace {

Dtype dtype_of_name(const std::string& name) { return name == "bf16" ? Dtype::bf16 : Dtype::f32; }

std::vector<std::string> outputs_of(const std::string& text) {
  auto list = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> outputs;
  if (list.is_array()) {
    for (auto& name : list)
      if (name.is_string()) outputs.push_back(name.get<std::string>());
    return outputs;
  }
  std::istringstream lines(text);  // the first checkpoints had a line each
  for (std::string line; std::getline(lines, line);) outputs.push_back(line);
  return outputs;
}

const std::string& fact(const Checkpoint& checkpoint, const char* name, const std::string& file) {
  auto found = checkpoint.facts.find(name);
  if (found == checkpoint.facts.end())
    fail(ErrorKind::checkpoint, file, ": not a checkpoint of a run (it has no ", name, ")");
  return found->second;
}

int count_of(const Checkpoint& checkpoint, const char* name, const char* what,
             const std::string& file) {
  const std::string& text = fact(checkpoint, name, file);
  int count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1)
    fail(ErrorKind::checkpoint, file, ": its ", name, " must be a number of ", what, ", got ",
         text);
  return count;
}

// Of a recipe that has not been read: keys are read once.
std::string init_of(Recipe recipe) {
  RunKeys keys;
  recipe.read(keys);
  return keys.init;
}

// Of a run the newest sound one; a damaged one is named. path becomes the file's.
Checkpoint checkpoint_at(std::string& path, Checkpoint (*read)(const std::string&)) {
  return read_sound_checkpoint(path, read, [](const std::string& m) { Progress().warn(m); });
}

// The keys that say what network it is, as lines of TOML.
std::string network_of(Recipe recipe) {
  ModelKeys keys;
  recipe.read(keys);
  return recipe.resolved();
}

// bad_files.txt: every damaged picture that any process of this run met, written as it is found.
class BadFileList {
 public:
  BadFileList(std::string path) : path_(std::move(path)) {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) known_.insert(line);
  }
  void add(const BadFile& bad) {
    if (!known_.insert(bad.reason).second) return;
    std::ofstream file(path_, std::ios::app);
    if (!(file << bad.reason << '\n' << std::flush))
      fail(ErrorKind::failure, path_, ": cannot be written");
  }
  size_t size() const { return known_.size(); }

 private:
  std::string path_;
  std::set<std::string> known_;
};

// Positions of another grid than the network's, in a file, become those of its own.
void fit_positions(const std::vector<NamedTensor>& network, TensorFile& file, std::string& notes) {
  for (const NamedTensor& t : network) {
    auto found = file.tensors.find(t.name);
    if (!t.name.ends_with("pos_embed") || found == file.tensors.end()) continue;
    const Shape from = found->second.shape, to = t.tensor->shape;
    if (from == to || from.rank() != 3 || from[2] != to[2]) continue;
    found->second = interpolated_positions(found->second, to[1]);
    std::ostringstream line;
    line << t.name << ": interpolated from " << from[1] << " to " << to[1] << " positions\n";
    notes += line.str();
  }
}

// Everything a run is made of, in the order in which it depends on itself.
struct Assembly {
  Recipe recipe;
  RunKeys keys;
  LoopKeys loop;
  RunData data;
  std::unique_ptr<Method> method;
  Parameters parameters;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Loader> loader;
  std::string method_name;

  // folder: for working memory on a disk. last: the weights will be this checkpoint's, and `init`
  // need not be there any more.
  Assembly(const RunRequest& request, const std::string& folder, const Checkpoint* last = nullptr,
           const std::function<void(const BadFile&)>& found = {})
      : recipe(request.recipe), method_name(request.method) {
    check_method_name(method_name);  // before the data is opened
    std::string taken;
    std::optional<Checkpoint> start;
    const std::string init = init_of(recipe);
    std::string file = init.empty() || last ? request.out : init;
    if (!init.empty()) {
      if (!last) start = checkpoint_at(file, read_start);
      // Another program's weights do not say what they are of: the recipe has to.
      if (const Checkpoint& c = last ? *last : *start; !c.facts.empty())
        taken = take_network(recipe, Recipe::parse(fact(c, "recipe", file), file),
                             count_of(c, "side", "pixels", file));
    }
    recipe.read(keys);
    recipe.read(loop);
    loop.refuse_contradictions();
    data = request.data.train ? request.data : open_run_data(keys);
    if (!taken.empty() && !last)
      data.notes = "taken from " + file + ": " + taken + "\n" + data.notes;
    method = make_method(request.method, recipe,
                         {.side = data.side,
                          .classes = data.train->classes(),
                          .seed = uint64_t(keys.seed),
                          .samples = data.train->size(),
                          .train = data.train,
                          .bad_cap = keys.bad_cap,
                          .folder = folder},
                         dtype_of_name(keys.dtype));
    recipe.check_all_known();
    if (method->uses_labels()) {
      data.train = labelled(data.train, data.notes);
      if (data.test) data.test = labelled(data.test, data.notes);
    }
    move_to(*method, request.device);
    parameters = Parameters(*method, dtype_of_name(keys.dtype));
    if (start) load_encoder(*start, file);
    if (keys.freeze == "encoder") {
      parameters.freeze();
      for (const std::string& head : method->heads()) parameters.thaw(head);
    }
    optimizer =
        std::make_unique<Optimizer>(parameters, loop.optimizer_options(),
                                    layer_scales(method->encoder(), parameters, loop.layer_decay));
    if (loop.batch_size > data.train->size())
      fail(ErrorKind::usage, "train: batch_size must be at most the ", data.train->size(),
           " training pictures, got ", loop.batch_size);
    LoaderOptions options{.batch = int(loop.batch_size), .side = data.side};
    options.seed = uint64_t(keys.seed), options.bad_cap = keys.bad_cap, options.found = found;
    loader = std::make_unique<Loader>(data.train, options);
  }

  LoaderOptions test_options(const std::function<void(const BadFile&)>& found) const {
    LoaderOptions options{
        .side = data.side, .shuffle = false, .drop_last = false, .replace_damaged = false};
    options.bad_cap = keys.bad_cap, options.found = found;
    return options;
  }

  // Every tensor of the encoder, and nothing of either method's heads. Another pooling than the
  // file's has its norm afresh.
  void load_encoder(Checkpoint& start, const std::string& path) {
    std::vector<std::string> heads = method->heads(), others = kDecoderModules;
    others.insert(others.end(), heads.begin(), heads.end());
    others.insert(others.end(), {method->encoder().head_name(), "norm", "fc_norm"});
    std::set<std::string> of_encoder;
    for (const NamedTensor& t : named_tensors(method->encoder())) of_encoder.insert(t.name);
    std::erase_if(start.file.tensors, [&](const auto& named) {
      return !of_encoder.count(named.first) &&
             std::any_of(others.begin(), others.end(), [&](const std::string& module) {
               return named.first == module || named.first.rfind(module + ".", 0) == 0;
             });
    });
    heads.insert(heads.end(), {"norm", "fc_norm", "method"});
    fit_positions(named_tensors(method->encoder()), start.file, data.notes);
    try {
      // `head`: the self-supervised branch of a Y network; `method`: what a method keeps
      load_strict(*method, start.file,
                  {.may_be_missing = heads, .may_be_extra = {"optimizer", "method", "head"}}, path,
                  &parameters);
    } catch (const Error& e) {
      if (e.kind != ErrorKind::checkpoint) throw;
      const std::string ours = network_of(Recipe::parse(recipe.resolved(), "recipe"));
      fail(e.kind, e.what(), "\nThe recipe names another network",
           start.facts.empty()
               ? "; its keys:\n" + ours
               : ":\n" + recipe_differences(
                             network_of(Recipe::parse(fact(start, "recipe", path), path)), ours));
    }
  }

  std::map<std::string, std::string> facts() const {
    std::ostringstream manifest;
    manifest << std::hex << data.train->manifest();
    return {{"method", method_name},
            {"recipe", recipe.resolved()},
            {"data", manifest.str()},
            {"outputs", outputs_fact(method->outputs())},
            {"samples", std::to_string(data.train->size())},
            {"side", std::to_string(data.side)}};
  }
};

}  // namespace

void RunKeys::visit(Keys& k) {
  k("data", data,
    "source: world, cifar10:DIR, shards:DIR or shards:PATTERN, an image folder, x.npy,y.npy");
  k("image_size", image_size, "pixels a side; 0: the data's own", 0, 1024);
  k("train_size", train_size, "pictures the world draws for training; 0: its own number", 0,
    100000000);
  k("test_size", test_size, "pictures the world draws for testing; 0: its own number", 0,
    100000000);
  k("labels_per_class", labels_per_class, "train on so many pictures a class; 0: all", 0,
    100000000);
  k("pictures", pictures,
    "what was trained and tested on where a command gave it (evaluate's fine-tuning); not for "
    "train");
  k("init", init, "checkpoint or run whose encoder training starts from");
  k("bad_cap", bad_cap,
    "damaged pictures that are replaced by others, as a part of the split; more end the run", 0.0,
    1.0);
  k("freeze", freeze, "what keeps its values", {"none", "encoder"});
  k("dtype", dtype, "of activations and weights; sums and master weights are f32", {"f32", "bf16"});
  k("seed", seed, "of initial weights, order and augmentation", 0, int64_t(1) << 62);
}

std::string take_network(Recipe& recipe, const Recipe& from, int side) {
  std::vector<std::string> taken = recipe.take(ModelKeys(), from);
  for (std::string& key : recipe.take(AugmentationKeys(), from)) taken.push_back(std::move(key));
  if (!recipe.has("image_size")) {
    recipe.set("image_size", int64_t(side));
    taken.push_back("image_size = " + std::to_string(side));
  }
  std::string text;
  for (const std::string& key : taken) text += (text.empty() ? "" : ", ") + key;
  return text;
}

RunData open_run_data(const RunKeys& keys) {
  if (!keys.pictures.empty())
    fail(ErrorKind::usage, "train: this run was given its pictures (", keys.pictures,
         "); `train` cannot choose the same ones: repeat the command that made it");
  const bool drawn = keys.data == "world" || keys.data.rfind("world:", 0) == 0;
  for (auto [key, size] : {std::pair("train_size", keys.train_size), {"test_size", keys.test_size}})
    if (size && !drawn)
      fail(ErrorKind::usage, "train: ", key,
           " is for the built-in world, which draws its pictures; ", printable(keys.data),
           " has the ones it has");
  SourceOptions options{.side = int(keys.image_size), .size = keys.train_size};
  RunData data;
  data.train = open_training_split(keys.data, options);
  data.side = keys.image_size ? int(keys.image_size) : data.train->side();
  if (data.side == 0)
    fail(ErrorKind::usage, "train: the pictures of ", keys.data,
         " may differ in size: set image_size");
  if (keys.labels_per_class)
    data.train = few_labels(data.train, keys.labels_per_class, uint64_t(keys.seed));
  data.train = held_in_memory(data.train, data.side);
  options.size = keys.test_size;
  data.test = open_test_split(keys.data, options, data.notes);
  if (data.test) data.test = held_in_memory(data.test, data.side);
  else data.notes += "no test split: no accuracy on unseen pictures will be measured\n";
  return data;
}

RunResult train_run(const RunRequest& request, Progress& progress) {
  RunDirectory run(request.out, request.existing);  // first: a refusal costs nothing
  std::optional<Checkpoint> last;
  if (run.resumes())
    last = run.checkpoints().load_last([&](const std::string& m) { progress.warn(m); });
  if (last)
    if (const std::string& was = fact(*last, "method", request.out); was != request.method)
      fail(ErrorKind::usage, request.out, ": is a run of ", was, ", not of ", request.method,
           "; resume it with `train ", was, "`");
  std::optional<BadFileList> bad;  // there before the first batch is taken
  auto found = [&](const BadFile& b) { bad->add(b); };
  Assembly a(request, request.out, last ? &*last : nullptr, found);
  if (last) last->facts["recipe"] = a.recipe.completed(fact(*last, "recipe", request.out));
  a.method->begin({a.parameters, *a.optimizer, a.loop.batch_size,
                   [&](const std::string& message) { progress.say(message); }});
  run.remove_overwritten();
  bad.emplace(run.file("bad_files.txt"));
  progress.log_to(run.file("log.txt"));
  // A run that goes on keeps it: the loop refuses other settings. One that was stopped before its
  // first checkpoint begins anew, perhaps with others.
  if (!last) run.write("config.toml", a.recipe.resolved());
  run.write_environment();
  progress.say(a.data.train->describe());
  for (auto& note : a.data.train->notes()) progress.say("left out: " + note);
  if (!a.data.notes.empty()) progress.say(a.data.notes.substr(0, a.data.notes.size() - 1));
  progress.say(std::to_string(a.parameters.count()) + " parameters");
  Training training{.method = *a.method,
                    .parameters = a.parameters,
                    .optimizer = *a.optimizer,
                    .loader = *a.loader,
                    .test = a.data.test,
                    .test_options = a.test_options(found),
                    .run = run,
                    .progress = progress,
                    .last = last ? &*last : nullptr,
                    .encoder_frozen = a.keys.freeze == "encoder",
                    .facts = a.facts(),
                    .graph_file = request.graph_file,
                    .replay = request.replay};
  RunResult result{run_loop(training, a.loop), false, a.keys.seed, a.recipe.resolved()};
  LoopResult& loop = result.loop;
  if (last && loop.steps == last->step && loop.last.empty() && !loop.signal) {
    result.was_finished = true;
    loop.last = last_metrics(run.file("metrics.jsonl"));
  }
  if (bad->size())
    progress.warn(std::to_string(bad->size()) +
                  " damaged pictures, replaced in training and left out in testing: " +
                  run.file("bad_files.txt"));
  return result;
}

// What exists of the way to `path`.
static std::string nearest_folder(const std::string& path) {
  std::error_code none;
  std::filesystem::path folder = std::filesystem::absolute(path);
  while (!std::filesystem::is_directory(folder, none)) folder = folder.parent_path();
  return folder.string();
}

DryRun dry_run(const RunRequest& request) {
  Assembly a(request, nearest_folder(request.out));
  DryRun d;
  d.refusal = RunDirectory::refusal(request.out, request.existing);
  auto described = [](const Dataset& data, const char* what) {
    return std::string(what) + ": " + std::to_string(data.size()) + " pictures of " +
           data.describe() +
           (data.classes().empty() ? ", no labels\n"
                                   : ", " + std::to_string(data.classes().size()) + " classes\n");
  };
  d.training_pictures = a.data.train->size(), d.classes = int64_t(a.data.train->classes().size());
  d.data = described(*a.data.train, "training");
  if (a.data.test) {
    d.test_pictures = a.data.test->size();
    d.data += described(*a.data.test, "test");
  }
  d.data += a.data.notes;
  d.parameters = a.parameters.count();
  d.steps = a.loader->batches_per_epoch() * a.loop.epochs;
  d.resolved = a.recipe.resolved(), d.seed = a.keys.seed;
  a.method->begin({a.parameters, *a.optimizer, a.loop.batch_size, [](const std::string&) {}});
  constexpr int kWarm = 1, kTimed = 4;
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kWarm + kTimed; ++i) {
    if (i == kWarm) begin = std::chrono::steady_clock::now();
    Metrics m;
    Tensor loss = a.method->loss(a.loader->next(), m);
    if (i == 0 && !request.graph_file.empty()) write_durably(request.graph_file, tape_dot(loss));
    if (loss.node) backward(loss);
    a.optimizer->update(0);
    synchronize(request.device);
  }
  double step =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / kTimed;
  d.seconds_per_epoch = step * double(a.loader->batches_per_epoch());
  d.peak_bytes = memory_peak(request.device);
  return d;
}

// Class names may hold anything, line ends too. What is not UTF-8 is replaced: a checkpoint's
// header is UTF-8.
std::string outputs_fact(const std::vector<std::string>& names) {
  return nlohmann::json(names).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

static DataFacts facts_of(const LoadedMethod& loaded, std::vector<std::string> outputs,
                          bool draws) {
  DataFacts facts{loaded.side, std::move(outputs), uint64_t(loaded.seed), loaded.samples};
  facts.draws = draws;
  return facts;
}

static LoadedMethod load(const std::string& path, bool untrained, int64_t seed, Device device,
                         int side_wanted) {
  LoadedMethod loaded;
  std::string file = path;
  loaded.checkpoint = checkpoint_at(file, read_checkpoint);
  loaded.name = fact(loaded.checkpoint, "method", file);
  loaded.side = count_of(loaded.checkpoint, "side", "pixels", file);
  if (loaded.checkpoint.facts.count("samples"))
    loaded.samples = count_of(loaded.checkpoint, "samples", "pictures", file);
  loaded.untrained = untrained;
  const int side_then = loaded.side;
  if (side_wanted) loaded.side = side_wanted;
  try {
    loaded.recipe = Recipe::parse(fact(loaded.checkpoint, "recipe", file), file);
    loaded.recipe.read(loaded.keys);
    loaded.seed = seed >= 0 ? seed : loaded.keys.seed;
    const auto outputs = outputs_of(fact(loaded.checkpoint, "outputs", file));
    loaded.method =
        make_method(loaded.name, loaded.recipe, facts_of(loaded, outputs, untrained), Dtype::f32);
  } catch (const Error& e) {
    if (e.kind != ErrorKind::usage || loaded.side != side_then) throw;
    fail(ErrorKind::checkpoint, file, ": what it says of its network is unsound: ", e.what());
  }
  if (!untrained) {
    fit_positions(named_tensors(*loaded.method), loaded.checkpoint.file, loaded.notes);
    load_strict(*loaded.method, loaded.checkpoint.file, {.may_be_extra = {"optimizer"}}, file);
  }
  move_to(*loaded.method, device);
  return loaded;
}

LoadedMethod load_method(const std::string& path, Device device, int side) {
  return load(path, false, -1, device, side);
}
std::unique_ptr<Method> copy_of(const LoadedMethod& loaded) {
  Recipe recipe = Recipe::parse(loaded.checkpoint.facts.at("recipe"), loaded.name);
  auto method = make_method(loaded.name, recipe, facts_of(loaded, loaded.method->outputs(), false),
                            Dtype::f32);
  move_to(*method, loaded.method->device());
  const auto from = named_tensors(*loaded.method), to = named_tensors(*method);
  for (size_t i = 0; i < to.size(); ++i) copy(*to[i].tensor, *from[i].tensor);
  return method;
}
LoadedMethod load_untrained(const std::string& path, int64_t seed, Device device) {
  return load(path, true, seed, device, 0);
}

}  // namespace autodidact
