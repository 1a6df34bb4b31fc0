// Features in files that other programs read.
//   .npy          float32 [pictures, numbers]
//   .csv          a head line, then: name, class, numbers with 9 significant digits (exact in
//   float) .safetensors  features (f32), labels (i32, -1: none); names, classes and the block as
//   metadata
#pragma once
#include <string>
#include "train/evaluate/features.h"

namespace autodidact {

// ErrorKind::usage where the ending is none of the three.
void check_feature_file(const std::string& path);
// The first block of `features`; `data`: pictures_of its rows. Damaged pictures have none, which
// the names in .csv and .safetensors tell.
void write_features(const std::string& path, const Features& features, const Dataset& data,
                    const Subject& subject);

}  // namespace autodidact
