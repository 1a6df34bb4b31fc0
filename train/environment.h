// What this program is and what it runs on: environment.json of a run, and `autodidact doctor`.
#pragma once
#include <nlohmann/json.hpp>

namespace autodidact {

// version, compiler, build, device_code, cpu {model, class, best_class, bf16_instructions,
// threads}, memory_bytes, gpu {usable, count, driver, reason, vendor [{name, version, used,
// reason}]}, libraries {name: version}, host, system.
nlohmann::ordered_json environment();

}  // namespace autodidact
