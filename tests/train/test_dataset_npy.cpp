// .npy files: what numpy writes is read, everything else is refused with the reason.
#include <doctest/doctest.h>
#include <algorithm>
#include "tests/train/image_corpus.h"
#include "engine/check.h"
#include "train/data/dataset.h"
#include "train/data/npy.h"

using namespace autodidact;

namespace {

// A file of this version whose header is `header`, padded as numpy does.
Encoded npy(const std::string& header, size_t data, int major = 1, int minor = 0) {
  Encoded f = {0x93, 'N', 'U', 'M', 'P', 'Y', uint8_t(major), uint8_t(minor)};
  size_t length_bytes = major == 1 ? 2 : 4, n = header.size();
  for (size_t i = 0; i < length_bytes; ++i) f.push_back(uint8_t(n >> (8 * i)));
  f.insert(f.end(), header.begin(), header.end());
  for (size_t i = 0; i < data; ++i) f.push_back(uint8_t(i));
  return f;
}
std::string header(const std::string& shape, const std::string& descr = "|u1",
                   const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }  \n";
}

}  // namespace

TEST_CASE("npy: versions 1 to 3, shapes of any rank") {
  for (int major : {1, 2, 3}) {
    Npy a = parse_npy(npy(header("(2, 3)"), 6, major), "x.npy");
    CHECK(a.shape == std::vector<int64_t>{2, 3});
    CHECK(a.dtype == "|u1");
    CHECK(a.bytes == Encoded{0, 1, 2, 3, 4, 5});
  }
  CHECK(parse_npy(npy(header("()"), 1), "x").count() == 1);
  CHECK(parse_npy(npy(header("(5,)"), 5), "x").shape == std::vector<int64_t>{5});
  CHECK(parse_npy(npy(header("(0, 7)"), 0), "x").count() == 0);
  CHECK(parse_npy(npy("{'shape':(2,),'fortran_order':False,'descr':\"<i2\"}", 4), "x").dtype ==
        "<i2");
}

TEST_CASE("npy: what is malformed is refused with the reason") {
  struct Kind {
    Encoded file;
    const char* reason;
  };
  const std::string good = header("(2, 3)");
  Encoded wrong_magic = npy(good, 6);
  wrong_magic[0] = 'x';
  Encoded long_header = npy(good, 6, 2);
  long_header[10] = 0xff;
  for (const Kind& kind : {
           Kind{{}, "is not an .npy file"},
           Kind{wrong_magic, "is not an .npy file"},
           Kind{cut(npy(good, 6), 9), "is not an .npy file"},
           Kind{npy(good, 6, 4), "version 4.0"},
           Kind{npy(good, 6, 1, 1), "version 1.1"},
           Kind{npy(good, 6, 0), "version 0.0"},
           Kind{cut(npy(good, 6), 30), "ends inside its header"},
           Kind{cut(npy(good, 6, 2), 11), "ends inside its header"},
           Kind{long_header, "the limit is 65536"},
           Kind{npy(good, 5), "promises 6 bytes of data, it has 5"},
           Kind{npy(good, 7), "promises 6 bytes of data, it has 7"},
           Kind{npy(header("(2, 3)", "|u1", "True"), 6), "fortran_order must be False"},
           Kind{npy(header("(2, 3)", "|u1", "0"), 6), "fortran_order must be False"},
           Kind{npy(header("(2, 3)", "|O"), 6), "'|O' are not supported"},
           Kind{npy(header("(2, 3)", ">i2"), 12), "'>i2' are not supported"},
           Kind{npy(header("(2, 3)", "<U8"), 6), "are not supported"},
           Kind{npy("{'descr': [('r', '|u1')], 'fortran_order': False, 'shape': (6,)}", 6),
                "named fields are not supported"},
           Kind{npy(header("(-2, 3)"), 6), "a dimension was expected"},
           Kind{npy(header("(2.0, 3)"), 6), "')' was expected"},
           Kind{npy(header("[2, 3]"), 6), "'(' was expected"},
           Kind{npy(header("(2, 3"), 6), "was expected"},
           Kind{npy(header("(99999999999999999999,)"), 6), "too large"},
           Kind{npy(header("(4294967296, 4294967296, 4294967296)"), 6), "overflows"},
           Kind{npy(header("(1,1,1,1,1,1,1,1,1)"), 1), "more than 8 dimensions"},
           Kind{npy("", 6), "'{' was expected"},
           Kind{npy("{}", 6), "are needed"},
           Kind{npy("{'descr': '|u1', 'shape': (6,)}", 6), "are needed"},
           Kind{npy("{'descr': '|u1', 'descr': '|u1'}", 6), "repeated key 'descr'"},
           Kind{npy("{'descr': '|u1', 'extra': '|u1'}", 6), "unknown or repeated key 'extra'"},
           Kind{npy(good + "x", 6), "text after the closing brace"},
           Kind{npy("{'descr': '|u1 ", 6), "short string was expected"},
           Kind{npy("{'descr' '|u1'}", 6), "':' was expected"},
           Kind{npy("import os; os.system('true')", 6), "'{' was expected"},
       }) {
    std::string message;
    try {
      parse_npy(kind.file, "a\nb.npy");
    } catch (const Error& e) {
      CHECK(e.kind == ErrorKind::data);
      message = e.what();
    }
    CAPTURE(message);
    CAPTURE(std::string(kind.reason));
    CHECK(message.rfind("a\\nb.npy: ", 0) == 0);
    CHECK(message.find(kind.reason) != message.npos);
  }
}

