// The two parts of a source that training and judging need: what is learned from, and what is
// tested on and nothing else.
#pragma once
#include "train/data/dataset.h"

namespace autodidact {

// The training split. SRC may name it (:train); ErrorKind::usage where it names another split,
// which would then be both.
DatasetPtr open_training_split(const std::string& source, SourceOptions options);

// The split that is not trained on: test, or val where there is no test split. A ":train" that SRC
// ends in does not count. Null where SRC has neither. notes: a line for people is added where it is
// not "test".
DatasetPtr open_test_split(const std::string& source, SourceOptions options, std::string& notes);

// SRC as a source of test pictures: the split that it names, its test or val split, or all of it
// where it is not divided. ErrorKind::data where it has a training split alone.
DatasetPtr open_test_pictures(const std::string& source, SourceOptions options, std::string& notes);

// The samples that have a label; a line is added to notes where some have none. ErrorKind::data
// where all lack one. Data without classes stays as it is.
DatasetPtr labelled(DatasetPtr data, std::string& notes);

}  // namespace autodidact
