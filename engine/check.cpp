#include "engine/check.h"

namespace autodidact {
static_assert(int(ErrorKind::checkpoint) == 6, "the kinds are the program's exit codes");
}
