#include "command/function_names.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace ferry::command {

namespace {

constexpr size_t max_mappings = 64;
constexpr off_t max_file = off_t{1} << 30;

std::vector<u8> read_file(const std::string& path) {
  std::vector<u8> bytes;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (fd < 0) return bytes;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < max_file) {
    bytes.resize(static_cast<size_t>(status.st_size));
    size_t done = 0;
    for (ssize_t n; done < bytes.size() && (n = read(fd, bytes.data() + done, bytes.size() - done)) > 0;)
      done += static_cast<size_t>(n);
    bytes.resize(done);
  }
  close(fd);
  return bytes;
}

std::string with_distance(std::string_view name, u64 distance) {
  // A map file has a line for each piece.
  std::string text{name.substr(0, 500)};
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < ' '; }, '?');
  char digits[24];
  if (distance != 0) text.append(digits, static_cast<size_t>(snprintf(digits, sizeof digits, "+%#lx", distance)));
  return text;
}

std::string number(u64 pc) {
  char digits[24];
  snprintf(digits, sizeof digits, "%#lx", pc);
  return digits;
}

}  // namespace

const optimizer::Mapping& FunctionNames::mapping_of(u64 pc) {
  auto holds = [pc](const optimizer::Mapping& mapping) { return pc >= mapping.begin && pc < mapping.end; };
  auto known = std::ranges::find_if(mappings_, holds);
  if (known != mappings_.end()) return *known;
  if (mappings_.size() == max_mappings) mappings_.clear();
  return mappings_.emplace_back(optimizer::Mappings{}.find(pc));
}

const FunctionNames::File& FunctionNames::file(const std::string& path) {
  std::unique_ptr<File>& file = files_[path];
  if (file == nullptr) {
    file = std::make_unique<File>();
    file->bytes = read_file(path);
    file->functions = loader::find_named_functions(file->bytes, Isa::aarch64);
  }
  return *file;
}

std::string FunctionNames::name_of(u64 pc) {
  const optimizer::Mapping& mapping = mapping_of(pc);
  if (mapping.file.empty()) return number(pc);
  u64 offset = mapping.offset + (pc - mapping.begin);
  const File& file = this->file(mapping.file);
  auto found = file.functions ? file.functions->find(offset) : std::nullopt;
  if (found) return with_distance(found->name, found->distance);
  return with_distance(std::string_view{mapping.file}.substr(mapping.file.rfind('/') + 1), offset);
}

}  // namespace ferry::command