TEST_CASE("npy: integers of every width") {
  const Encoded bytes = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  auto first = [&](const char* dtype) { return integer_at({dtype, {1}, bytes}, 0); };
  CHECK(first("|i1") == -2);
  CHECK(first("<i2") == -2);
  CHECK(first("<i4") == -2);
  CHECK(first("<i8") == -2);
  CHECK(first("|u1") == 254);
  CHECK(first("<u2") == 65534);
  CHECK(first("<u4") == 4294967294);
}

TEST_CASE("npy: a data set is written and read back") {
  TestFolder f;
  const Image a = test_picture(4, 4, 1), b = test_picture(4, 4, 2);
  Encoded pixels = a.rgb;
  pixels.insert(pixels.end(), b.rgb.begin(), b.rgb.end());
  const std::string x = f.path() + "/x.npy", y = f.path() + "/y.npy", other = f.path() + "/o.npy";
  write_npy(x, "|u1", {2, 4, 4, 3}, pixels);
  std::vector<int64_t> labels = {3, -1};
  write_npy(y, labels);
  CHECK(read_bytes(x, 1 << 20).size() % 64 == pixels.size() % 64);
  auto d = open_dataset(x + "," + y);
  CHECK(d->size() == 2);
  CHECK(d->side() == 4);
  CHECK(d->image(1) == b);
  CHECK(d->label(0) == 3);
  CHECK(d->label(1) == -1);
  CHECK(d->classes() == std::vector<std::string>{"0", "1", "2", "3"});
  CHECK(open_dataset(x)->classes().empty());

  write_npy(other, "|u1", {2, 4, 4, 1}, Bytes(pixels).first(32));
  auto grey = open_dataset(other);
  for (int c = 0; c < 3; ++c) CHECK(grey->pixels(1)[c] == pixels[16]);

  auto refused = [&](const std::string& source, const std::string& reason) {
    CHECK_THROWS_WITH_AS(open_dataset(source), doctest::Contains(reason.c_str()), Error);
  };
  refused(y, "images must be (N, H, W, 3) or (N, H, W, 1) of |u1 (numpy.uint8), found (2) of <i8");
  refused(x + "," + x, "labels must be (2) of integers, found (2, 4, 4, 3) of |u1");
  refused(x + ":test", ".npy files are one split, there is no 'test'");
  refused(f.path() + "/none.npy", "none.npy: cannot be opened");
  labels[0] = -2;
  write_npy(y, labels);
  refused(x + "," + y, "label 0 is -2");
  write_npy(other, "|u1", {0, 4, 4, 3}, {});
  refused(other, "holds no image");
  write_npy(other, "|u1", {1, 1, 20000, 3}, Encoded(60000));
  refused(other, "1 to 16384 pixels a side");
  write_npy(other, "|u1", {2, 2, 4, 3}, Bytes(pixels).first(48));
  auto oblong = open_dataset(other);
  CHECK(oblong->side() == 0);
  CHECK(oblong->size() == 2);
  Image second = oblong->image(1);
  CHECK(second.height == 2);
  CHECK(second.width == 4);
  CHECK(std::equal(second.rgb.begin(), second.rgb.end(), pixels.begin() + 24));
}
