#include "train/data/readable.h"
#include "engine/check.h"
#include "kernels/parallel.h"

namespace autodidact {

std::vector<std::string> damages(const Dataset& data) {
  std::vector<std::string> reasons(size_t(data.size()));
  parallel_for(data.size(), 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) try {
        if (!data.pixels(i)) data.image(i);
      } catch (const Error& e) {
        if (e.kind != ErrorKind::data) throw;
        reasons[size_t(i)] = e.what();
      }
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
    fail(ErrorKind::data, damaged, " of ", data->size(), " pictures of ", data->describe(),
         " are damaged, more than the cap of ", cap * 100, " %: ", bad.back().reason,
         "; `autodidact data check` lists them; remove them, or raise the cap (--cap)");
  const std::string what = std::to_string(good.size()) + " readable pictures";
  return subset(data, std::move(good), what);
}

}  // namespace autodidact
