#include "shadow.h"
#include <algorithm>
#include "machine.h"
#include "source_line.h"

namespace emulator {

static constexpr size_t kMostFindings = 8, kMostPages = 1 << 14;

Shadow& shadow() {
  static Shadow s;
  return s;
}
bool watching = false;
static bool switched_on = true;
bool watches_memory() { return watching; }
void watch(bool on) { switched_on = on; }

static bool own_memory = false;
OwnMemory::OwnMemory() : before_(std::exchange(own_memory, true)) {}
OwnMemory::~OwnMemory() { own_memory = before_; }

static void note(const volatile void* address, size_t bytes, Kind kind, Phase phase, void* code) {
  if (!machine || !machine->running || own_memory || !switched_on) return;
  OwnMemory scope;
  shadow().access(reinterpret_cast<uintptr_t>(address), bytes, kind, phase, code);
}
void note(const volatile void* address, size_t bytes, Kind kind, void* code) {
  note(address, bytes, kind, Phase::access, code);
}
void note_copy(const void* to, size_t bytes, bool landed, void* code) {
  note(to, bytes, Kind::write, landed ? Phase::copy_landed : Phase::copy_issued, code);
}
void atomic_access(const volatile void* address, size_t bytes, void* code) {
  note(address, bytes, Kind::atomic, code);
}
void forbid(const void* begin, size_t bytes) {
  shadow().forbid(reinterpret_cast<uintptr_t>(begin), bytes);
}
void permit(const void* begin) { shadow().permit(reinterpret_cast<uintptr_t>(begin)); }

void Shadow::begin_launch() {
  findings_.clear(), found_.clear();
  lanes_.clear();
  if (pages_.size() > kMostPages) {  // 64 MiB watched: start anew
    pages_.clear(), last_ = nullptr;
    auto zones = std::move(forbidden_);
    forbidden_.clear();
    for (auto [begin, bytes] : zones) forbid(begin, bytes);
  }
}

Shadow::Page& Shadow::page(uintptr_t number) {
  if (last_ && number == last_number_) return *last_;
  std::unique_ptr<Page>& p = pages_[number];
  if (!p) {
    p = std::make_unique<Page>();
    p->cells.resize(kPage / p->unit);
  }
  last_number_ = number, last_ = p.get();
  return *p;
}

void Shadow::forbid(uintptr_t begin, size_t bytes) {
  if (bytes == 0) return;
  forbidden_[begin] = bytes;
  for (uintptr_t n = begin / kPage; n <= (begin + bytes - 1) / kPage; ++n)
    page(n).has_forbidden = true;
}
void Shadow::permit(uintptr_t begin) { forbidden_.erase(begin); }

static const char* verb(Kind k) {
  return k == Kind::read ? "reads" : k == Kind::write ? "writes" : "updates (atomic)";
}
static std::string place(uintptr_t address) {
  uintptr_t shared = reinterpret_cast<uintptr_t>(shared_zone().memory);
  if (address - shared < kMaxShared)
    return "shared memory, byte " + std::to_string(address - shared);
  return "global memory";
}

void Shadow::access(uintptr_t address, size_t bytes, Kind kind, Phase phase, void* return_address) {
  if (on_a_stack(address) || bytes == 0) return;
  uint32_t code = short_address(return_address);
  ++total.accesses;
  const SharedZone& zone = shared_zone();
  uintptr_t begin = reinterpret_cast<uintptr_t>(zone.begin);
  if (address - begin < uintptr_t(zone.end - zone.begin)) {
    ptrdiff_t offset = reinterpret_cast<unsigned char*>(address) - zone.memory;
    if (offset < 0 || size_t(offset) + bytes > machine->shared_bytes)
      return find({code, 0}, machine->thread_name(machine->running->id) + " of block " +
                                 machine->block_name(machine->block) + " " + verb(kind) +
                                 " outside of shared memory: " + std::to_string(bytes) +
                                 " bytes at offset " + std::to_string(offset) + " of " +
                                 std::to_string(machine->shared_bytes) + ", at " +
                                 source_line(full_address(code)));
  }
  while (bytes) {
    size_t here = std::min<size_t>(bytes, kPage - address % kPage);
    access_in_page(page(address / kPage), address, here, kind, phase, code);
    address += here, bytes -= here;
  }
}

void Shadow::access_in_page(Page& page, uintptr_t address, size_t bytes, Kind kind, Phase phase,
                            uint32_t code) {
  if (page.has_forbidden)
    for (auto [begin, size] : forbidden_)
      if (address < begin + size && begin < address + bytes)
        return find({code, 0}, machine->thread_name(machine->running->id) + " of block " +
                                   machine->block_name(machine->block) + " " + verb(kind) +
                                   " outside of a buffer: " + std::to_string(bytes) + " bytes at " +
                                   source_line(full_address(code)));
  while ((address | bytes) % page.unit) {  // finer cells: each half has seen what the whole has
    std::vector<Cell> finer(page.cells.size() * 2);
    for (size_t i = 0; i < finer.size(); ++i) finer[i] = page.cells[i / 2];
    page.cells = std::move(finer);
    page.unit /= 2;
  }
  const Thread& t = *machine->running;
  Access now{code, machine->warps[t.warp].clock[t.lane][t.lane], t.id};
  size_t first = address % kPage / page.unit;
  for (size_t i = first; i < first + bytes / page.unit; ++i)
    check(page.cells[i], address + (i - first) * page.unit, kind, phase, now);
}

// Has the running thread synchronised with what `before` (same block, same epoch) did?
bool Shadow::ordered(const Access& before) const {
  const Thread& t = *machine->running;
  if (before.thread == t.id) return true;
  if (before.thread / kWarp != t.warp) return false;
  return machine->warps[t.warp].clock[t.lane][before.thread % kWarp] >= before.clock;
}

void Shadow::check(Cell& c, uintptr_t address, Kind kind, Phase phase, const Access& now) {
  const Machine& m = *machine;
  bool in_shared = address - reinterpret_cast<uintptr_t>(shared_zone().memory) < kMaxShared;
  if (c.launch != m.launch_id) {
    c = Cell{};
    c.launch = m.launch_id, c.block = m.block, c.epoch = m.epoch;
  } else if (c.block != m.block) {
    Cell fresh;
    fresh.launch = m.launch_id, fresh.block = m.block, fresh.epoch = m.epoch;
    if (!in_shared)  // shared memory is each block's own
      for (int k = 0; k < 3; ++k) fresh.past[k] = c.code[k] ? Past{c.code[k], c.block} : c.past[k];
    c = fresh;
  } else if (c.epoch != m.epoch) {
    c.epoch = m.epoch;
    c.write = {}, c.reads = {}, c.atomics = {};
  }

  if (phase == Phase::copy_landed) {
    c.copy = {};
  } else if (c.copy.code) {
    return race(address, kind, now.code, Kind::write, c.copy.code,
                "a copy of " + m.thread_name(c.copy.thread) + ", under way,",
                "no wait for that copy between them");
  }
  if (in_shared && kind != Kind::write && !c.code[int(Kind::write)] && !c.code[int(Kind::atomic)])
    find({now.code, 1}, m.thread_name(now.thread) + " of block " + m.block_name(m.block) + " " +
                            verb(kind) + " " + place(address) +
                            ", which nothing has written in this block, at " +
                            source_line(full_address(now.code)));

  for (int k = 0; k < 3; ++k) {  // other blocks
    Kind was = Kind(k);
    bool harmless = was == kind && kind != Kind::write;
    if (c.past[k].code && !harmless)
      race(address, kind, now.code, was, c.past[k].code,
           "of block " + m.block_name(c.past[k].block), "nothing orders two blocks of one launch");
  }
  if (c.write.code && !ordered(c.write))
    race(address, kind, now.code, Kind::write, c.write.code, m.thread_name(c.write.thread),
         c.write.thread / kWarp == now.thread / kWarp ? "no __syncwarp between them"
                                                      : "no __syncthreads between them");
  if (kind != Kind::read) check_group(c.reads, address, kind, Kind::read, now);
  if (kind != Kind::atomic) check_group(c.atomics, address, kind, Kind::atomic, now);

  if (phase == Phase::copy_issued) {
    c.copy = now;
    return;
  }
  c.code[int(kind)] = now.code;
  if (kind == Kind::write) c.write = now, c.reads = {}, c.atomics = {};
  else add(kind == Kind::read ? c.reads : c.atomics, now);
}

void Shadow::check_group(const Group& g, uintptr_t address, Kind kind, Kind was,
                         const Access& now) {
  if (!g.one.code) return;
  const Access* culprit = nullptr;
  Access lane;
  if (g.one.thread / kWarp != now.thread / kWarp) culprit = &g.one;
  else if (g.other.code) culprit = &g.other;
  else if (!g.lanes) culprit = ordered(g.one) ? nullptr : &g.one;
  else
    for (unsigned l = 0; l < kWarp && !culprit; ++l)
      if (lanes_[g.lanes - 1].mask >> l & 1) {
        lane = {lanes_[g.lanes - 1].code[l], lanes_[g.lanes - 1].clock[l],
                now.thread / kWarp * kWarp + l};
        if (!ordered(lane)) culprit = &lane;
      }
  if (culprit)
    race(address, kind, now.code, was, culprit->code, machine->thread_name(culprit->thread),
         culprit->thread / kWarp == now.thread / kWarp ? "no __syncwarp between them"
                                                       : "no __syncthreads between them");
}

void Shadow::add(Group& g, const Access& now) {
  if (!g.one.code || (g.one.thread == now.thread && !g.lanes)) {
    g.one = now;
    return;
  }
  if (g.one.thread / kWarp != now.thread / kWarp) {
    if (!g.other.code) g.other = now;
    return;
  }
  if (g.other.code) return;  // two warps already conflict with any thread
  if (lanes_block_ != machine->block || lanes_epoch_ != machine->epoch) {
    lanes_.clear();  // no cell of this epoch refers to them
    lanes_block_ = machine->block, lanes_epoch_ = machine->epoch;
  }
  auto put = [](Lanes& l, const Access& a) {
    l.mask |= 1u << a.thread % kWarp;
    l.clock[a.thread % kWarp] = a.clock, l.code[a.thread % kWarp] = a.code;
  };
  if (!g.lanes) {
    lanes_.push_back({});
    g.lanes = uint32_t(lanes_.size());
    put(lanes_.back(), g.one);
  }
  put(lanes_[g.lanes - 1], now);
}

void Shadow::race(uintptr_t address, Kind kind, uint32_t code, Kind was, uint32_t was_code,
                  const std::string& was_who, const std::string& why) {
  if (found_.count(std::minmax(code, was_code)) || findings_.size() >= kMostFindings) return;
  const Machine& m = *machine;
  find(std::minmax(code, was_code),
       "race in " + place(address) + ": " + m.thread_name(m.running->id) + " of block " +
           m.block_name(m.block) + " " + verb(kind) + " at " + source_line(full_address(code)) +
           "; " + was_who + " " + verb(was) + " at " + source_line(full_address(was_code)) + "; " +
           why);
}

void Shadow::find(std::pair<uint32_t, uint32_t> places, const std::string& text) {
  if (findings_.size() < kMostFindings && found_.insert(places).second) findings_.push_back(text);
}

}  // namespace emulator
