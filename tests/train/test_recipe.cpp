// Recipes: order of precedence, and what is refused with which words.
#include <doctest/doctest.h>
#include <algorithm>
#include <clocale>
#include <map>
#include <sstream>
#include "engine/durable_file.h"
#include "tests/temporary_folder.h"
#include "train/recipe.h"
#include "train/run.h"

using namespace autodidact;

namespace {

struct Options {
  int64_t epochs = 10;
  double learning_rate = 0.1;
  bool flip = true;
  std::string model = "nin", data = "world";
  std::vector<int64_t> milestones;
  void visit(Keys& k) {
    k("epochs", epochs, "passes", 1, 100);
    k("learning_rate", learning_rate, "of the first step", 0, 10);
    k("flip", flip, "mirror");
    k("model", model, "network", {"nin", "resnet18"});
    k("data", data, "source");
    k("milestones", milestones, "epochs");
  }
};

Options read(Recipe& recipe) {
  Options o;
  recipe.read(o);
  recipe.check_all_known();
  return o;
}

std::string refusal(const std::string& toml) {
  try {
    Recipe recipe = Recipe::parse(toml, "mine.toml");
    read(recipe);
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::usage);
    return e.what();
  }
  return "";
}

std::string refusal_of_set(const std::string& assignment) {
  try {
    Recipe recipe;
    recipe.set(assignment);
    read(recipe);
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::usage);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("recipe: --set over the recipe over the defaults") {
  Recipe recipe = Recipe::parse("epochs = 20\nlearning_rate = 1\nmilestones = [3, 5]\n", "r");
  recipe.set("epochs=30");
  recipe.set("flip=false");
  recipe.set("data=cifar10:some dir/x.bin");
  Options o = read(recipe);
  CHECK(o.epochs == 30);
  CHECK(o.learning_rate == 1.0);
  CHECK(!o.flip);
  CHECK(o.model == "nin");
  CHECK(o.data == "cifar10:some dir/x.bin");
  CHECK(o.milestones == std::vector<int64_t>{3, 5});
}

TEST_CASE("recipe: a text key takes any value as it stands") {
  for (const char* value : {"7", "1.5", "true", "[1]", "2024-01-01", "a=b", "x\ny = 3", "{a = 1}",
                            "nan", "\\", "'", "\"\"\""}) {
    Recipe recipe;
    recipe.set(std::string("data=") + value);
    CHECK(read(recipe).data == value);
  }
  Recipe recipe;
  recipe.set("data=\"quoted # text\"");
  CHECK(read(recipe).data == "quoted # text");
}

TEST_CASE("recipe: what was resolved reads back the same, in any locale") {
  for (const char* locale : {"C", "de_DE.UTF-8"}) {
    std::setlocale(LC_ALL, locale);
    Recipe recipe = Recipe::parse("learning_rate = 0.30000000000000004\nmilestones = [1]\n", "r");
    recipe.set("data", std::string("a \"b\" # \\ \t \n ünï"));
    Options first = read(recipe);
    Recipe again = Recipe::parse(recipe.resolved(), "config.toml");
    Options second = read(again);
    CHECK(first.learning_rate == second.learning_rate);
    CHECK(first.data == second.data);
    CHECK(first.milestones == second.milestones);
    CHECK(recipe.resolved() == again.resolved());
    CHECK(recipe_differences(recipe.resolved(), again.resolved()) == "");
  }
  std::setlocale(LC_ALL, "C");
}

TEST_CASE("recipe: differences are named key by key") {
  CHECK(recipe_differences("a = 1\nb = \"x\"\nc = 0.1\n", "a = 2\nb = \"x\"\nd = [1, 2]\n") ==
        "a: 1 then, 2 now\nc: 0.1 then, none now\nd: none then, [1, 2] now\n");
}

TEST_CASE("recipe: one of an earlier program is read with this one's initial values") {
  Recipe recipe = Recipe::parse("learning_rate = 0.3\n", "r");
  read(recipe);
  std::string earlier = "learning_rate = 0.3\n";
  CHECK(recipe_differences(recipe.completed(earlier), recipe.resolved()) == "");
  earlier = "learning_rate = 0.2\n";
  CHECK(recipe_differences(recipe.completed(earlier), recipe.resolved()) ==
        "learning_rate: 0.2 then, 0.3 now\n");
  CHECK(recipe.completed("no recipe") == "no recipe");
}

TEST_CASE("recipe: errors name the key, what was given and what is near") {
  struct Case {
    std::string toml;
    const char* reason;
  };
  const Case cases[] = {
      {"learning_rte = 0.1", "unknown key learning_rte; did you mean learning_rate?"},
      {"zzzzzzzzzzz = 1", "unknown key zzzzzzzzzzz"},
      {"epochs = 0", "epochs must be from 1 to 100, got 0"},
      {"epochs = 101", "epochs must be from 1 to 100, got 101"},
      {"epochs = 1.5", "epochs must be an integer"},
      {"epochs = \"3\"", "epochs must be an integer"},
      {"epochs = 99999999999999999999", "mine.toml, line 1"},
      {"learning_rate = nan", "learning_rate must be from 0 to 10"},
      {"learning_rate = -inf", "learning_rate must be from 0 to 10"},
      {"learning_rate = -0.1", "learning_rate must be from 0 to 10, got -0.1"},
      {"learning_rate = true", "learning_rate must be a number"},
      {"flip = 1", "flip must be true or false"},
      {"model = \"resnet\"", "model must be one of nin, resnet18, got resnet"},
      {"data = 3", "data must be a text"},
      {"milestones = 3", "milestones must be a list of integers"},
      {"milestones = [1.5]", "milestones must be a list of integers"},
      {"milestones = [[1]]", "milestones must be a list of integers"},
      {"[model]\nname = \"nin\"", "model must be a number, a text"},
      {"epochs = 1\nepochs = 2", "mine.toml, line 2"},
      {"epochs 3", "mine.toml, line 1"},
      {"epochs = 2024-01-01", "epochs must be a number, a text"},
      {"data = \"a\xff\"", "mine.toml, line 1"},
  };
  for (const Case& c : cases) {
    std::string why = refusal(c.toml);
    CHECK_MESSAGE(why.find(c.reason) != std::string::npos, c.toml, " -> ", why);
  }
  CHECK(refusal_of_set("epochs").find("needs key=value") != std::string::npos);
  CHECK(refusal_of_set("=3").find("needs key=value") != std::string::npos);
  CHECK(refusal_of_set("epoch=3").find("did you mean epochs?") != std::string::npos);
  CHECK(refusal_of_set("epochs=many").find("must be an integer") != std::string::npos);
  CHECK(refusal_of_set("learning_rate=nan").find("must be from 0 to 10, got nan") !=
        std::string::npos);
}

TEST_CASE("recipe: files are limited, and unknown names have a near one") {
  TemporaryFolder folder;
  write_durably(folder / "a.toml", "epochs = 3\n");
  Recipe recipe(folder / "a.toml");
  CHECK(read(recipe).epochs == 3);
  write_durably(folder / "large.toml", std::string((1 << 20) + 1, '\n'));
  CHECK_THROWS_WITH_AS(Recipe(folder / "large.toml"), doctest::Contains("larger than"), Error);
  CHECK_THROWS_WITH_AS(Recipe("rotation-world-quik"),
                       doctest::Contains("did you mean rotation-world-quick?"), Error);
  CHECK_THROWS_WITH_AS(Recipe("rotation-wrld"), doctest::Contains("did you mean rotation-world-"),
                       Error);
  CHECK_THROWS_WITH_AS(Recipe(folder.path.string()), doctest::Contains("neither a file nor"),
                       Error);
}

TEST_CASE("nearest: an edit counts whole, what is left off at the end half, and far is none") {
  const std::vector<std::string> names = {"epochs", "flip", "weight_decay", "width"};
  for (auto [word, near] : {std::pair("epoch", "epochs"),
                            {"weight", "weight_decay"},
                            {"wdith", "width"},
                            {"flp", "flip"},
                            {"a", ""},
                            {"zzzzzz", ""},
                            {"", ""}})
    CHECK(nearest(word, names) == near);
}

TEST_CASE("recipe: keys are taken from another one where they are not set") {
  struct Network {
    int64_t width = 0;
    std::string model = "nin";
    void visit(Keys& k) {
      k("width", width, "channels", 0, 100);
      k("model", model, "network");
    }
  };
  const Recipe from = Recipe::parse("width = 8\nmodel = \"resnet18\"\nepochs = 3\n", "from");
  Recipe to;
  to.set("width=16");
  CHECK(to.take(Network{}, from) == std::vector<std::string>{"model = 'resnet18'"});
  Network network;
  to.read(network);
  CHECK((network.width == 16 && network.model == "resnet18" && !to.has("epochs")));
  to.check_all_known();
}

TEST_CASE("recipe: deep nesting is an error, not a crash") {
  CHECK(refusal("a = " + std::string(100000, '[')) != "");
  CHECK(refusal("a = " + std::string(100000, '{')) != "");
}

namespace {

// Everything that `train METHOD` reads, in its order; what is left over is an error.
std::string read_as_training_does(Recipe& recipe, const std::string& method) {
  RunKeys keys;
  LoopKeys loop;
  recipe.read(keys);
  recipe.read(loop);
  DataFacts facts{keys.image_size ? int(keys.image_size) : 32, {"a", "b"}, uint64_t(keys.seed)};
  facts.draws = false;  // the largest network has 660 million numbers: its memory is not touched
  make_method(method, recipe, facts, Dtype::f32);
  recipe.check_all_known();
  return recipe.resolved();
}

// Every key of a method with its initial value.
const Recipe& defaults_of(const std::string& method) {
  static std::map<std::string, Recipe> known;
  auto [entry, fresh] = known.try_emplace(method);
  if (Recipe none; fresh)
    entry->second = Recipe::parse(read_as_training_does(none, method), "defaults");
  return entry->second;
}

// The value in a comment's words: `none` is the empty list, a text stands without quotation marks.
std::string plain(const Recipe::Value& value) {
  if (auto v = std::get_if<bool>(&value)) return *v ? "true" : "false";
  if (auto v = std::get_if<int64_t>(&value)) return std::to_string(*v);
  if (auto v = std::get_if<std::string>(&value)) return *v;
  if (auto v = std::get_if<std::vector<int64_t>>(&value)) return v->empty() ? "none" : "a list";
  std::ostringstream out;
  out << std::get<double>(value);
  return out.str();
}

// Keys that count something, and a word that says what.
const std::map<std::string, std::string> kUnits = {
    {"train_size", "pictures"},  {"test_size", "pictures"},    {"image_size", "pixels"},
    {"crop_padding", "pixels"},  {"queue_size", "keys"},       {"dim", "numbers"},
    {"hidden", "numbers"},       {"knn_pictures", "pictures"}, {"labels_per_class", "pictures"},
    {"batch_size", "pictures"},  {"width", "channels"},        {"epochs", "passes"},
    {"warmup_epochs", "epochs"}, {"milestones", "epochs"},     {"evaluate_every", "epochs"},
    {"log_every", "steps"},      {"checkpoint_every", "steps"}};

// METHOD-DATA-.., or NETWORK-DATA-.. for one that is trained with labels.
std::string method_of(const std::string& recipe) {
  const std::string first = recipe.substr(0, recipe.find('-'));
  const auto all = method_names();
  return std::find(all.begin(), all.end(), first) == all.end() ? "supervised" : first;
}

// "" if the comment of a key has its unit, its default as the code has it, and a source after it.
std::string fault(const std::string& key, const std::string& comment, const Recipe& defaults) {
  const std::string word = "default ";
  size_t at = comment.find(word);
  if (at == comment.npos) return "no default";
  const std::string rest = comment.substr(at + word.size());
  const std::string stated = rest.substr(0, rest.find_first_of(";( "));
  const Recipe::Value* value = defaults.find(key);
  if (!value) return "no such key";
  std::istringstream number(stated);
  double x = 0;
  const double* real = std::get_if<double>(value);
  const bool same = real ? bool(number >> x) && x == *real : stated == plain(*value);
  if (!same) return "the default is " + plain(*value);
  size_t source = rest.find("; ");
  if (source == rest.npos || rest.size() < source + 5) return "no source";
  auto unit = kUnits.find(key);
  if (unit != kUnits.end() && comment.find(unit->second) == comment.npos)
    return "no unit: " + unit->second;
  return "";
}

}  // namespace

TEST_CASE("recipe: those inside the program are sorted, and training reads every key of them") {
  const auto& all = embedded_recipes();
  CHECK(all.size() >= 6);
  CHECK(std::is_sorted(all.begin(), all.end(), [](auto& a, auto& b) { return a.name < b.name; }));
  for (const EmbeddedRecipe& r : all) {
    INFO(r.name);
    Recipe recipe(r.name);
    CHECK_NOTHROW(read_as_training_does(recipe, method_of(r.name)));
  }
}

TEST_CASE("recipe: those inside the program give every key's unit, default and source") {
  for (const EmbeddedRecipe& r : embedded_recipes()) {
    INFO(r.name);
    CHECK(r.text.rfind("# ", 0) == 0);
    const Recipe& defaults = defaults_of(method_of(r.name));
    std::istringstream lines(r.text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      const size_t comment = line.find("  # ");
      REQUIRE_MESSAGE(comment != line.npos, line);
      const std::string why =
          fault(line.substr(0, line.find(' ')), line.substr(comment + 4), defaults);
      CHECK_MESSAGE(why.empty(), line, " -> ", why);
    }
  }
}

TEST_CASE("recipe: the test of the comments finds what it is there to find") {
  const Recipe& defaults = defaults_of("rotation");
  for (auto [key, comment] : {std::pair("epochs", "passes; default 10; ours"),
                              {"weight_decay", "default 5e-4; TTT"},
                              {"milestones", "epochs; default none; the code"},
                              {"flip", "default true; the code"},
                              {"width", "channels; default 0 (the paper's); ours"}})
    CHECK(fault(key, comment, defaults) == "");
  for (auto [key, comment] : {std::pair("epochs", "passes; default 12; ours"),
                              {"epochs", "default 10; ours"},
                              {"epochs", "passes; default 10"},
                              {"epochs", "passes; ours"},
                              {"flip", "default false; ours"},
                              {"weight_decay", "default 1e-4; TTT"},
                              {"epoch", "passes; default 10; ours"}})
    CHECK(fault(key, comment, defaults) != "");
}
