// A file that is to be run: opened for reading, checked as execve checks it, read at offsets.
#pragma once
#include <span>
#include <string>
#include <utility>

#include "guest/result.h"

namespace ferry::loader {

class File {
 public:
  File() = default;
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    size_ = other.size_;
    return *this;
  }
  ~File();

  // A regular file with execute permission, or EACCES and open(2)'s errors. Opened close-on-exec.
  static Result<File> open_program(const char* path);
  // The same of a descriptor, which is duplicated.
  static Result<File> duplicate_program(int fd);

  int fd() const { return fd_; }
  u64 size() const { return size_; }

  // As many of the bytes at `offset` as there are: fewer only at the end of the file.
  Result<size_t> read_at(u64 offset, std::span<u8> bytes) const;

 private:
  static Result<File> check_program(int fd);

  int fd_ = -1;
  u64 size_ = 0;
};

}  // namespace ferry::loader
