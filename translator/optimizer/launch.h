// Starts a program that is in this process's memory, as a process that has nothing to do with the guest: not its child, in a session
// of its own, without its descriptors, signals and directory. Needs no /proc and no file system (memfd_create(2), execveat(2)), copies no
// page tables however large the guest is, and holds nobody up: if the image is copied, it is beside the guest.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "guest/types.h"

namespace ferry::optimizer {

struct LaunchOptions {
  std::span<const u8> image;  // whole pages of a file's read-only mapping: they are given back after they were copied
  std::vector<std::string> arguments;  // with the name first
  bool self =
      false;  // this process's own executable is tried first, with the same arguments: it knows how to become the image
  int input = -1;   // the program's descriptor 0
  int errors = -1;  // its descriptors 1 and 2; -1: /dev/null
};

// Whether processes can be made; what comes of it shows only at `input`. At any time, in a process with any threads.
bool launch(const LaunchOptions& options);

// The go-between is a child of this process for some 50 microseconds, and then waits to be forgotten: to be called now and then after
// launch(). It raises no SIGCHLD and no plain wait sees it; one for every kind of child (__WALL, __WCLONE) may.
void forget_go_between();

// Whether a child that a wait of the guest's has just returned is the go-between: then it must wait again. True once.
bool was_go_between(int pid);

}  // namespace ferry::optimizer
