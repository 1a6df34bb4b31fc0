// Pictures rebuilt by a masked autoencoder, honestly: of a hidden patch nothing is used that was
// not visible, unless it is asked for by name.
#pragma once
#include "train/data/dataset.h"
#include "train/mae.h"
#include "train/pictures/canvas.h"

namespace autodidact {

// Pictures as numbers in [0, 1], f32 [N, side, side, 3], and what was rebuilt of them.
struct Reconstruction {
  Tensor truth, rebuilt;  // rebuilt: what the network says of every patch, the visible ones too
  PatchMask mask;
  int patch = 0;
};

// Where the target was normalised patches, what gives them a mean and a deviation again.
enum class Statistics {
  visible,  // the mean over the picture's visible patches of theirs
  truth     // the hidden patch's own: a leak, for those who want the released code's pictures
};

// images: as the network sees them, normalised.
Reconstruction reconstruct(const MaskedTraining& mae, const Tensor& images, const PatchMask& mask,
                           Statistics statistics = Statistics::visible);

// Mean squared error over the hidden patches' numbers, of `filled` against truth.
double hidden_error(const Tensor& filled, const Tensor& truth, const PatchMask& mask, int patch);

// [N, side, side, 3] in [0, 1] with the hidden patches in grey; or from another tensor.
Tensor masked(const Tensor& truth, const PatchMask& mask, int patch, const Tensor& instead = {});
Image image_of(const Tensor& pictures, int n);  // numbers in [0, 1], cut off beyond

// The first pictures of a data set as the network takes them.   f32 or bf16 [count, side, side, 3]
Tensor first_pictures(const Dataset& data, int count, int side, const Normalization& n,
                      Dtype dtype);

// FOLDER/epoch-00004.safetensors: what the network rebuilds of the first pictures at this point of
// training, damaged ones left out; and a picture of all such files, a column an epoch.
void keep_reconstruction(const MaskedTraining& mae, const DatasetPtr& data, int64_t epoch,
                         uint64_t seed, Dtype dtype, const std::string& folder);
ImageGrid over_epochs(const std::string& folder);

}  // namespace autodidact
