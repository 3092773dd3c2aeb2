// What a request's first word makes the fake compiler do; anything else is compiled. Region::instructions counts the worker's
// compilations, the first four bytes of its code are the worker's process id.
#pragma once
#include "guest/types.h"

namespace ferry::optimizer {

enum FakeWord : u32 {
  fake_crash = 0xfa4e0001,
  fake_hang,
  fake_wait,  // as long as the request's file exists; then compiled
  fake_exit,
  fake_refuse,
  fake_unsound,  // a region that read_region() refuses
  fake_large,
};

}  // namespace ferry::optimizer
