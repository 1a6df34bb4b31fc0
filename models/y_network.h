// The Y-shaped network of Test-Time Training (Sun et al. 2020, figure 1): blocks that two tasks
// share, then a branch for the main task and one for the self-supervised task. As in the released
// code the self-supervised branch begins as a copy of the main branch's blocks, with a linear head
// of its own. Names: the main path has the network's own, the self-supervised branch lies under
// `head`.
#pragma once
#include <algorithm>
#include <optional>
#include "models/encoder.h"

namespace autodidact {

struct SelfSupervisedBranch {
  std::unique_ptr<Encoder> encoder;  // its first blocks are the main path's: they are not used
  int first;                         // block of this branch
  Linear fc;

  Tensor operator()(const Tensor& shared) const {
    Tensor x = shared;
    for (int i = first; i < encoder->block_count(); ++i) x = encoder->block(i, x);
    return fc(encoder->pool(x));
  }
  void visit(Visitor& v) {
    for (int i = first; i < encoder->block_count(); ++i) encoder->visit_block(i, v);
    v("fc", fc);
  }
};

struct YNetwork {
  std::unique_ptr<Encoder> encoder;  // the shared blocks and those of the main branch
  Linear fc;
  int split;                                   // blocks that are shared
  std::optional<SelfSupervisedBranch> branch;  // none: a network trained on the main task alone

  // split_after: the last block that is shared. ErrorKind::usage: the network has no such block.
  YNetwork(const EncoderOptions& options, const std::string& split_after, int classes, int answers,
           Rng& rng)
      : YNetwork(options, split_after, classes, answers, rng, Rng(rng)) {}

  Tensor shared(const Tensor& images) const { return blocks(0, split, images); }
  Tensor main(const Tensor& shared_maps) const {  // [N, classes]
    return fc(encoder->pool(blocks(split, encoder->block_count(), shared_maps)));
  }
  Tensor operator()(const Tensor& images) const { return main(shared(images)); }
  Tensor self_supervised(const Tensor& images) const {  // [N, answers]
    check(branch.has_value(), "y network: it has no self-supervised branch");
    return (*branch)(shared(images));
  }
  void visit(Visitor& v) {
    encoder->visit(v);
    v(encoder->head_name(), fc);
    if (branch) v("head", *branch);
  }

 private:
  // The same random numbers again make the second encoder's weights those of the first.
  YNetwork(const EncoderOptions& options, const std::string& split_after, int classes, int answers,
           Rng& rng, Rng again)
      : encoder(make_encoder(options, rng)),
        fc(encoder->dim(), classes, rng),
        split(blocks_up_to(split_after)) {
    if (answers > 0)
      branch.emplace(SelfSupervisedBranch{make_encoder(options, again), split,
                                          Linear(encoder->dim(), answers, rng)});
  }
  int blocks_up_to(const std::string& name) const {
    const auto names = encoder->block_names();
    const auto found = std::find(names.begin(), names.end(), name);
    std::string known;
    for (auto& n : names) known += (known.empty() ? "" : ", ") + n;
    if (found == names.end())
      fail(ErrorKind::usage, "split: one of ", known, " is a block of this network, got ", name);
    return int(found - names.begin()) + 1;
  }
  Tensor blocks(int begin, int end, Tensor x) const {
    for (int i = begin; i < end; ++i) x = encoder->block(i, x);
    return x;
  }
};

}  // namespace autodidact
