// Safetensors: round trips, what a model's loader says, and files that must be refused.
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <limits>
#include "engine/durable_file.h"
#include "engine/random.h"
#include "engine/safetensors.h"
#include "tests/temporary_folder.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor t = empty(shape);
  Rng rng(seed);
  fill_normal(t, 0, 1, rng);
  return t;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::equal((const char*)a.data(), (const char*)a.data() + a.bytes(),
                    (const char*)b.data());
}

struct Net {                              // every role once
  Tensor conv = random({2, 3, 3, 4}, 1);  // OHWI
  Tensor fc = random({5, 2}, 2), bias = random({5}, 3);
  Tensor seen = full({}, 7, Dtype::i64);
  void visit(Visitor& v) {
    v("conv.weight", conv, Role::conv_weight);
    v("fc.weight", fc, Role::weight);
    v("fc.bias", bias, Role::scalar);
    v("bn.num_batches_tracked", seen, Role::buffer);
  }
};

TensorFile file_of(Net& net) {
  TensorFile file;
  store(file, stored_tensors(named_tensors(net)));
  return file;
}

std::string bytes_of_file(const std::string& json, size_t data_bytes) {
  std::string text(8, '\0');
  for (size_t i = 0; i < 8; ++i) text[i] = char(json.size() >> (8 * i) & 255);
  return text + json + std::string(data_bytes, 'x');
}

std::string why_refused(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "f");
  } catch (const Error& e) {
    CHECK((e.kind == ErrorKind::checkpoint || e.kind == ErrorKind::usage));
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("safetensors: every element type survives a file, and two writes are the same bytes") {
  TemporaryFolder folder;
  TensorFile file;
  int64_t n = 1;
  for (Dtype d : {Dtype::f32, Dtype::bf16, Dtype::f64, Dtype::i32, Dtype::i64, Dtype::u8}) {
    Tensor t = empty({int(n), 3}, d);
    for (size_t i = 0; i < t.bytes(); ++i) static_cast<uint8_t*>(t.data())[i] = uint8_t(i * 37 + n);
    file.tensors[std::string("t.") + name(d)] = t;
    ++n;
  }
  file.tensors["scalar"] = full({}, 3);
  file.tensors["empty"] = empty({2, 0, 3});
  file.tensors["ünïcode \"quoted\" \\"] = full({2}, 1);
  file.metadata["note"] = "a\nb\t\"c\" \x01 \xf0\x9f\x99\x82";
  write_safetensors(folder / "a", file);
  write_safetensors(folder / "b", file);
  CHECK(read_text(folder / "a") == read_text(folder / "b"));
  TensorFile back = read_safetensors(folder / "a");
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (auto& entry : file.tensors)  // Clang 14 captures no structured bindings
    CHECK_MESSAGE(same_bytes(entry.second, back.tensors.at(entry.first)), entry.first);
  CHECK(back.metadata.at("note") == file.metadata["note"]);
  CHECK(back.metadata.at("format") == "pt");
  CHECK(back.header.size() % 8 == 0);
  CHECK(back.header == read_text(folder / "a").substr(0, back.header.size()));

  file.tensors["of several pieces"] = full({3, 200000}, 0.5);
  write_safetensors(folder / "a", file);
  std::map<std::string, std::string> bytes;
  std::string last;
  const TensorFile passed =
      scan_safetensors(folder / "a", [&](const std::string& tensor, std::string_view piece) {
        CHECK((tensor == last || !bytes.count(tensor)));  // tensor after tensor
        bytes[last = tensor] += piece;
      });
  CHECK(passed.tensors.empty());
  CHECK(passed.header == read_safetensors(folder / "a").header);
  REQUIRE(bytes.size() == file.tensors.size());
  for (auto& entry : file.tensors)
    CHECK(bytes.at(entry.first) ==
          std::string(static_cast<const char*>(entry.second.data()), entry.second.bytes()));
}

TEST_CASE("safetensors: F16 is widened exactly and BOOL is read as 0 or 1") {
  std::string json =
      R"({"h":{"dtype":"F16","shape":[6],"data_offsets":[0,12]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[12,15]}})";
  const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x7c00, 0x7bff};
  std::string bytes = bytes_of_file(json, 0);
  bytes.append(reinterpret_cast<const char*>(half), 12).append("\0\1\2", 3);
  TensorFile file = parse_safetensors(bytes, "f");
  const float expected[] = {
      1, -2, 0x1p-24f, -1023 * 0x1p-24f, std::numeric_limits<float>::infinity(), 65504};
  for (int i = 0; i < 6; ++i) CHECK(ptr<float>(file.tensors["h"])[i] == expected[i]);
  const uint8_t* b = ptr<uint8_t>(file.tensors["b"]);
  CHECK((b[0] == 0 && b[1] == 1 && b[2] == 1));
}

