#include "train/method.h"

namespace autodidact {

using Make = std::unique_ptr<Method> (*)(Recipe&, const DataFacts&, Dtype);
static const std::vector<std::pair<std::string, Make>> kMethods = {
    {"supervised", make_supervised},
    {"rotation", make_rotation},
    {"npid", make_npid},
    {"simclr", make_simclr},
    {"moco", make_moco},
    {"ttt", make_ttt},
    {"mae", make_mae},
};

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (auto& [name, make] : kMethods) names.push_back(name);
  return names;
}

static Make make_of(const std::string& name) {
  for (auto& [known, make] : kMethods)
    if (name == known) return make;
  std::string near = nearest(name, method_names()), all;
  for (const std::string& known : method_names()) all += (all.empty() ? "" : ", ") + known;
  fail(ErrorKind::usage, "unknown method ", name,
       near.empty() ? "" : "; did you mean " + near + "?", "; the methods are ", all);
}

void check_method_name(const std::string& name) { make_of(name); }

std::unique_ptr<Method> make_method(const std::string& name, Recipe& recipe, const DataFacts& data,
                                    Dtype dtype) {
  return make_of(name)(recipe, data, dtype);
}

}  // namespace autodidact
