// A guest thread without translated code: a test sets the registers, as an SVC would find them, and calls dispatch().
// Tests of a row are named after it, TEST(Call, openat), or after several, TEST(Call, readv__writev): table_test.cpp looks.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "syscalls/dispatch.h"
#include "syscalls/numbers.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {

class Guest {
 public:
  Guest();

  // Pointers and integers as the guest would put them into x0..x5; the result is x0.
  template <class... A>
  i64 call(u32 number, A... arguments) {
    u64 values[] = {to_register(arguments)..., 0};
    for (size_t i = 0; i < sizeof...(arguments); i++) thread_->cpu.x[i] = values[i];
    for (size_t i = sizeof...(arguments); i < 6; i++) thread_->cpu.x[i] = 0x6767676767676767;  // must not matter
    thread_->cpu.x[8] = number;
    dispatch(*thread_);
    return static_cast<i64>(thread_->cpu.x[0]);
  }
  Thread& thread() { return *thread_; }

 private:
  template <class T>
  static u64 to_register(T value) {
    if constexpr (std::is_pointer_v<T>)
      return reinterpret_cast<u64>(value);
    else if constexpr (std::is_null_pointer_v<T>)
      return 0;
    else
      return static_cast<u64>(static_cast<i64>(value));
  }
  std::unique_ptr<Process> process_;
  std::unique_ptr<Thread> thread_;
};

// False under qemu-user, as when a build for another host is tested: it lacks calls and checks that a kernel has.
bool on_a_real_kernel();

// An address where nothing is mapped.
inline void* const bad_pointer = reinterpret_cast<void*>(0x10);

// What is written to a descriptor of ferry's (log_fd) while it lives.
class Captured {
 public:
  explicit Captured(int& descriptor);
  ~Captured();
  std::string text() const;

 private:
  int& descriptor_;
  int saved_, file_;
};

// A directory of its own below the temporary one, removed with what is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A sysroot for the length of a test.
struct Sysroot : TemporaryDirectory {
  void enter();
  ~Sysroot();
};
void write_file(const std::string& path, const std::string& content);
std::string read_whole(int fd);

}  // namespace ferry::syscalls
