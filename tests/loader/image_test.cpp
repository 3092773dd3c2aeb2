// Images in every shape, mapped and compared with their files byte for byte.
#include "loader/image.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "tests/loader/elf_builder.h"
#include "tests/loader/maps.h"

namespace ferry::loader {
namespace {

// A program file that exists only in memory.
struct MemoryFile {
  int fd;
  explicit MemoryFile(const std::vector<u8>& bytes) : fd(memfd_create("program", MFD_CLOEXEC)) {
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  MemoryFile(const MemoryFile&) = delete;
  ~MemoryFile() { close(fd); }
};

struct Mapped {
  Elf elf;
  Image image;
  Unmapper unmapper;
};

std::expected<Mapped, LoadError> map_bytes(const std::vector<u8>& bytes, bool randomize = true,
                                           Placement placement = Placement::program) {
  MemoryFile memory(bytes);
  auto file = File::duplicate_program(memory.fd);
  auto whole = parse_elf(bytes);
  if (!file || !whole) return std::unexpected(LoadError{ENOEXEC, whole ? "no file" : whole.error().text(), ""});
  auto image = map_image(whole->elf, *file, "prog", placement, randomize);
  if (!image) return std::unexpected(image.error());
  std::vector<Mapping> mappings = image->mappings;
  return Mapped{whole->elf, *image, Unmapper(std::move(mappings))};
}

const Mapping* mapping_of(const Image& image, u64 address) {
  for (const Mapping& m : image.mappings) {
    if (raw(m.begin) <= address && address < raw(m.end)) return &m;
  }
  return nullptr;
}

void expect_as_in_file(const Mapped& mapped, const std::vector<u8>& file) {
  for (const Segment& s : mapped.elf.loads) {
    u64 at = s.address + mapped.image.bias;
    auto bytes = guest_bytes(at, s.memory_size);
    ASSERT_EQ(bytes.size(), s.memory_size);
    auto bss = bytes.begin() + static_cast<long>(s.file_size);
    EXPECT_TRUE(std::equal(bytes.begin(), bss, file.begin() + static_cast<long>(s.offset))) << "segment " << s.index;
    EXPECT_TRUE(std::all_of(bss, bytes.end(), [](u8 b) { return b == 0; })) << "bss of segment " << s.index;
    const Mapping* m = mapping_of(mapped.image, at);
    ASSERT_NE(m, nullptr);
    EXPECT_EQ((m->protection & PROT_EXEC) != 0, (s.flags & segment_execute) != 0);
    EXPECT_EQ((m->protection & PROT_WRITE) != 0, (s.flags & segment_write) != 0);
    EXPECT_EQ((m->protection & PROT_READ) != 0, (s.flags & segment_read) != 0);
    EXPECT_EQ(host_permissions(at), (s.flags & segment_write) ? "rw-p" : "r--p");
    EXPECT_EQ(mapped.image.bias % std::max<u64>(s.alignment, page_size), 0u);
  }
  for (size_t i = 1; i < mapped.image.mappings.size(); ++i) {
    EXPECT_GE(raw(mapped.image.mappings[i].begin), raw(mapped.image.mappings[i - 1].end));
  }
}

class LinkedProgram : public testing::TestWithParam<const char*> {};

TEST_P(LinkedProgram, IsMappedAsItsFileSays) {
  auto file = read_whole(std::string(TEST_PROGRAMS) + GetParam());
  ASSERT_FALSE(file.empty());
  for (bool randomize : {false, true}) {
    auto mapped = map_bytes(file, randomize);
    ASSERT_TRUE(mapped) << mapped.error().text;
    expect_as_in_file(*mapped, file);
    if (!mapped->elf.position_independent) {
      EXPECT_EQ(mapped->image.bias, 0u);
    }
  }
  auto as_interpreter = map_bytes(file, true, Placement::interpreter);
  ASSERT_TRUE(as_interpreter) << as_interpreter.error().text;
  expect_as_in_file(*as_interpreter, file);
}

INSTANTIATE_TEST_SUITE_P(Shape, LinkedProgram,
                         testing::Values("static", "static-pie", "pie", "non-pie", "pages-of-4k", "text-within-page",
                                         "one-segment", "aligned-2m", "execute-only", "executable-stack",
                                         "interpreter"),
                         [](const auto& p) {
                           std::string name = p.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// The linker did make the shapes that the test above is about.
TEST(LinkedPrograms, HaveTheShapesTheyAreNamedFor) {
  auto elf = [](const char* name) {
    auto file = read_whole(std::string(TEST_PROGRAMS) + name);
    auto whole = parse_elf(file);
    EXPECT_TRUE(whole) << name;
    return whole ? whole->elf : Elf{};
  };
  auto text_of = [](const Elf& e) {
    return *std::ranges::find_if(e.loads, [](const Segment& s) { return s.flags & segment_execute; });
  };
  auto has_bss = [](const Elf& e) {
    return std::ranges::any_of(e.loads, [](const Segment& s) { return s.memory_size > page_ceil(s.file_size); });
  };
  EXPECT_FALSE(elf("static").position_independent);
  EXPECT_EQ(elf("static").interpreter_size, 0u);
  EXPECT_TRUE(elf("static-pie").position_independent);
  EXPECT_NE(elf("pie").interpreter_size, 0u);
  EXPECT_FALSE(elf("non-pie").position_independent);
  EXPECT_NE(elf("non-pie").interpreter_size, 0u);
  EXPECT_EQ(elf("pages-of-4k").alignment(), 0x1000u);
  EXPECT_NE(text_of(elf("text-within-page")).address % page_size, 0u);
  EXPECT_EQ(text_of(elf("one-segment")).flags, segment_read | segment_write | segment_execute);
  EXPECT_EQ(elf("aligned-2m").alignment(), 0x200000u);
  EXPECT_EQ(text_of(elf("execute-only")).flags, u32{segment_execute});
  EXPECT_TRUE(elf("executable-stack").executable_stack);
  for (const char* name : {"static", "static-pie", "pie", "one-segment"}) EXPECT_TRUE(has_bss(elf(name))) << name;
}

TEST(MapImage, PlacesProgramsInTheirRegionAtRandom) {
  auto file = read_whole(std::string(TEST_PROGRAMS) + "pie");
  auto fixed = map_bytes(file, false);
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->image.begin, 0x2aaaaaaa0000u);  // the region's start, down to 64 KiB
  auto second = map_bytes(file, false);            // the place is taken: the next is used
  ASSERT_TRUE(second);
  EXPECT_NE(second->image.begin, fixed->image.begin);
  auto first_random = map_bytes(file), second_random = map_bytes(file);
  ASSERT_TRUE(first_random && second_random);
  EXPECT_NE(first_random->image.begin, second_random->image.begin);
  EXPECT_NE(first_random->image.begin, fixed->image.begin);
}

TEST(MapImage, RespectsAnAlignmentOfAGigabyteAndANonzeroLinkedAddress) {
  ElfBuilder b;
  b.header.e_type = ET_DYN;
  b.segments[1].p_align = u64{1} << 30;
  auto bytes = b.bytes();
  for (Placement placement : {Placement::program, Placement::interpreter}) {
    auto mapped = map_bytes(bytes, true, placement);
    ASSERT_TRUE(mapped) << mapped.error().text;
    EXPECT_EQ(mapped->image.bias % (u64{1} << 30), 0u);
    EXPECT_EQ(mapped->image.begin, mapped->image.bias + 0x400000);
    expect_as_in_file(*mapped, bytes);
  }
}

TEST(MapImage, LeavesHolesBetweenSegmentsUnmapped) {
  ElfBuilder b;
  for (u16 type : {ET_EXEC, ET_DYN}) {
    b.header.e_type = type;
    auto mapped = map_bytes(b.bytes());
    ASSERT_TRUE(mapped) << mapped.error().text;
    EXPECT_EQ(host_permissions(mapped->image.bias + 0x401000), "");
    EXPECT_EQ(host_permissions(mapped->image.bias + 0x410fff), "");
  }
}

// Everything in the file is 0xee, so that anything of it in a bss shows.
std::vector<u8> filled(const ElfBuilder& b) {
  auto bytes = b.bytes();
  std::fill(bytes.begin() + 0x1000, bytes.end(), 0xee);
  return bytes;
}

TEST(MapImage, ZeroesBssOfEveryShape) {
  struct Shape {
    u64 file_size, memory_size;
    u32 flags;
  };
  for (auto [file_size, memory_size, flags] :
       {Shape{0x1800, 0x1801, PF_R | PF_W}, Shape{0x1800, 0x2000, PF_R | PF_W}, Shape{0x1800, 0x2001, PF_R | PF_W},
        Shape{0x1000, 0x1001, PF_R | PF_W}, Shape{0x1fff, 0x8000, PF_R | PF_W}, Shape{1, 2, PF_R | PF_W},
        Shape{0x1800, 0x3000, PF_R}, Shape{0x1800, 0x3000, PF_R | PF_X}, Shape{0, 0x3000, PF_R | PF_W}}) {
    ElfBuilder b;
    b.segments[1].p_filesz = file_size;
    b.segments[1].p_memsz = memory_size;
    b.segments[1].p_flags = flags;
    auto bytes = filled(b);
    auto mapped = map_bytes(bytes);
    ASSERT_TRUE(mapped) << mapped.error().text;
    expect_as_in_file(*mapped, bytes);
    // Up to the end of the last page, too: the heap starts there.
    u64 end = mapped->image.bias + 0x411000 + memory_size;
    for (u8 byte : guest_bytes(end, page_ceil(end) - end)) EXPECT_EQ(byte, 0);
  }
}

TEST(MapImage, BssSegmentMayStartInThePageOfTheOneBeforeIt) {
  ElfBuilder b;
  b.segments[1].p_memsz = b.segments[1].p_filesz = 0x800;
  b.load(0x411800, 0x1800, 0, 0x1900, PF_R | PF_W);
  auto bytes = filled(b);
  auto mapped = map_bytes(bytes);
  ASSERT_TRUE(mapped) << mapped.error().text;
  expect_as_in_file(*mapped, bytes);
  EXPECT_EQ(mapped->image.mappings.size(), 3u);
}

TEST(MapImage, LaterSegmentHasThePageThatTwoShare) {
  ElfBuilder b;
  b.segments[0].p_filesz = b.segments[0].p_memsz = 0x1234;
  b.segments[1].p_offset = 0x1234;
  b.segments[1].p_vaddr = 0x401234;
  b.segments[1].p_filesz = 0x100;
  auto bytes = b.bytes();
  auto mapped = map_bytes(bytes);
  ASSERT_TRUE(mapped) << mapped.error().text;
  ASSERT_EQ(mapped->image.mappings.size(), 2u);
  EXPECT_EQ(raw(mapped->image.mappings[0].end), 0x401000u);
  EXPECT_EQ(raw(mapped->image.mappings[1].begin), 0x401000u);
  EXPECT_EQ(host_permissions(0x401000), "rw-p");
  expect_as_in_file(*mapped, bytes);
}

TEST(MapImage, NamesWhatIsInTheWayOfALinkedAddress) {
  auto bytes = ElfBuilder().bytes();
  void* page = mmap(reinterpret_cast<void*>(0x412000), page_size, PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(page, reinterpret_cast<void*>(0x412000));
  auto mapped = map_bytes(bytes);
  munmap(page, page_size);
  ASSERT_FALSE(mapped);
  EXPECT_EQ(mapped.error().error, ENOMEM);
  EXPECT_EQ(mapped.error().text, "prog: is linked at 0x411000 to 0x414000, where another mapping is");
  EXPECT_NE(mapped.error().remedy.find("-pie"), std::string::npos);
  EXPECT_EQ(host_permissions(0x400000), "") << "the segment before it is left";
}

TEST(MapImage, KnowsFerryItselfInTheWay) {
  auto here = reinterpret_cast<u64>(&mapping_in_the_way);
  EXPECT_EQ(mapping_in_the_way(here, here + 1), "ferry itself");
  auto there = reinterpret_cast<u64>(__builtin_frame_address(0));  // and not of a local, which ASan may have elsewhere
  EXPECT_NE(mapping_in_the_way(there, there + 1).find("stack"), std::string::npos);
}

TEST(MapImage, RefusesMoreMemoryThanThereIs) {
#ifdef EMULATED_HOST
  GTEST_SKIP() << "qemu-user 7.2 keeps an entry for each page of 64 TiB";
#endif
  auto policy = read_whole("/proc/sys/vm/overcommit_memory");
  if (policy.empty() || policy[0] == '1') GTEST_SKIP() << "this machine grants any amount of memory";
  ElfBuilder b;
  b.segments[1].p_memsz = u64{1} << 46;
  for (u16 type : {ET_EXEC, ET_DYN}) {
    b.header.e_type = type;
    auto mapped = map_bytes(b.bytes());
    ASSERT_FALSE(mapped);
    EXPECT_EQ(mapped.error().error, ENOMEM) << mapped.error().text;
    EXPECT_EQ(host_permissions(0x400000), "");
    EXPECT_EQ(host_permissions(0x411000), "");
  }
}

TEST(MapImage, FileCutShortAfterTheCheckIsAnErrorAndNoCrash) {
#if defined(EMULATED_HOST) || !defined(MADV_POPULATE_WRITE)
  GTEST_SKIP() << "qemu-user 7.2 does not know MADV_POPULATE_WRITE and says that it worked";
#endif
  ElfBuilder b;
  b.header.e_type = ET_DYN;
  auto bytes = b.bytes();
  MemoryFile memory(bytes);
  auto file = File::duplicate_program(memory.fd);
  ASSERT_TRUE(file);
  auto whole = parse_elf(bytes);
  ASSERT_EQ(ftruncate(memory.fd, 0x1000), 0);
  auto image = map_image(whole->elf, *file, "prog", Placement::program, true);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().error, EIO);
}

TEST(MapImage, HeapStartsAfterTheImage) {
  EXPECT_EQ(choose_brk_start(0x412345, false), 0x413000u);
  for (int i = 0; i < 100; ++i) {
    u64 start = choose_brk_start(0x412000, true);
    EXPECT_GE(start, 0x412000u);
    EXPECT_LT(start, 0x412000u + (u64{1} << 30));
    EXPECT_EQ(start % page_size, 0u);
  }
}

}  // namespace
}  // namespace ferry::loader