TEST_CASE("safetensors: a model's tensors come back; convolutions lie OIHW in the file") {
  TemporaryFolder folder;
  Net net, other;
  fill(other.conv, 0), fill(other.fc, 0), fill(other.bias, 0), fill(other.seen, 0);
  write_safetensors(folder / "a", file_of(net));
  TensorFile file = read_safetensors(folder / "a");
  const Tensor& conv = file.tensors.at("conv.weight");
  CHECK(conv.shape == Shape{2, 4, 3, 3});
  for (int o = 0; o < 2; ++o)
    for (int i = 0; i < 4; ++i)
      for (int k = 0; k < 9; ++k)
        CHECK(ptr<float>(conv)[(o * 4 + i) * 9 + k] == ptr<float>(net.conv)[(o * 9 + k) * 4 + i]);
  CHECK(load_strict(other, file, {}, "a").empty());
  CHECK(same_bytes(net.conv, other.conv));
  CHECK(same_bytes(net.fc, other.fc));
  CHECK(same_bytes(net.bias, other.bias));
  CHECK(*ptr<int64_t>(other.seen) == 7);
}

TEST_CASE("safetensors: under bf16 the f32 masters are stored and loaded, the copy follows") {
  TemporaryFolder folder;
  Net net, other;
  Net original;  // the same numbers, never moved into bf16
  Parameters parameters(net, Dtype::bf16), loaded(other, Dtype::bf16);
  fill(loaded.value, 0), loaded.refresh_compute();
  TensorFile file;
  store(file, stored_tensors(named_tensors(net), &parameters));
  CHECK(file.tensors.at("fc.weight").dtype == Dtype::f32);
  CHECK(same_bytes(file.tensors.at("fc.weight"), original.fc));
  load_strict(other, file, {}, "a", &loaded);
  CHECK(same_bytes(loaded.value, parameters.value));
  CHECK(same_bytes(other.conv, net.conv));
  CHECK(other.conv.dtype == Dtype::bf16);
}

TEST_CASE("safetensors: a flat buffer is stored a tensor for each parameter") {
  Net net;
  Parameters parameters(net);
  Tensor momentum = random({int(parameters.size())}, 9), back = zeros({int(parameters.size())});
  TensorFile file;
  store(file, stored_tensors(parameters, momentum), "optimizer.momentum.");
  CHECK(file.tensors.at("optimizer.momentum.conv.weight").shape == Shape{2, 4, 3, 3});
  load_strict(stored_tensors(parameters, back), file, {"optimizer.momentum.", {}, {}}, "a");
  for (const auto& s : parameters.segments())
    CHECK(same_bytes(view_flat(momentum, s.begin, s.shape), view_flat(back, s.begin, s.shape)));
}

TEST_CASE("safetensors: a strict load names everything that does not fit, and writes nothing") {
  Net net, to;
  TensorFile file = file_of(net);
  Tensor before = clone(to.fc);
  fill(net.fc, 5);
  file.tensors.erase("fc.bias");
  file.tensors["head.weight"] = full({1}, 0);
  file.tensors["conv.weight"] = random({2, 3, 3, 4}, 1);
  file.tensors["bn.num_batches_tracked"] = full({}, 7, Dtype::f32);
  std::string text;
  try {
    load_strict(to, file, {}, "w.safetensors");
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::checkpoint);
    text = e.what();
  }
  CHECK(text ==
        "w.safetensors: does not fit the model:"
        "\n  mismatched bn.num_batches_tracked: the model has i64 [], the file f32 []"
        "\n  mismatched conv.weight: the model has f32 [2, 4, 3, 3], the file f32 [2, 3, 3, 4]"
        "\n  unexpected head.weight [1]"
        "\n  missing fc.bias [5]");
  CHECK(same_bytes(to.fc, before));

  // A whole other network would fill the screen.
  for (char c = 'a'; c < 'f'; ++c) file.tensors[std::string("x") + c] = full({1}, 0);
  CHECK_THROWS_WITH_AS(load_strict(to, file, {}, "w"), doctest::Contains("\n  and 4 more"), Error);

  TensorFile encoder = file_of(net), wrapped;
  encoder.tensors.erase("fc.weight"), encoder.tensors.erase("fc.bias");
  encoder.tensors["optimizer.momentum"] = full({1}, 0);
  for (auto& [name, t] : encoder.tensors) wrapped.tensors["module.encoder_q." + name] = t;
  wrapped.tensors["module.queue"] = full({1}, 0);
  auto kept = load_strict(to, wrapped, {"module.encoder_q.", {"fc"}, {"optimizer"}}, "w");
  CHECK(kept == std::vector<std::string>{"fc.bias", "fc.weight"});
  CHECK(same_bytes(to.fc, before));
  CHECK(same_bytes(to.conv, net.conv));
}

