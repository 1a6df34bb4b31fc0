// Winograd's convolutions on or off for a scope.
#pragma once
#include "kernels/winograd.h"

struct WinogradScope {
  bool before = autodidact::winograd();
  explicit WinogradScope(bool on) { autodidact::set_winograd(on); }
  ~WinogradScope() { autodidact::set_winograd(before); }
  WinogradScope(const WinogradScope&) = delete;
  WinogradScope& operator=(const WinogradScope&) = delete;
};
