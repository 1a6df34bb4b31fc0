#include "train/run.h"
#include <chrono>
#include <sstream>

namespace autodidact {
namespace {

constexpr int64_t kInMemory =
    int64_t(2) << 30;  // bytes of pictures: beyond it they are decoded as they are needed
constexpr const char* kSeparator = "\n";

Dtype dtype_of_name(const std::string& name) { return name == "bf16" ? Dtype::bf16 : Dtype::f32; }

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (auto& p : parts) text += (text.empty() ? "" : kSeparator) + p;
  return text;
}

DatasetPtr hold(const DatasetPtr& data, int side) {
  return data->size() * side * side * 3 <= kInMemory ? in_memory(data, side) : data;
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

  explicit Assembly(const RunRequest& request)
      : recipe(request.recipe), method_name(request.method) {
    recipe.read(keys);
    recipe.read(loop);
    data = open_run_data(keys);
    method =
        make_method(request.method, recipe, {data.side, data.train->classes(), uint64_t(keys.seed)},
                    dtype_of_name(keys.dtype));
    recipe.check_all_known();
    move_to(*method, request.device);
    parameters = Parameters(*method, dtype_of_name(keys.dtype));
    if (!keys.init.empty()) load_encoder();
    if (keys.freeze == "encoder") {
      parameters.freeze();
      parameters.thaw(method->head());
    }
    optimizer = std::make_unique<Optimizer>(parameters, loop.optimizer_options());
    LoaderOptions options;
    options.batch = int(std::min<int64_t>(loop.batch_size, data.train->size()));
    options.side = data.side, options.seed = uint64_t(keys.seed);
    options.threads = data.train->pixels(0) ? 0 : 2;  // what lies in memory is only gathered
    loader = std::make_unique<Loader>(data.train, options);
  }

  // Every tensor of the encoder, and nothing of either head.
  void load_encoder() {
    std::string path = find_checkpoint(keys.init);
    TensorFile file = read_weights(path);
    std::erase_if(file.tensors, [head = method->head() + "."](const auto& named) {
      return named.first.rfind(head, 0) == 0;
    });
    load_strict(*method, file, {.may_be_missing = {method->head()}, .may_be_extra = {"optimizer"}},
                path, &parameters);
  }

  std::map<std::string, std::string> facts() const {
    std::ostringstream manifest;
    manifest << std::hex << data.train->manifest();
    return {{"method", method_name},
            {"recipe", recipe.resolved()},
            {"data", manifest.str()},
            {"outputs", join(method->outputs())},
            {"side", std::to_string(data.side)}};
  }
};

}  // namespace

void RunKeys::visit(Keys& k) {
  k("data", data, "source: world, cifar10:DIR, an image folder, x.npy,y.npy");
  k("image_size", image_size, "pixels a side; 0: the data's own", 0, 1024);
  k("train_size", train_size, "pictures the world draws for training; 0: its own number", 0,
    100000000);
  k("test_size", test_size, "pictures the world draws for testing; 0: its own number", 0,
    100000000);
  k("labels_per_class", labels_per_class, "train on so many pictures a class; 0: all", 0,
    100000000);
  k("init", init, "checkpoint or run whose encoder training starts from");
  k("freeze", freeze, "what keeps its values", {"none", "encoder"});
  k("dtype", dtype, "of activations and weights; sums and master weights are f32", {"f32", "bf16"});
  k("seed", seed, "of initial weights, order and augmentation", 0, int64_t(1) << 62);
}

RunData open_run_data(const RunKeys& keys) {
  SourceOptions options{.split = "train", .side = int(keys.image_size), .size = keys.train_size};
  RunData data;
  data.train = open_dataset(keys.data, options);
  data.side = keys.image_size ? int(keys.image_size) : data.train->side();
  if (data.side == 0)
    fail(ErrorKind::usage, "train: the pictures of ", keys.data, " differ in size: set image_size");
  if (keys.labels_per_class)
    data.train = few_labels(data.train, keys.labels_per_class, uint64_t(keys.seed));
  data.train = hold(data.train, data.side);
  if (has_split(keys.data, "test")) {
    options.split = "test", options.size = keys.test_size;
    data.test = hold(open_dataset(keys.data, options), data.side);
  }
  return data;
}

RunResult train_run(const RunRequest& request, Progress& progress) {
  RunDirectory run(request.out, request.existing);  // first: a refusal costs nothing
  Assembly a(request);
  progress.log_to(run.file("log.txt"));
  // A resumed run has it, and keeps it: the loop refuses other settings.
  if (!run.resumes()) run.write("config.toml", a.recipe.resolved());
  run.write_environment();
  progress.say(a.data.train->describe());
  progress.say(std::to_string(a.parameters.count()) + " parameters");
  Training training{*a.method,     a.parameters,
                    *a.optimizer,  *a.loader,
                    a.data.test,   run,
                    progress,      a.keys.freeze == "encoder",
                    a.facts(),     request.graph_file,
                    request.replay};
  RunResult result{run_loop(training, a.loop), a.keys.seed, a.recipe.resolved()};
  std::string bad;
  for (const BadFile& b : a.loader->bad_files()) bad += b.reason + "\n";
  if (!bad.empty()) {
    run.write("bad_files.txt", bad);
    progress.warn(std::to_string(a.loader->bad_files().size()) +
                  " damaged pictures were replaced: " + run.file("bad_files.txt"));
  }
  return result;
}

DryRun dry_run(const RunRequest& request) {
  Assembly a(request);
  DryRun d;
  d.data = a.data.train->describe() + "\n";
  if (a.data.test) d.data += a.data.test->describe() + "\n";
  d.parameters = a.parameters.count();
  d.steps = a.loader->batches_per_epoch() * a.loop.epochs;
  d.resolved = a.recipe.resolved();
  constexpr int kWarm = 1, kTimed = 4;
  auto begin = std::chrono::steady_clock::now();
  NetworkInput in;
  for (int i = 0; i < kWarm + kTimed; ++i) {
    if (i == kWarm) begin = std::chrono::steady_clock::now();
    a.method->prepare(in, a.loader->next());
    backward(a.method->loss(in));
    a.optimizer->update(0);
    synchronize(request.device);
  }
  double step =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / kTimed;
  d.seconds_per_epoch = step * double(a.loader->batches_per_epoch());
  d.peak_bytes = memory_peak(request.device);
  return d;
}

LoadedMethod load_method(const std::string& path, Device device, bool untrained) {
  LoadedMethod loaded;
  loaded.device = device;
  std::string file = find_checkpoint(path);
  loaded.checkpoint = read_checkpoint(file);
  auto fact = [&](const char* name) {
    auto found = loaded.checkpoint.facts.find(name);
    if (found == loaded.checkpoint.facts.end())
      fail(ErrorKind::checkpoint, file, ": not a checkpoint of a run (it has no ", name, ")");
    return found->second;
  };
  loaded.name = fact("method");
  loaded.recipe = Recipe::parse(fact("recipe"), file);
  loaded.side = std::stoi(fact("side"));
  std::istringstream outputs(fact("outputs"));
  RunKeys keys;
  loaded.recipe.read(keys);
  DataFacts data{loaded.side, {}, uint64_t(keys.seed)};
  for (std::string line; std::getline(outputs, line);) data.classes.push_back(line);
  loaded.method = make_method(loaded.name, loaded.recipe, data, Dtype::f32);
  if (!untrained)
    load_strict(*loaded.method, loaded.checkpoint.file, {.may_be_extra = {"optimizer"}}, file);
  move_to(*loaded.method, device);
  return loaded;
}

}  // namespace autodidact
