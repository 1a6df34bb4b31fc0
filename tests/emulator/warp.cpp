// Calls that the lanes of a warp make together: shuffles, votes, __syncwarp, matrices
// (matrices.cpp). Each lane that the mask names waits until all of them have made the same call
// with the same mask; the last one hands out the results.
#include <algorithm>
#include <cstdio>
#include "machine.h"

namespace emulator {

std::string hex(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

uint64_t Machine::warp_call(WarpOp op, unsigned mask, uint64_t value, int operand, int width,
                            Site site) {
  Thread& t = *running;
  Warp& w = warps[t.warp];
  t.op = op, t.mask = mask, t.value = value, t.operand = operand, t.width = width, t.site = site;
  if (!(mask >> t.lane & 1))
    fail("lane " + std::to_string(t.lane) + " calls " + name(op) + " with mask " + hex(mask) +
         ", which does not name it, at " + describe(site));
  if (width < 1 || width > 32 || (width & (width - 1)))
    fail(std::string(name(op)) + ": the width must be a power of two up to 32, got " +
         std::to_string(width) + ", at " + describe(site));
  for (unsigned l = 0; l < kWarp; ++l) {
    if (!(w.exists & mask & ~w.left & (1u << l))) continue;
    const Thread& other = threads_[t.warp * kWarp + l];
    // A lane that waits for another group may still come; one that waits for this lane will not.
    if (other.state == State::in_warp_call && (other.mask >> t.lane & 1) &&
        (other.op != op || other.mask != mask))
      fail("lanes of one warp wait for each other in different calls: lane " +
           std::to_string(t.lane) + " in " + name(op) + ", mask " + hex(mask) + ", at " +
           describe(site) + "; lane " + std::to_string(l) + " in " + name(other.op) + ", mask " +
           hex(other.mask) + ", at " + describe(other.site));
  }
  t.state = State::in_warp_call;
  if (!complete(w, t)) wait(t);
  return t.result;
}

// If all lanes of t's group have come, they get their results and may run.
bool Machine::complete(Warp& w, const Thread& t) {
  unsigned participants = t.mask & w.exists & ~w.left, first = t.warp * kWarp, mask = t.mask;
  WarpOp op = t.op;
  for (unsigned l = 0; l < kWarp; ++l)
    if (participants >> l & 1) {
      const Thread& other = threads_[first + l];
      if (other.state != State::in_warp_call || other.op != op || other.mask != mask) return false;
    }
  if (op == WarpOp::mma || op == WarpOp::load_matrix) {
    uint64_t values[kWarp];
    for (unsigned l = 0; l < kWarp; ++l) values[l] = threads_[first + l].value;
    warp_matrices(op, participants, values);
  }
  uint32_t joined[kWarp] = {};
  for (unsigned l = 0; l < kWarp; ++l)
    if (participants >> l & 1) {
      threads_[first + l].result = result_for(threads_[first + l], participants);
      for (unsigned k = 0; k < kWarp; ++k) joined[k] = std::max(joined[k], w.clock[l][k]);
    }
  for (unsigned l = 0; l < kWarp; ++l)
    if (participants >> l & 1) {
      if (op == WarpOp::sync) {
        std::copy_n(joined, kWarp, w.clock[l]);
        ++w.clock[l][l];
      }
      set_ready(threads_[first + l]);
    }
  return true;
}

uint64_t Machine::result_for(const Thread& t, unsigned participants) {
  unsigned first = t.warp * kWarp, votes = 0;
  for (unsigned l = 0; l < kWarp; ++l)
    if (participants >> l & 1) votes |= unsigned(threads_[first + l].value & 1) << l;
  int lane = int(t.lane), segment = lane & ~(t.width - 1), source = lane;
  switch (t.op) {
    case WarpOp::sync:
    case WarpOp::mma:
    case WarpOp::load_matrix:
      return 0;
    case WarpOp::ballot:
      return votes;
    case WarpOp::any:
      return votes != 0;
    case WarpOp::all:
      return votes == participants;
    case WarpOp::shuffle:
      source = segment | (t.operand & (t.width - 1));
      break;
    case WarpOp::shuffle_up:
      if (lane - t.operand >= segment) source = lane - t.operand;
      break;
    case WarpOp::shuffle_down:
      if (lane + t.operand < segment + t.width) source = lane + t.operand;
      break;
    case WarpOp::shuffle_xor:
      if ((lane ^ t.operand) < segment + t.width) source = lane ^ t.operand;
      break;
  }
  if (!(participants >> source & 1))
    fail("lane " + std::to_string(lane) + " of warp " + std::to_string(t.warp) + " reads lane " +
         std::to_string(source) + " through " + name(t.op) + ", mask " + hex(t.mask) + ", at " +
         describe(t.site) + ", but lane " + std::to_string(source) +
         (t.mask >> source & 1 ? " has left the kernel or does not exist" : " is not in the mask"));
  return threads_[first + unsigned(source)].value;
}

const char* name(WarpOp op) {
  switch (op) {
    case WarpOp::sync:
      return "__syncwarp";
    case WarpOp::shuffle:
      return "__shfl_sync";
    case WarpOp::shuffle_up:
      return "__shfl_up_sync";
    case WarpOp::shuffle_down:
      return "__shfl_down_sync";
    case WarpOp::shuffle_xor:
      return "__shfl_xor_sync";
    case WarpOp::ballot:
      return "__ballot_sync";
    case WarpOp::any:
      return "__any_sync";
    case WarpOp::all:
      return "__all_sync";
    case WarpOp::mma:
      return "mma.sync";
    case WarpOp::load_matrix:
      return "ldmatrix";
  }
  return "";
}

}  // namespace emulator
