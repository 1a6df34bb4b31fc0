// Code that the documents quote is the code: a block whose first line is `// path/of/file` must
// stand in that file, line for line.
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>
#include <string>

static std::string read(const std::string& path) {
  std::ifstream file(std::string(SOURCE_DIR) + "/" + path);
  REQUIRE_MESSAGE(file.good(), path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("docs: the code that autograd.md quotes stands in the files it names") {
  std::istringstream page(read("docs/autograd.md"));
  int quoted = 0;
  for (std::string line; std::getline(page, line);) {
    if (line != "```cpp") continue;
    REQUIRE(std::getline(page, line));
    REQUIRE_MESSAGE(line.rfind("// ", 0) == 0, "a block names its file first: " << line);
    const std::string path = line.substr(3), source = read(path);
    std::string block;
    while (std::getline(page, line) && line != "```") block += line + "\n";
    CHECK_MESSAGE(source.find(block) != std::string::npos, path << " does not hold:\n" << block);
    ++quoted;
  }
  CHECK(quoted == 5);
}
