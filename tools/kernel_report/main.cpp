// kernel_report [--markdown] TABLE OBJECT...: what ptxas made of every kernel instance, and the
// time that a reference shape cannot go below. Exit code 1 where an instance uses local memory,
// does not fit a chip, has no row in the table, or is bound by memory and does not move 16 bytes at
// a time. Called by tools/kernel-report.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <stdexcept>
#include "tools/kernel_report/chips.h"
#include "tools/kernel_report/code.h"
#include "tools/kernel_report/table.h"

namespace kernel_report {
namespace {

struct Instance {
  Code code;
  const Row* row = nullptr;
  Work work{};
  int blocks = 0;         // of a multiprocessor
  double occupancy = 0;   // warps there / warps that it can hold
  bool memory = false;    // bounds it, on an H200
  bool fallback = false;  // for odd sizes
  std::vector<std::string> faults;

  bool needs(bool asked) const { return asked && memory && !fallback; }
  std::string bound() const { return memory ? "memory" : code.tensor_cores ? "mma" : "fma"; }
  double microseconds(const Board& board) const {
    return 1e6 * roofline_s(board, work.bytes, work.flops, code.tensor_cores);
  }
};

const Chip& chip_of(int number) {
  for (const Chip& c : kChips)
    if (c.number == number) return c;
  throw std::runtime_error("sm_" + std::to_string(number) + ": its limits are not in chips.h");
}

Instance judged(const Code& code, const std::vector<Row>& table) {
  Instance i;
  i.code = code;
  const Chip& chip = chip_of(code.chip);
  if (code.local > 0 || code.stack > 0)
    i.faults.push_back("uses local memory: " + std::to_string(code.stack) + " bytes, " +
                       std::to_string(code.local) + " accesses");
  for (const Row& row : table)
    if (is_of(row, code.file, code.name)) {
      if (i.row) i.faults.push_back("has two rows in the table");
      i.row = &row;
    }
  if (!i.row) {
    i.faults.push_back("has no row in the table");
    return i;
  }
  i.work = work_of(*i.row, code.name);
  i.blocks =
      resident_blocks(chip, i.work.threads, code.registers, i.work.shared + code.static_shared);
  i.occupancy = double(i.blocks * ((i.work.threads + 31) / 32)) / chip.warps;
  i.memory = bound_by_memory(kH200, i.work.bytes, i.work.flops, code.tensor_cores);
  i.fallback = is_fallback(*i.row, code.name);
  if (i.blocks == 0) i.faults.push_back("does not fit a multiprocessor");
  if (code.most_threads > 0 && i.work.threads > code.most_threads)
    i.faults.push_back("is launched with more threads than its launch bounds");
  if (i.needs(i.row->reads) && code.loads.wide == 0)
    i.faults.push_back("is bound by memory and reads no 16 bytes at a time");
  if (i.needs(i.row->writes) && code.stores.wide == 0)
    i.faults.push_back("is bound by memory and writes no 16 bytes at a time");
  return i;
}

// ---- plain: a line an instance

std::string kernel_of(const Code& c) { return c.name.substr(0, c.name.find('(')); }

void print_lines(const std::vector<Instance>& all) {
  int chip = 0;
  for (const Instance& i : all) {
    if (i.code.chip != chip) {
      chip = i.code.chip;
      printf("\nsm_%d\n%4s %5s %5s %6s %7s %6s %4s %7s %7s %8s %7s %8s %8s %6s  %s\n", chip, "regs",
             "stack", "local", "static", "dynamic", "blocks", "occ", "loads16", "stores16", "MB",
             "GFLOP", "H100 us", "H200 us", "bound", "kernel (us: predicted, roofline)");
    }
    printf(
        "%4d %5d %5d %6d %7d %6d %3.0f%% %3d/%-3d %4d/%-3d %8.2f %7.2f %8.2f %8.2f %6s  %s: %s%s\n",
        i.code.registers, i.code.stack, i.code.local, i.code.static_shared, i.work.shared, i.blocks,
        100 * i.occupancy, i.code.loads.wide, i.code.loads.all, i.code.stores.wide,
        i.code.stores.all, i.work.bytes / 1e6, i.work.flops / 1e9, i.microseconds(kH100),
        i.microseconds(kH200), i.bound().c_str(), i.code.file.c_str(), kernel_of(i.code).c_str(),
        i.fallback ? " (odd sizes)" : "");
  }
}

// ---- markdown: a line a row of the table and element type

std::string range(int least, int most) {
  return least == most ? std::to_string(most) : std::to_string(least) + "-" + std::to_string(most);
}
std::string rounded(double v) {
  char text[32];
  snprintf(text, sizeof text, v < 10 ? "%.2f" : v < 100 ? "%.1f" : "%.0f", v);
  return text;
}

// Instances of one row, chip and element type: those that differ in a formula or a flag.
struct Group {
  std::vector<const Instance*> instances;
  const Instance& first() const { return *instances.front(); }
  template <class F>
  std::string over(F f) const {
    int least = f(first()), most = least;
    for (const Instance* i : instances)
      least = std::min(least, f(*i)), most = std::max(most, f(*i));
    return range(least, most);
  }
};

// The same numbers to every instance of a group: sizes and dimensions from the template arguments.
std::string group_of(const Instance& i) {
  char key[256];
  snprintf(key, sizeof key, "%d|%d|%d|%a|%a", i.row->line, i.work.threads, i.work.shared,
           i.work.bytes, i.work.flops);
  return i.code.file + "|" + key + (i.fallback ? "|odd" : "");
}

std::string accesses(const Group& g, bool asked, Accesses Code::*member) {
  if ((g.first().code.*member).all == 0) return "";
  std::string counts = g.over([&](const Instance& i) { return (i.code.*member).wide; }) + "/" +
                       g.over([&](const Instance& i) { return (i.code.*member).all; });
  return g.first().needs(asked) ? "**" + counts + "**" : counts;
}

std::string part_of(const Row& row) { return row.part.substr(0, row.part.find('<')); }

void print_family(const std::string& file, const std::vector<const Group*>& groups) {
  printf("\n### %s\n", file.c_str());
  printf(
      "| kernel (instances) | shape | regs | shared | blocks, occupancy | reads, writes of 16 | MB "
      "| GFLOP | H100 us | H200 us | bound |\n");
  printf("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Group* g : groups) {
    const Instance& i = g->first();
    std::string label = "`" + kernel_of(i.code) + "`";
    if (g->instances.size() > 1) {
      label = "`" + i.row->kernel + "`";
      if (!i.row->part.empty() && i.row->part != file) label += " " + part_of(*i.row);
      label += i.code.name.find("bf16") != std::string::npos ? ", bf16" : ", f32";
      label += " (" + std::to_string(g->instances.size()) + ")";
    }
    printf("| %s | %s | %s | %d | %s, %.0f %% | %s; %s | %s | %s | %s | %s | %s |\n", label.c_str(),
           i.row->shape.c_str(),
           g->over([](const Instance& x) { return x.code.registers; }).c_str(),
           i.work.shared + i.code.static_shared,
           g->over([](const Instance& x) { return x.blocks; }).c_str(), 100 * i.occupancy,
           accesses(*g, i.row->reads, &Code::loads).c_str(),
           accesses(*g, i.row->writes, &Code::stores).c_str(), rounded(i.work.bytes / 1e6).c_str(),
           i.work.flops == 0 ? "" : rounded(i.work.flops / 1e9).c_str(),
           rounded(i.microseconds(kH100)).c_str(), rounded(i.microseconds(kH200)).c_str(),
           i.bound().c_str());
  }
}

void print_markdown(const std::vector<Instance>& all, const std::vector<Row>& table, int detailed) {
  std::map<std::string, std::map<std::string, Group>> families;
  std::vector<std::string> order;
  for (const Instance& i : all)
    if (i.code.chip == detailed && i.row && !i.fallback)
      families[i.code.file][group_of(i)].instances.push_back(&i);
  printf("\n## sm_%d, by family\n", detailed);
  for (auto& [file, groups] : families) {
    std::vector<const Group*> sorted;
    for (auto& [key, group] : groups) sorted.push_back(&group);
    std::stable_sort(sorted.begin(), sorted.end(), [](const Group* a, const Group* b) {
      return a->first().row->line < b->first().row->line;
    });
    print_family(file, sorted);
  }

  printf(
      "\n## Every chip, by family\nRegisters of a thread (least-most), local memory, and the "
      "lowest "
      "occupancy at the reference shapes.\n\n| family |");
  for (const Chip& c : kChips) printf(" sm_%d |", c.number);
  printf("\n| --- |");
  for (size_t c = 0; c < std::size(kChips); ++c) printf(" --- |");
  for (auto& [file, groups] : families) {
    printf("\n| %s |", file.c_str());
    for (const Chip& c : kChips) {
      int count = 0, least = 255, most = 0, local = 0;
      double occupancy = 1;
      for (const Instance& i : all)
        if (i.code.file == file && i.code.chip == c.number) {
          ++count, least = std::min(least, i.code.registers),
                   most = std::max(most, i.code.registers);
          local = std::max(local, i.code.stack), occupancy = std::min(occupancy, i.occupancy);
        }
      if (count == 0) printf(" |");
      else
        printf(" %d instances: %s, %d B, %.0f %% |", count, range(least, most).c_str(), local,
               100 * occupancy);
    }
  }

  printf("\n\n## Not made of 16-byte accesses, and why\n| kernel | reason |\n| --- | --- |\n");
  for (const Row& row : table)
    if (!row.reason.empty())
      printf("| `%s` %s | %s |\n", row.kernel.c_str(), part_of(row).c_str(), row.reason.c_str());
}

int report(int argc, char** argv) {
  bool markdown = argc > 1 && strcmp(argv[1], "--markdown") == 0;
  int first = markdown ? 2 : 1;
  if (argc < first + 2)
    throw std::runtime_error("usage: kernel_report [--markdown] TABLE OBJECT...");
  const std::vector<Row> table = read_table(argv[first]);
  std::vector<Instance> all;
  for (int a = first + 1; a < argc; ++a)
    for (const Code& code : read_code(argv[a])) all.push_back(judged(code, table));
  std::stable_sort(all.begin(), all.end(),
                   [](const Instance& a, const Instance& b) { return a.code.chip < b.code.chip; });
  if (markdown) print_markdown(all, table, 90);
  else print_lines(all);
  putchar('\n');

  int local = 0, narrow = 0, failed = 0;
  std::map<int, int> chips;
  std::map<std::string, std::vector<int>> faults;  // chips that have it
  for (const Instance& i : all) {
    ++chips[i.code.chip];
    failed += !i.faults.empty();
    for (const std::string& fault : i.faults) {
      local += fault.find("local memory") != fault.npos;
      narrow += fault.find("16 bytes") != fault.npos;
      faults[i.code.file + ": " + kernel_of(i.code) + " " + fault].push_back(i.code.chip);
    }
  }
  for (const auto& [fault, of] : faults) {
    printf("FAULT: %s (", fault.c_str());
    for (size_t c = 0; c < of.size(); ++c) printf("%ssm_%d", c == 0 ? "" : ", ", of[c]);
    printf(")\n");
  }
  for (const Row& row : table) {
    bool used = false;
    for (const Instance& i : all) used = used || i.row == &row;
    if (!used) fprintf(stderr, "unused row: %s %s\n", row.kernel.c_str(), row.part.c_str());
  }
  printf(
      "%zu instances on %zu chips: %d with local memory, %d bound by memory without 16-byte "
      "accesses, %d with a fault\n",
      all.size(), chips.size(), local, narrow, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace kernel_report

int main(int argc, char** argv) {
  try {
    return kernel_report::report(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "kernel_report: %s\n", error.what());
    return 2;
  }
}
