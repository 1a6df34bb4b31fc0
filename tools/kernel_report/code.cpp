// An object file of nvcc has a section .nv_fatbin, and in it an ELF file for each chip. A kernel's
// instructions are that file's section .text.NAME, its properties are in .nv.info and
// .nv.info.NAME. NVIDIA describes neither; attribute numbers and bits are those that cuobjdump and
// nvdisasm 13 show; the widths were compared for all instances of eight objects on four chips.
#include "tools/kernel_report/code.h"
#include <cxxabi.h>
#include <elf.h>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <stdexcept>

namespace kernel_report {
namespace {

constexpr int kCuda = 190;  // e_machine
constexpr int kFrameSize = 0x11, kRegisterCount = 0x2f, kMostThreads = 0x05;

struct Bytes {
  const char* data;
  size_t size;
  template <class T>
  T at(size_t offset) const {
    if (offset + sizeof(T) > size) throw std::runtime_error("ends within its machine code");
    T value;
    memcpy(&value, data + offset, sizeof(T));
    return value;
  }
  Bytes part(uint64_t offset, uint64_t length) const {
    if (offset > size || length > size - offset)
      throw std::runtime_error("ends within its machine code");
    return {data + offset, size_t(length)};
  }
};

struct Section {
  std::string name;
  Elf64_Shdr header;
  Bytes bytes;
};

std::vector<Section> sections_of(Bytes elf) {
  auto header = elf.at<Elf64_Ehdr>(0);
  std::vector<Section> sections;
  for (int i = 0; i < header.e_shnum; ++i) {
    auto s = elf.at<Elf64_Shdr>(header.e_shoff + size_t(i) * sizeof(Elf64_Shdr));
    bool stored = s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL;
    sections.push_back({"", s, stored ? elf.part(s.sh_offset, s.sh_size) : Bytes{nullptr, 0}});
  }
  if (header.e_shstrndx >= sections.size()) throw std::runtime_error("has no names of sections");
  Bytes names = sections[header.e_shstrndx].bytes;
  for (Section& s : sections) {
    if (s.header.sh_name >= names.size) throw std::runtime_error("has a section without a name");
    s.name = names.data + s.header.sh_name;
  }
  return sections;
}

// "layernorm_forward_kernel<8, bf16>(LayerNormForward<bf16>)" of a mangled name.
std::string readable(const std::string& mangled) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), free);
  std::string name = status == 0 ? text.get() : mangled;
  name =
      std::regex_replace(name, std::regex("autodidact::|\\(anonymous namespace\\)::|^void "), "");
  return std::regex_replace(name, std::regex("> >"), ">>");
}

// f(attribute, its words) for each attribute that has words.
template <class F>
void for_attributes(Bytes info, F f) {
  for (size_t at = 0; at + 4 <= info.size;) {
    auto form = info.at<uint8_t>(at), attribute = info.at<uint8_t>(at + 1);
    size_t length = form == 4 ? info.at<uint16_t>(at + 2) : 0;  // others have a value in place
    if (length % 4 == 0 && length > 0) {
      std::vector<uint32_t> words(length / 4);
      memcpy(words.data(), info.part(at + 4, length).data, length);
      f(attribute, words);
    }
    at += 4 + length;
  }
}

// An instruction has 16 bytes: the opcode in bits 0 to 8, where its operands come from in 9 to 11,
// and of a memory access the size in bits 73 to 75; from sm_100 on, of a copy from global to shared
// memory, in bits 74 to 76.
void count(Code& code, Bytes instructions) {
  constexpr int kGenericLoad = 0x180, kGlobalLoad = 0x181, kLocalLoad = 0x183;
  constexpr int kGenericStore = 0x185, kGlobalStore = 0x186, kLocalStore = 0x187;
  constexpr int kGlobalToShared = 0x1ae, kTensorCores = 0x03c;
  constexpr int kSixteenBytes = 6;
  for (size_t at = 0; at + 16 <= instructions.size; at += 16) {
    auto low = instructions.at<uint64_t>(at), high = instructions.at<uint64_t>(at + 8);
    const int opcode = int(low & 0x1ff);
    const int size_bit = opcode == kGlobalToShared && code.chip >= 100 ? 10 : 9;
    int wide = (high >> size_bit & 7) == kSixteenBytes;
    switch (opcode) {
      case kGenericLoad:
      case kGlobalLoad:
      case kGlobalToShared:
        ++code.loads.all, code.loads.wide += wide;
        break;
      case kGenericStore:
      case kGlobalStore:
        ++code.stores.all, code.stores.wide += wide;
        break;
      case kLocalLoad:
      case kLocalStore:
        ++code.local;
        break;
      case kTensorCores:
        code.tensor_cores = true;
        break;
    }
  }
}

