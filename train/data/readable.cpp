#include "train/data/readable.h"
#include "engine/check.h"
#include "kernels/parallel.h"

namespace autodidact {

namespace {

std::string damage(const Dataset& data, int64_t i) {
  try {
    if (!data.pixels(i)) data.image(i);
  } catch (const Error& e) {
    if (e.kind != ErrorKind::data) throw;
    return e.what();
  }
  return "";
}

[[noreturn]] void fail_beyond(double cap, int64_t damaged, const Dataset& data,
                              const BadFile& one) {
  fail(ErrorKind::data, damaged, " of ", data.size(), " pictures of ", data.describe(),
       " are damaged, more than the cap of ", cap * 100, " %: ", one.reason,
       "; `autodidact data check` lists them; remove them, or raise the cap (bad_cap in a recipe, "
       "--cap where a command has it)");
}

}  // namespace

std::vector<std::string> damages(const Dataset& data) {
  std::vector<std::string> reasons(size_t(data.size()));
  parallel_for(data.size(), 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) reasons[size_t(i)] = damage(data, i);
  });
  return reasons;
}

DatasetPtr readable_pictures(const DatasetPtr& data, double cap, std::vector<BadFile>& bad) {
  const std::vector<std::string> reasons = damages(*data);
  std::vector<int64_t> good;
  for (int64_t i = 0; i < data->size(); ++i)
    if (const std::string& why = reasons[size_t(i)]; why.empty()) good.push_back(i);
    else bad.push_back({i, why});
  const int64_t damaged = data->size() - int64_t(good.size());
  if (damaged == 0) return data;
  if (good.empty() || double(damaged) > cap * double(data->size()))
    fail_beyond(cap, damaged, *data, bad.back());
  const std::string what = std::to_string(good.size()) + " readable pictures";
  return subset(data, std::move(good), what);
}

DatasetPtr first_readable(const DatasetPtr& data, int64_t count, double cap,
                          std::vector<BadFile>& bad) {
  std::vector<int64_t> good;
  int64_t damaged = 0;
  for (int64_t i = 0; i < data->size() && int64_t(good.size()) < count; ++i) {
    std::string why = damage(*data, i);
    if (why.empty()) good.push_back(i);
    else bad.push_back({i, std::move(why)}), ++damaged;
  }
  if (damaged && (good.empty() || double(damaged) > cap * double(data->size())))
    fail_beyond(cap, damaged, *data, bad.back());
  const std::string what = "the first " + std::to_string(good.size());
  return subset(data, std::move(good), what);
}

void warn_left_out(Progress& progress, const std::vector<BadFile>& bad) {
  for (const BadFile& b : bad) progress.warn(b.reason + ": left out");
  if (!bad.empty()) progress.warn(std::to_string(bad.size()) + " damaged pictures were left out");
}

}  // namespace autodidact
