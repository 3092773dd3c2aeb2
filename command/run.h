// Starts a guest program in this process: the wiring between the command line, the loader, the translator and the guest's kernel.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "command/options.h"
#include "syscalls/exec.h"

namespace ferry::command {

// For a person's command line. Ends the process with one line on standard error when the program cannot be run.
[[noreturn]] void run_program(const Options& options, std::span<char* const> environment);

// For the kernel's binfmt_misc with flag P: `arguments` is the program's path, its argv[0], its arguments.
[[noreturn]] void run_registered(std::span<char* const> arguments, std::span<char* const> environment);

// For a ferry executed by another one, whose guest called execve.
[[noreturn]] void run_handed_over(syscalls::Handover handover, std::span<char* const> environment);

}  // namespace ferry::command
