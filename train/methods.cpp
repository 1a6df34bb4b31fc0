#include "train/method.h"

namespace autodidact {

using Make = std::unique_ptr<Method> (*)(Recipe&, const DataFacts&, Dtype);
static const std::vector<std::pair<std::string, Make>> kMethods = {
    {"supervised", make_supervised},
    {"rotation", make_rotation},
    {"mae", make_mae},
};

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (auto& [name, make] : kMethods) names.push_back(name);
  return names;
}

std::unique_ptr<Method> make_method(const std::string& name, Recipe& recipe, const DataFacts& data,
                                    Dtype dtype) {
  for (auto& [known, make] : kMethods)
    if (name == known) return make(recipe, data, dtype);
  std::string near = nearest(name, method_names());
  fail(ErrorKind::usage, "unknown method ", name,
       near.empty() ? "" : "; did you mean " + near + "?");
}

}  // namespace autodidact