TEST_CASE("safetensors: malformed headers are refused, each for its reason") {
  auto entry = [](std::string rest) { return "{\"a\":{" + rest + "}}"; };
  std::string good = R"("dtype":"U8","shape":[4],"data_offsets":[0,4])";
  CHECK(why_refused(bytes_of_file(entry(good) + "   ", 4)) == "");
  struct Case {
    std::string json;
    const char* reason;
    size_t data = 4;
  };
  std::string long_name(1025, 'n');
  std::vector<Case> cases = {
      {"", "too short", 0},
      {"", "must start with {"},
      {" {}", "must start with {", 0},
      {"[]", "must start with {", 0},
      {"{", "expected"},
      {"{}x", "only spaces", 0},
      {"{}\n", "only spaces", 0},
      {"{}{}", "only spaces", 0},
      {"{}", "the file has 4"},
      {"{\"a\":1}", "expected {"},
      {"{\"a\":null}", "expected {"},
      {"{a:{}}", "expected \""},
      {"{\"a\":{}}", "must have dtype, shape and data_offsets"},
      {"{\"a\":{" + good + "},}", "expected \""},
      {"{\"a\":{" + good + "}", "expected }"},
      {"{\"a\":{" + good + "} \"b\":{}}", "expected }"},
      {"{\"a\":{" + good + "},\"a\":{" + good + "}}", "tensor twice: a"},
      {"{\"a\":{" + good + "},\"\\u0061\":{" + good + "}}", "tensor twice: a"},
      {"{\"a\":{" + good + "},\"b\":{" + good + "}}", "overlap"},
      {"{\"\":{" + good + "}}", "name must have 1 to 1024"},
      {"{\"" + long_name + "\":{" + good + "}}", "name must have 1 to 1024"},
      {"{\"a\\u0000b\":{" + good + "}}", "control character in a tensor's name"},
      {"{\"a\\u001b[31m\":{" + good + "}}", "control character in a tensor's name"},
      {"{\"a\nb\":{" + good + "}}", "control character in a string"},
      {"{\"a\\x\":{" + good + "}}", "unknown escape"},
      {"{\"a\\u12g4\":{" + good + "}}", "four hexadecimal"},
      {"{\"a\\ud800\":{" + good + "}}", "surrogate"},
      {"{\"a\\udc00\":{" + good + "}}", "surrogate"},
      {"{\"a\\ud83d\\u0041\":{" + good + "}}", "surrogate"},
      {"{\"a\xff\":{" + good + "}}", "UTF-8"},
      {"{\"a\xc0\xaf\":{" + good + "}}", "UTF-8"},
      {"{\"a\xed\xa0\x80\":{" + good + "}}", "UTF-8"},
      {"{\"a\xf4\x90\x80\x80\":{" + good + "}}", "UTF-8"},
      {"{\"a\xe0\x80\xaf\":{" + good + "}}", "UTF-8"},
      {"{\"a", "does not end"},
      {entry(R"("dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4])"), "F8_E4M3"},
      {entry(R"("dtype":"U8","shape":[4])"), "must have"},
      {entry(R"("shape":[4],"data_offsets":[0,4])"), "must have"},
      {entry(R"("dtype":"U8","data_offsets":[0,4])"), "must have"},
      {entry(good + R"(,"dtype":"U8")"), "unknown or repeated key dtype"},
      {entry(good + R"(,"strides":[1])"), "unknown or repeated key strides"},
      {entry(R"("dtype":"U8","shape":4,"data_offsets":[0,4])"), "expected ["},
      {entry(R"("dtype":"U8","shape":[4,],"data_offsets":[0,4])"), "whole number"},
      {entry(R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])"), "whole number"},
      {entry(R"("dtype":"U8","shape":[04],"data_offsets":[0,4])"), "whole number"},
      {entry(R"("dtype":"U8","shape":[4.0],"data_offsets":[0,4])"), "expected ]"},
      {entry(R"("dtype":"U8","shape":[4e0],"data_offsets":[0,4])"), "expected ]"},
      {entry(R"("dtype":"U8","shape":["4"],"data_offsets":[0,4])"), "whole number"},
      {entry(R"("dtype":"U8","shape":[[4]],"data_offsets":[0,4])"), "whole number"},
      {entry(R"("dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4])"), "too large"},
      {entry(R"("dtype":"U8","shape":[2147483648],"data_offsets":[0,4])"), "at most"},
      {entry(R"("dtype":"U8","shape":[1,1,1,1,1,1,4],"data_offsets":[0,4])"), "at most 6"},
      {entry(R"("dtype":"F64","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4])"),
       "too large"},
      {entry(R"("dtype":"F32","shape":[1073741824,1073741824,16],"data_offsets":[0,0])"),
       "too large", 0},  // the product is 2^64 elements: it would wrap to 0
      {entry(R"("dtype":"U8","shape":[5],"data_offsets":[0,4])"), "needs 5 bytes"},
      {entry(R"("dtype":"U8","shape":[5],"data_offsets":[0,5])"), "its offsets are 0 to 5 of 4"},
      {entry(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])"), "its offsets"},
      {entry(R"("dtype":"U8","shape":[4],"data_offsets":[0])"), "expected ,"},
      {entry(R"("dtype":"U8","shape":[4],"data_offsets":[0,4,8])"), "expected ]"},
      {entry(R"("dtype":"U8","shape":[3],"data_offsets":[0,3])"), "the file has 4"},
      {entry(R"("dtype":"U8","shape":[3],"data_offsets":[1,4])"), "a hole"},
      {entry(R"("dtype":"U8","shape":[4],"data_offsets":[18446744073709551612,0])"), "offsets"},
      {R"({"__metadata__":{"a":1},"t":{)" + good + "}}", "expected \""},
      {R"({"__metadata__":{"a":{}},"t":{)" + good + "}}", "expected \""},
      {R"({"__metadata__":[],"t":{)" + good + "}}", "expected {"},
      {R"({"__metadata__":{"a":"1","a":"2"},"t":{)" + good + "}}", "metadata key twice"},
      {R"({"__metadata__":{},"__metadata__":{},"t":{)" + good + "}}", "two __metadata__"},
      {std::string(100000, '['), "must start with {"},
      {"{\"a\":" + std::string(100000, '{'), "expected \""},
  };
  for (const Case& c : cases) {
    std::string why = why_refused(bytes_of_file(c.json, c.data));
    CHECK_MESSAGE(why.find(c.reason) != std::string::npos, c.json.substr(0, 120), " -> ", why);
  }
  CHECK(cases.size() >= 60);
}