void read_chip(std::vector<Code>& all, const std::string& file, Bytes elf) {
  auto header = elf.at<Elf64_Ehdr>(0);
  const int chip = int(header.e_flags >> 8 & 0xff);
  const int of_system = chip >= 90 ? 1024 : 0;  // of a block's shared memory, if it has any
  std::map<std::string, Code> kernels;
  std::map<uint32_t, std::string> symbols;  // by number
  auto sections = sections_of(elf);
  auto names_after = [](const std::string& s, const char* prefix) {
    return s.rfind(prefix, 0) == 0 ? s.substr(strlen(prefix)) : std::string();
  };
  for (const Section& s : sections) {
    if (s.header.sh_type == SHT_SYMTAB) {
      if (s.header.sh_link >= sections.size()) throw std::runtime_error("has no names of symbols");
      Bytes names = sections[s.header.sh_link].bytes;
      for (size_t i = 0; i * sizeof(Elf64_Sym) < s.bytes.size; ++i) {
        auto symbol = s.bytes.at<Elf64_Sym>(i * sizeof(Elf64_Sym));
        if (symbol.st_name < names.size) symbols[uint32_t(i)] = names.data + symbol.st_name;
      }
    }
    if (auto name = names_after(s.name, ".text."); !name.empty()) {
      Code& code = kernels[name];
      code.file = file, code.name = readable(name), code.chip = chip;
      count(code, s.bytes);
    }
  }
  for (const Section& s : sections) {
    if (auto name = names_after(s.name, ".nv.shared."); kernels.count(name))
      kernels[name].static_shared = std::max(0, int(s.header.sh_size) - of_system);
    if (auto name = names_after(s.name, ".nv.info."); kernels.count(name))
      for_attributes(s.bytes, [&](int attribute, const std::vector<uint32_t>& words) {
        if (attribute == kMostThreads) kernels[name].most_threads = int(words[0]);
      });
    if (s.name == ".nv.info")
      for_attributes(s.bytes, [&](int attribute, const std::vector<uint32_t>& words) {
        if (words.size() != 2 || !kernels.count(symbols[words[0]])) return;
        Code& code = kernels[symbols[words[0]]];
        if (attribute == kRegisterCount) code.registers = int(words[1]);
        if (attribute == kFrameSize) code.stack = int(words[1]);
      });
  }
  for (auto& [name, code] : kernels) {
    if (code.registers == 0)
      throw std::runtime_error("does not say how many registers " + name + " has");
    all.push_back(code);
  }
}

}  // namespace

std::vector<Code> read_code(const std::string& object_file) {
  std::ifstream stream(object_file, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(stream), {}};
  std::string file = object_file.substr(object_file.rfind('/') + 1);
  file = file.substr(0, file.rfind(".o"));
  std::vector<Code> all;
  try {
    Bytes object{content.data(), content.size()};
    for (const Section& s : sections_of(object)) {
      if (s.name != ".nv_fatbin") continue;
      std::string_view fat(s.bytes.data, s.bytes.size);
      for (size_t at = 0; (at = fat.find(ELFMAG, at)) != fat.npos; at += SELFMAG) {
        Bytes elf = s.bytes.part(at, fat.size() - at);
        if (elf.at<Elf64_Ehdr>(0).e_machine == kCuda) read_chip(all, file, elf);
      }
    }
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(object_file + " " + error.what());
  }
  if (all.empty())
    throw std::runtime_error(object_file +
                             " has no machine code that can be read: is it compressed?");
  return all;
}

}  // namespace kernel_report
