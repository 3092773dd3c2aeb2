// libFuzzer target for the store: a good store with any of its bytes altered. What the reader then finds must be what was written,
// and the check and the writer must get along with the rest. The profile, too.
// An input is a list of alterations: two bytes of where (the first page, or units of the file), one of length, then the bytes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "guest/log.h"
#include "tests/translator/optimizer/sample_region.h"
#include "translator/optimizer/profile.h"
#include "translator/optimizer/store_check.h"
#include "translator/optimizer/store_writer.h"

using namespace ferry;
using namespace ferry::optimizer;

namespace {

constexpr u64 records = 24;

void require(bool kept) {
  if (!kept) abort();
}

std::vector<u8> payload(u64 number) { return std::vector<u8>(number * 37 + 1, static_cast<u8>(number)); }
u64 key(u64 number) { return (number + 1) * 0xd6e8feb86659fd93; }

struct Files {
  StoreOptions options;
  std::string name, profile;
  std::vector<u8> store_bytes, profile_bytes;

  Files() {
    log_mask = 0;
    char place[] = "/tmp/ferry_store_fuzz_XXXXXX";
    options.directory = mkdtemp(place);
    options.identity = "a build";
    options.limit = smallest_store;
    name = options.directory + "/" + store_file_name(options.identity);
    profile = options.directory + "/profile";
    StoreWriter writer;
    require(writer.open(options).has_value());
    for (u64 number = 0; number < records; ++number) {
      u64 keys[] = {key(number), key(number + records)};
      require(writer.add(number, 1, payload(number), keys));
    }
    require(writer.add_page(records, write_page(sample_page())));
    Profile spots(options.directory);
    spots.add(sample_request());
    require(spots.save());
    store_bytes = read(name);
    profile_bytes = read(profile);
  }
  ~Files() { require(system(("rm -r " + options.directory).c_str()) == 0); }

  static std::vector<u8> read(const std::string& path) {
    std::vector<u8> bytes(smallest_store);
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    ssize_t size = ::read(fd, bytes.data(), bytes.size());
    require(size > 0);
    bytes.resize(static_cast<size_t>(size));
    return close(fd), bytes;
  }
  static void write(const std::string& path, const std::vector<u8>& bytes) {
    int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t end = bytes.size();
    while (end > 0 && bytes[end - 1] == 0) --end;  // the rest is a hole, as it was
    require(ftruncate(fd, static_cast<off_t>(bytes.size())) == 0);
    require(pwrite(fd, bytes.data(), end, 0) == static_cast<ssize_t>(end));
    close(fd);
  }
};

void alter(std::vector<u8>& bytes, std::span<const u8> input) {
  while (input.size() > 3) {
    size_t place = static_cast<size_t>(input[0] & 127) << 8 | input[1];
    // The header and the beginning of the records byte by byte, the rest by units.
    size_t at = input[0] & 128 ? place * 32 : place % 8192,
           size = std::min<size_t>(input[2] % 16 + 1, input.size() - 3);
    for (size_t i = 0; i < size && at + i < bytes.size(); ++i) bytes[at + i] ^= input[3 + i];
    input = input.subspan(3 + size);
  }
}

void read_back(const Files& files, StoreDescriptor keeper = {}) {
  alignas(8) static u8 buffer[StoreReader::buffer_size];
  StoreReader reader(keeper);
  reader.read_into(buffer);
  if (!reader.open(files.options.directory, files.options.identity, false)) return;
  if (auto page = reader.find_page(records); !page.empty())
    require(std::ranges::equal(page, write_page(sample_page())));
  for (u64 number = 0; number < 2 * records; ++number)
    for (const StoreCandidate& candidate : reader.find(key(number))) {
      require(std::ranges::equal(candidate.region, payload(number % records)));
      require(candidate.entry == number / records);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {  // NOLINT(readability-identifier-naming)
  static Files files;
  std::span<const u8> input{data, size};
  std::vector<u8> store = files.store_bytes, profile = files.profile_bytes;
  alter(store, input);
  alter(profile, input);
  files.write(files.name, store);
  files.write(files.profile, profile);

  read_back(files);
  for (const auto& [spot_key, spot] : Profile(files.options.directory).spots())
    require(spot.file == sample_request().file && spot.entries == sample_request().entries);
  check_store(files.options.directory, store_file_name(files.options.identity), {.parse = size % 2 != 0, .drop = true});
  read_back(files);
  StoreWriter writer;
  require(writer.open(files.options).has_value());
  u64 keys[] = {key(1000)};
  writer.add(1000, 1, payload(1000), keys);
  read_back(files);
  files.write(files.name, store);
  read_back(files, {.take = [](int fd) { return fd; }, .release = [](int) {}});
  return 0;
}
