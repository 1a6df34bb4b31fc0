#include "source_line.h"
#include <elf.h>
#include <unistd.h>
#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>
#include <vector>

extern "C" const Elf64_Ehdr __executable_start;  // from the linker: the program's first bytes

namespace emulator {

uint32_t short_address(void* a) {
  return uint32_t(reinterpret_cast<uintptr_t>(a) -
                  reinterpret_cast<uintptr_t>(&__executable_start));
}
uintptr_t full_address(uint32_t a) { return reinterpret_cast<uintptr_t>(&__executable_start) + a; }

std::string without_source_folder(const std::string& path) {
  // ccache makes paths relative to the build folder.
  std::string full = (std::filesystem::path(BINARY_DIR) / path).lexically_normal().string();
  for (const char* folder : {BINARY_DIR "/", SOURCE_DIR "/"})
    if (full.rfind(folder, 0) == 0) return full.substr(std::char_traits<char>::length(folder));
  return full;
}

namespace {

struct Frame {
  std::string function, place;
};

// Innermost first: what addr2line -f -i prints, two lines a frame.
std::vector<Frame> frames(uintptr_t address) {
  static std::map<uintptr_t, std::vector<Frame>> known;
  if (auto found = known.find(address); found != known.end()) return found->second;
  char program[4096];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  std::vector<Frame> result;
  if (length > 0) {
    program[length] = 0;
    uintptr_t base = reinterpret_cast<uintptr_t>(&__executable_start);
    bool relocated = __executable_start.e_type == ET_DYN;
    std::ostringstream command;
    command << "addr2line -C -f -i -e '" << program << "' 0x" << std::hex
            << (relocated ? address - base : address) << " 2>/dev/null";
    if (FILE* pipe = popen(command.str().c_str(), "r")) {
      std::string text;
      char part[4096];
      while (size_t n = fread(part, 1, sizeof part, pipe)) text.append(part, n);
      pclose(pipe);
      std::istringstream lines(text);
      Frame f;
      while (std::getline(lines, f.function) && std::getline(lines, f.place)) {
        if (f.place.rfind("??", 0) == 0 || f.place.rfind(":0") == f.place.size() - 2) continue;
        f.place = without_source_folder(f.place.substr(0, f.place.find(" (")));
        result.push_back(f);
      }
    }
  }
  return known[address] = result;
}

std::string offset(uintptr_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "program+0x%x",
                unsigned(short_address(reinterpret_cast<void*>(address))));
  return text;
}

}  // namespace

std::string source_line(uintptr_t return_address) {
  std::string text;
  std::string before;
  for (const Frame& f : frames(return_address - 1)) {  // inside the call instruction
    if (f.place.find("cuda_emulator.h:") != std::string::npos) continue;
    // What the launch itself does is no news.
    if (f.place.find("kernels/platform.h:") != std::string::npos) break;
    if (f.place == before) continue;
    text += (text.empty() ? "" : ", called at ") + f.place;
    before = f.place;
  }
  return text.empty() ? offset(return_address) : text;
}

std::string function_name(const void* function) {
  uintptr_t address = reinterpret_cast<uintptr_t>(function);
  std::vector<Frame> f = frames(address);
  if (f.empty()) return offset(address);
  std::string name = f.back().function;
  // "void autodidact::kernel<float>(autodidact::Arguments<float>)" -> "kernel<float>"
  int depth = 0;
  size_t end = name.size();
  for (size_t i = 0; i < name.size(); ++i) {
    depth += (name[i] == '<') - (name[i] == '>');
    if (depth == 0 && name[i] == '(' && name.compare(i, 11, "(anonymous ") != 0) {
      end = i;
      break;
    }
  }
  size_t begin = 0;
  depth = 0;
  for (size_t i = 0; i < end; ++i) {
    depth += (name[i] == '<') - (name[i] == '>');
    if (depth == 0 && (name[i] == ' ' || name[i] == ':')) begin = i + 1;
  }
  return name.substr(begin, end - begin);
}

}  // namespace emulator
