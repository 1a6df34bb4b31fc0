// Names of files and classes as they are shown: a name may hold newlines, control characters or
// bytes that are not UTF-8, and a message or a JSON line must not.
#pragma once
#include <string>
#include <string_view>

namespace autodidact {

// Valid UTF-8 stays as it is; control characters, backslashes and stray bytes become \n, \t, \\ or
// \xNN.
std::string printable(std::string_view name);

}  // namespace autodidact