TEST_CASE("safetensors: wrong lengths, pickles and what is no file") {
  std::string bytes = bytes_of_file("{}", 0);
  bytes[0] = 3;
  CHECK(why_refused(bytes).find("ends inside its header: 2 bytes of 3") != std::string::npos);
  bytes[7] = char(0xff);
  CHECK(why_refused(bytes).find("at most 16777216") != std::string::npos);
  CHECK(why_refused(std::string("PK\3\4\0\0\0\0\0\0\0\0", 12)).find("pickle") != std::string::npos);
  CHECK(why_refused(std::string("\x80\2\x8a\nl\xfc\x9c\x46\xf9", 9)) != "");
  CHECK(why_refused(std::string("\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20", 10)).find("pickle") !=
        std::string::npos);
  TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(read_safetensors(folder / "none"),
                       doctest::Contains("No such file or directory"), Error);
  CHECK_THROWS_WITH_AS(read_safetensors(folder.path.string()),
                       doctest::Contains("not a regular file"), Error);
}

TEST_CASE("safetensors: a file cut at any length is refused") {
  TemporaryFolder folder;
  Net net;
  write_safetensors(folder / "a", file_of(net));
  std::string whole = read_text(folder / "a");
  REQUIRE(why_refused(whole) == "");
  int accepted = 0;
  for (size_t n = 0; n < whole.size(); ++n) accepted += why_refused(whole.substr(0, n)).empty();
  CHECK(accepted == 0);
  CHECK(why_refused(whole + "x") != "");
  std::ofstream(folder / "b", std::ios::binary) << whole.substr(0, whole.size() - 1);
  CHECK_THROWS_AS(read_safetensors(folder / "b"), Error);
}

TEST_CASE("safetensors: what could not be read back is not written") {
  TemporaryFolder folder;
  for (const char* name : {"", "a\x1b[0m", "\xff"}) {
    TensorFile file;
    file.tensors[name] = full({1}, 0);
    CHECK_THROWS_AS(write_safetensors(folder / "a", file), Error);
  }
  CHECK(!fs::exists(folder / "a"));
}

TEST_CASE("durable file: a failure leaves the old file and no temporary one") {
  TemporaryFolder folder;
  write_durably(folder / "a", "old");
  {
    DurableFile file(folder / "a");
    file.write("half");
  }
  CHECK(read_text(folder / "a") == "old");
  DurableFile file(folder / "a");
  file.write("new");
  CHECK_THROWS(file.commit([](const std::string& path) {
    CHECK(read_text(path) == "new");
    throw std::runtime_error("found damaged");
  }));
  CHECK(read_text(folder / "a") == "old");
  CHECK_THROWS_WITH_AS(write_durably(folder / "none/a", "x"),
                       doctest::Contains("No such file or directory"), Error);
  CHECK_THROWS_WITH_AS(DurableFile(folder / "b", uint64_t(1) << 60),
                       doctest::Contains("1152921504606846976 bytes needed"), Error);
}
