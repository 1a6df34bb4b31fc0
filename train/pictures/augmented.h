// What a network sees in training: pictures and their augmentations, row by row.
#pragma once
#include "train/augment.h"
#include "train/data/dataset.h"
#include "train/pictures/canvas.h"
#include "train/recipe.h"
#include "train/views.h"

namespace autodidact {

// A row a sample: the picture as it is at side x side, then its augmentations of epochs 0, 1, ...,
// versions - 1, with the normalisation undone and the quarter turns written below. For
// Rotation::all the four turns of each epoch stand side by side.
ImageGrid augmented_grid(const DatasetPtr& data, const std::vector<int64_t>& samples, int side,
                         const Augmentation& augmentation, int versions);

// The same for contrastive learning: the two views of each epoch side by side.
ImageGrid view_grid(const DatasetPtr& data, const std::vector<int64_t>& samples, int side,
                    const ViewOptions& views, int epochs);

// What training by this recipe draws: crops, flips, turns and the seed. Other keys are not read.
Augmentation augmentation_of(Recipe& recipe);
// The same for a recipe of contrastive learning, which says how large its crops are.
bool draws_views(const Recipe& recipe);
ViewOptions views_of(Recipe& recipe);

}  // namespace autodidact
