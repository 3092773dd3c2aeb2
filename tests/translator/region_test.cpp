// Regions as part of the machine: installed beside the baseline's blocks and joined with them, precise faults by their edges,
// invalidation, forks, threads. The host code is assembled by hand and says, by marks that the guest's code would
// not leave, that it was the region that ran.
#include "translator/regions.h"

#include <string.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <thread>

#include "tests/translator/guest_code.h"
#include "translator/stencil/cpu_bias.h"

#define biased_offset(member) (offsetof(ferry::aarch64::Cpu, member) - ferry::stencil::cpu_bias)

// x9 += 1 (the mark); x0 += x1 by a loop of x1 turns that polls; jumps to the exit after it. The biased CPU is in r13.
extern "C" [[gnu::naked, gnu::used]] void ferry_test_counting_code() {
  asm(R"(
    .globl counting_begin, counting_exit, counting_base, counting_end
counting_begin:
    cmpl $0, %c[budget](%%r13)
    js 2f
    incq %c[x0] + 72(%%r13)
1:  incq %c[x0](%%r13)
    decq %c[x0] + 8(%%r13)
    jz 3f
    cmpl $0, %c[budget](%%r13)
    jns 1b
2:  .byte 0x48, 0xb8
counting_base:
    .quad 0
    movq %%rax, %c[pc](%%r13)
    movq %[poll], %c[reason](%%r13)
    jmp *%c[leave](%%r13)
3:  .byte 0xe9
counting_exit:
    .long 0
counting_end:
)"
      :
      : [budget] "i"(biased_offset(budget)), [x0] "i"(biased_offset(x)), [pc] "i"(biased_offset(pc)),
        [reason] "i"(biased_offset(exit_reason)), [leave] "i"(biased_offset(leave_code)),
        [poll] "i"(static_cast<int>(ferry::translator::ExitReason::region_poll)));
}
extern "C" const ferry::u8 counting_begin[], counting_exit[], counting_base[], counting_end[];

// x9 += 1; x2 = *(u64*)x1 with a fault edge, whose state has 77 in x3; then the same from x4 without one, with exact state before it; then
// x5 = ferry_a64_crc32(x6, x7, 8); the exit.
extern "C" [[gnu::naked, gnu::used]] void ferry_test_loading_code() {
  asm(R"(
    .globl loading_begin, loading_access, loading_edge, loading_second_base, loading_helper, loading_exit, loading_end
loading_begin:
    incq %c[x0] + 72(%%r13)
    movq %c[x0] + 8(%%r13), %%rax
loading_access:
    movq (%%rax), %%rcx
    movq %%rcx, %c[x0] + 16(%%r13)
    .byte 0x48, 0xb8
loading_second_base:
    .quad 0
    movq %%rax, %c[pc](%%r13)
    movq %c[x0] + 32(%%r13), %%rax
    movq (%%rax), %%rcx
    movq %%rcx, %c[x0] + 32(%%r13)
    movl %c[x0] + 48(%%r13), %%edi
    movq %c[x0] + 56(%%r13), %%rsi
    movl $8, %%edx
    .byte 0x48, 0xb8
loading_helper:
    .quad 0
    subq $8, %%rsp
    call *%%rax
    addq $8, %%rsp
    movq %%rax, %c[x0] + 40(%%r13)
    .byte 0xe9
loading_exit:
    .long 0
loading_edge:
    ud2
loading_end:
)"
      :
      : [x0] "i"(biased_offset(x)), [pc] "i"(biased_offset(pc)));
}
extern "C" const ferry::u8 loading_begin[], loading_access[], loading_edge[], loading_second_base[], loading_helper[],
    loading_exit[], loading_end[];

// x2 = *(u64*)x1 with values in a general register, below the stack pointer, in XMM3, and where x8 is not 0 in XMM20.
extern "C" [[gnu::naked, gnu::used]] void ferry_test_values_code() {
  asm(R"(
    .globl values_begin, values_access, values_edge, values_trap, values_exit, values_end
values_begin:
    movq %c[x0] + 8(%%r13), %%rax
    movabsq $0x1111222233334444, %%r15
    movq $-100, -24(%%rsp)
    vmovq %%r15, %%xmm3
    vpbroadcastq %%xmm3, %%xmm3
    cmpq $0, %c[x0] + 64(%%r13)
    je values_access
    vmovdqa64 %%xmm3, %%xmm20
values_access:
    movq (%%rax), %%rcx
    movq %%rcx, %c[x0] + 16(%%r13)
    .byte 0xe9
values_exit:
    .long 0
values_edge:
    incq %%r15
values_trap:
    ud2
values_end:
)"
      :
      : [x0] "i"(biased_offset(x)));
}
extern "C" const ferry::u8 values_begin[], values_access[], values_edge[], values_trap[], values_exit[], values_end[];

namespace ferry::test {
namespace {

using optimizer::FaultSource;
using optimizer::FaultValue;
using optimizer::Region;
using optimizer::RelocationKind;
using stencil::Patch;
using translator::ExitReason;

constexpr size_t code_memory = size_t{2} << 20;
constexpr u64 page_size = 4096;

class Regions : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    handle_guest_faults();
    translator::start({.code_memory = code_memory});
  }
};

u32 distance(const u8* from, const u8* to) { return static_cast<u32>(to - from); }

// `count` words from word `first` of the code become the region's guest code.
void add_stretch(Region& region, const Code& code, size_t first, size_t count) {
  std::vector<u32> words(count);
  memcpy(words.data(), reinterpret_cast<const void*>(code.at(first)), 4 * count);
  region.stretches.push_back({static_cast<u32>(4 * first), words});
}

// Guest: as add_counting_loop() at word `first`, where the region's entry is; its exit is the SVC behind.
Region counting_region(const Code& code, size_t first = 0) {
  Region region;
  region.code.assign(counting_begin, counting_end);
  region.entries = {{static_cast<u32>(4 * first), 0, true}};
  region.exits = {static_cast<i32>(4 * first + 12)};
  region.relocations = {
      {distance(counting_begin, counting_base), Patch::abs_64, RelocationKind::base, 0, static_cast<i32>(4 * first)},
      {distance(counting_begin, counting_exit), Patch::pc_32, RelocationKind::exit, 0, -4}};
  region.lines = {{0, static_cast<u32>(4 * first)}};
  add_stretch(region, code, first, 3);
  region.instructions = 3;
  return region;
}

// Guest: ldr x2, [x1]; ldr x4, [x4]; crc32x w5, w6, x7; svc.
void add_loads(Code& code) {
  code.add("ldr_imm", "size=3 rn=1 rt=2")
      .add("ldr_imm", "size=3 rn=4 rt=4")
      .add("crc32", "sf=1 sz=3 rm=7 rn=6 rd=5")
      .add("svc");
}
Region loading_region(const Code& code) {
  Region region;
  region.code.assign(loading_begin, loading_end);
  region.entries = {{0, 0, true}};
  region.exits = {12};
  region.helpers = {"ferry_a64_crc32"};
  region.relocations = {
      {distance(loading_begin, loading_second_base), Patch::abs_64, RelocationKind::base, 0, 4},
      {distance(loading_begin, loading_helper), Patch::abs_64, RelocationKind::helper, 0, 0},
      {distance(loading_begin, loading_exit), Patch::pc_32, RelocationKind::exit, 0, -4},
  };
  region.fault_edges = {{distance(loading_begin, loading_access), distance(loading_begin, loading_edge)}};
  region.fault_states = {{distance(loading_begin, loading_edge), 0, 0, 1}};
  region.fault_lists = {0};
  region.fault_values = {{77, 24, 8, FaultSource::constant, 0}};
  region.lines = {{0, 0}, {distance(loading_begin, loading_second_base), 4}};
  add_stretch(region, code, 0, 3);
  region.instructions = 3;
  return region;
}

TEST_F(Regions, RunInPlaceOfBlocksAndLeaveToThem) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  // Where nothing is translated yet, where blocks are, and where the SVC's block is known already.
  for (int i = 0; i < 3; i++) {
    if (i == 1) code.invalidate(0);
    if (i != 0) {
      guest.cpu.x[1] = 10;
      guest.run(code.begin());
    }
    u64 marks = guest.cpu.x[9];
    guest.cpu.x[0] = 0;
    ASSERT_TRUE(translator::install_region(code.begin(), counting_region(code)));
    for (u64 n = 1; n <= 3; n++) {
      guest.cpu.x[1] = 1000;
      ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
      ASSERT_EQ(code.at(4), guest.cpu.pc);
      ASSERT_EQ(1000 * n, guest.cpu.x[0]);
      ASSERT_EQ(marks + n, guest.cpu.x[9]);
    }
  }
}

TEST_F(Regions, TakeOverLoopsThatRunAndGiveThemBack) {
  Code code;
  add_counting_loop(code);
  u64 marks = 0;
  std::atomic<bool> left = false;
  std::thread runner([&] {
    Guest guest;
    guest.cpu.x[1] = ~u64{0} >> 1;
    EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    marks = guest.cpu.x[9];
    left = true;
  });
  usleep(20000);
  EXPECT_TRUE(translator::install_region(code.begin(), counting_region(code)));
  usleep(20000);
  EXPECT_FALSE(left);
  code.replace(1, "sub_reg", "sf=1 rm=1 rn=1 rd=1");
  code.invalidate(1);
  runner.join();
  EXPECT_EQ(1u, marks);
}

TEST_F(Regions, ChainWithBlocksAndEachOther) {
  Code code;
  // mov x1, #3 (as add from x8); loop; b to the first again while --x10.
  code.add("add_imm", "sf=1 imm12=3 rn=8 rd=1");
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0")
      .add("sub_imm", "sf=1 imm12=1 rn=1 rd=1")
      .add("cbnz", "sf=1 imm19=-2 rt=1");
  code.add("sub_imm", "sf=1 imm12=1 rn=10 rd=10").add("cbnz", "sf=1 imm19=-5 rt=10").add("svc");
  Guest guest;
  ASSERT_TRUE(translator::install_region(code.begin(), counting_region(code, 1)));
  guest.cpu.x[10] = 1000;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(3000u, guest.cpu.x[0]);
  // The first turn of each loop is part of the block before it.
  EXPECT_EQ(1000u, guest.cpu.x[9]);
}

class LoadingRegions : public Regions {
 protected:
  LoadingRegions() {
    add_loads(code);
    EXPECT_TRUE(translator::install_region(code.begin(), loading_region(code)));
  }
  Code code;
  Guest guest;
};

TEST_F(LoadingRegions, FaultsGoOnAtTheirEdge) {
  guest.cpu.x[1] = 0x1008;
  guest.cpu.x[2] = 5;
  translator::Exit exit = guest.run(code.begin());
  EXPECT_EQ(ExitReason::fault, exit.reason);
  EXPECT_EQ(SIGSEGV, exit.signal);
  EXPECT_EQ(SEGV_MAPERR, exit.code);
  EXPECT_EQ(0x1008u, exit.address);
  EXPECT_FALSE(exit.write);
  EXPECT_EQ(code.begin(), guest.cpu.pc);
  EXPECT_EQ(code.begin(), located);
  EXPECT_EQ(5u, guest.cpu.x[2]);
  EXPECT_EQ(77u, guest.cpu.x[3]);
}

constexpr u16 field_of_vector(u32 n) { return static_cast<u16>(offsetof(translator::Cpu, vectors) + 16 * n); }

// The result of the steps, in x20 where it has 8 bytes.
u16 add_expression(Region& region, const std::vector<FaultValue>& steps, u16 field = 160, u16 size = 8) {
  u64 first = region.fault_lists.size();
  for (const FaultValue& step : steps) {
    region.fault_lists.push_back(static_cast<u16>(region.fault_values.size()));
    region.fault_values.push_back(step);
  }
  i64 place = static_cast<i64>(first | u64{steps.size()} << 32);
  region.fault_values.push_back({place, field, size, FaultSource::expression, 0});
  return static_cast<u16>(region.fault_values.size() - 1);
}

Region values_region(const Code& code) {
  Region region;
  region.code.assign(values_begin, values_end);
  region.entries = {{0, 0, true}};
  region.exits = {4};
  region.relocations = {{distance(values_begin, values_exit), Patch::pc_32, RelocationKind::exit, 0, -4}};
  region.fault_edges = {{distance(values_begin, values_access), distance(values_begin, values_edge)}};
  region.lines = {{0, 0}};
  add_stretch(region, code, 0, 1);
  region.instructions = 1;
  return region;
}

// Goes through bytes, as on its way from the optimiser's process.
void install_with(const Code& code, Region region, const std::vector<u16>& list) {
  u32 first = static_cast<u32>(region.fault_lists.size());
  region.fault_lists.insert(region.fault_lists.end(), list.begin(), list.end());
  region.fault_states = {{distance(values_begin, values_trap), 0, first, static_cast<u32>(list.size())}};
  auto read = optimizer::read_region(optimizer::write_region(region));
  ASSERT_TRUE(read);
  ASSERT_TRUE(translator::install_region(code.begin(), *read));
}

constexpr i64 r15 = 15, place_on_stack = -24;
constexpr u64 in_r15 = 0x1111222233334445, on_stack = ~u64{0} - 99;

TEST_F(Regions, FaultsTakeValuesFromWhereTheyAre) {
  Code code;
  add_loads(code);
  Guest guest;
  guest.cpu.x[1] = 0x1008;
  guest.cpu.x[8] = __builtin_cpu_supports("avx512vl");
  guest.cpu.v = 1;
  Region region = values_region(code);
  region.fault_values = {{r15, 24, 8, FaultSource::general, 0},
                         {place_on_stack, 32, 8, FaultSource::stack, 0},
                         {-77, 40, 8, FaultSource::constant, 0},
                         {12, 48, 8, FaultSource::base, 0},
                         {3, field_of_vector(2), 16, FaultSource::vector, 0},
                         {20, field_of_vector(31), 16, FaultSource::vector, 0},
                         {r15, static_cast<u16>(field_of_vector(5) + 8), 8, FaultSource::general, 0},
                         {1, offsetof(translator::Cpu, flags_kind), 4, FaultSource::constant, 0},
                         {0x1000001, offsetof(translator::Cpu, flags_a), 8, FaultSource::constant, 0},
                         {place_on_stack, 248, 8, FaultSource::stack, 0}};
  install_with(code, region, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  guest.cpu.vectors[5].d[0] = 5;
  EXPECT_EQ(ExitReason::fault, guest.run(code.begin()).reason);
  EXPECT_EQ(code.begin(), guest.cpu.pc);
  EXPECT_EQ(in_r15, guest.cpu.x[3]);
  EXPECT_EQ(on_stack, guest.cpu.x[4]);
  EXPECT_EQ(static_cast<u64>(-77), guest.cpu.x[5]);
  EXPECT_EQ(code.at(3), guest.cpu.x[6]);
  EXPECT_EQ(on_stack, guest.cpu.sp);
  u64 upper = guest.cpu.x[8] != 0 ? in_r15 - 1 : 0;
  for (int half : {0, 1}) {
    EXPECT_EQ(in_r15 - 1, guest.cpu.vectors[2].d[half]);
    EXPECT_EQ(upper, guest.cpu.vectors[31].d[half]);
    EXPECT_EQ(half == 0 ? 5 : in_r15, guest.cpu.vectors[5].d[half]);
  }
  EXPECT_EQ(1u, guest.cpu.n);
  EXPECT_EQ(1u, guest.cpu.v);
}

TEST_F(Regions, FaultsComputeValues) {
  constexpr FaultValue a{r15, 0, 8, FaultSource::general, 0}, b{place_on_stack, 0, 8, FaultSource::stack, 0},
      low_a{r15, 0, 1, FaultSource::general, 0}, low_b{place_on_stack, 0, 4, FaultSource::stack, 0};
  auto constant = [](i64 value) { return FaultValue{value, 0, 8, FaultSource::constant, 0}; };
  auto step = [](FaultSource source, u16 bits, i64 value = 0) { return FaultValue{value, 0, bits, source, 0}; };
  struct Case {
    std::vector<FaultValue> steps;
    u64 result;
  };
  const Case cases[] = {
      {{a, b, step(FaultSource::add, 64)}, in_r15 - 100},
      {{a, b, step(FaultSource::add, 8)}, 0xe1},
      {{a, b, step(FaultSource::subtract, 64)}, in_r15 + 100},
      {{b, constant(3), step(FaultSource::multiply, 64)}, static_cast<u64>(-300)},
      {{a, constant(0xff), step(FaultSource::bit_and, 64)}, 0x45},
      {{low_a, constant(0x100), step(FaultSource::bit_or, 64)}, 0x145},
      {{a, a, step(FaultSource::bit_xor, 64)}, 0},
      {{low_a, constant(60), step(FaultSource::shift_left, 64)}, u64{5} << 60},
      {{b, constant(60), step(FaultSource::shift_right, 64)}, 15},
      {{b, constant(64), step(FaultSource::shift_right, 64)}, 0},
      {{low_b, constant(2), step(FaultSource::shift_right_signed, 32)}, 0xffffffff - 24},
      {{low_b, constant(2), step(FaultSource::shift_right, 32)}, (0xffffffff - 99) >> 2},
      {{low_b, step(FaultSource::extend_sign, 64, 32)}, on_stack},
      {{b, step(FaultSource::truncate, 4)}, 12},
      {{a, a, step(FaultSource::equal, 1)}, 1},
      {{a, b, step(FaultSource::equal, 1)}, 0},
      {{a, b, step(FaultSource::less, 1)}, 1},
      {{a, b, step(FaultSource::less_signed, 1, 64)}, 0},
      {{low_b, constant(1), step(FaultSource::less_signed, 1, 32)}, 1},
      {{low_b, constant(1), step(FaultSource::less_signed, 1, 64)}, 0},
      {{constant(2), a, b, step(FaultSource::select, 64)}, in_r15},
      {{constant(0), a, b, step(FaultSource::select, 64)}, on_stack},
  };
  for (const Case& each : cases) {
    Code code;
    add_loads(code);
    Guest guest;
    guest.cpu.x[1] = 0x1008;
    Region region = values_region(code);
    u16 value = add_expression(region, each.steps);
    install_with(code, region, {value});
    EXPECT_EQ(ExitReason::fault, guest.run(code.begin()).reason);
    EXPECT_EQ(each.result, guest.cpu.x[20]) << &each - cases;
  }
}

TEST_F(LoadingRegions, FaultsWithoutAnEdgeLeaveCpuAsItIs) {
  u64 value = 11;
  guest.cpu.x[1] = reinterpret_cast<u64>(&value);
  guest.cpu.x[4] = 0x2010;
  translator::Exit exit = guest.run(code.begin());
  EXPECT_EQ(ExitReason::fault, exit.reason);
  EXPECT_EQ(0x2010u, exit.address);
  EXPECT_EQ(code.at(1), guest.cpu.pc);
  EXPECT_EQ(code.at(1), located);
  EXPECT_EQ(11u, guest.cpu.x[2]);
  EXPECT_EQ(0u, guest.cpu.x[3]);
}

// The reference runs the load, and the block behind it the rest.
TEST_F(LoadingRegions, TaggedAddressesAreLoadedFrom) {
  u64 value = 11;
  guest.cpu.x[1] = reinterpret_cast<u64>(&value) | u64{0x5a} << 56;
  guest.cpu.x[4] = reinterpret_cast<u64>(&value);
  EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(77u, guest.cpu.x[3]);
  EXPECT_EQ(11u, guest.cpu.x[2]);
  EXPECT_EQ(11u, guest.cpu.x[4]);
}

TEST_F(Regions, CallHelpersByName) {
  Code code;
  add_loads(code);
  Guest guest;
  u64 value = 11;
  u64 results[2];
  for (u64& result : results) {
    guest.cpu.x[1] = guest.cpu.x[4] = reinterpret_cast<u64>(&value);
    guest.cpu.x[6] = 0x12345678;
    guest.cpu.x[7] = 0x0102030405060708;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    result = guest.cpu.x[5];
    ASSERT_TRUE(translator::install_region(code.begin(), loading_region(code)));
  }
  EXPECT_EQ(1u, guest.cpu.x[9]);
  EXPECT_EQ(results[0], results[1]);
  Region region = loading_region(code);
  region.helpers = {"ferry_a64_unheard_of"};
  EXPECT_FALSE(translator::install_region(code.begin(), region));
}

TEST_F(Regions, AreRefusedWhereTheGuestsCodeIsAnother) {
  Code code;
  add_counting_loop(code);
  Region region = counting_region(code);
  u64 before = translator::stats().discarded_regions;
  code.replace(1, "sub_imm", "sf=1 imm12=2 rn=1 rd=1");
  EXPECT_FALSE(translator::install_region(code.begin(), region));
  // Unreadable, and unaligned memory that ends in the middle of it.
  void* pages = mmap(nullptr, 2 * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  u64 second = reinterpret_cast<u64>(pages) + page_size;
  munmap(reinterpret_cast<void*>(second), page_size);
  EXPECT_FALSE(translator::install_region(second, region));
  EXPECT_FALSE(translator::install_region(second - 8, region));
  munmap(pages, page_size);
  EXPECT_EQ(before + 3, translator::stats().discarded_regions);
}

TEST_F(Regions, AreRefusedWhereTheGuestMayNotExecute) {
  Code code, elsewhere;
  add_counting_loop(code);
  Region region = counting_region(code);
  translator::set_executable(GuestAddr{elsewhere.begin()}, GuestAddr{elsewhere.begin() + page_size}, true);
  EXPECT_FALSE(translator::install_region(code.begin(), region));
  translator::set_executable(GuestAddr{elsewhere.begin()}, GuestAddr{elsewhere.begin() + page_size}, false);
  EXPECT_TRUE(translator::install_region(code.begin(), region));
}

TEST_F(Regions, GoWithAnyOfTheirPages) {
  Code code;
  add_counting_loop(code);
  // The region has a second stretch, on the next page.
  while (code.count() < page_size / 4) code.add_word(0);
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0");
  Code caller;
  caller.add("blr", "rn=20").add("svc");
  Guest guest;
  auto run = [&] {
    guest.cpu.x[0] = guest.cpu.x[9] = 0;
    guest.cpu.x[1] = 100;
    EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    EXPECT_EQ(100u, guest.cpu.x[0]);
    return guest.cpu.x[9] != 0;
  };
  for (size_t changed : {size_t{0}, page_size / 4}) {
    Region region = counting_region(code);
    add_stretch(region, code, page_size / 4, 1);
    u64 dropped = translator::stats().invalidated_regions;
    ASSERT_TRUE(translator::install_region(code.begin(), region));
    EXPECT_TRUE(run());
    code.invalidate(page_size / 4 - 1 + page_size / 2);  // a page of no region
    EXPECT_TRUE(run());
    code.invalidate(changed);
    EXPECT_FALSE(run());
    EXPECT_EQ(dropped + 1, translator::stats().invalidated_regions);
    EXPECT_FALSE(run());
  }
}

// A block that is linked to a region's entry finds what comes after the region, and after that.
TEST_F(Regions, StaleEntriesLeadToWhatReplacedThem) {
  Code code;
  add_counting_loop(code);
  Code caller(1 << 12);
  Guest guest;
  // Near enough for a direct branch: the same mapping would be invalidated too.
  i64 words = (static_cast<i64>(code.begin()) - static_cast<i64>(caller.at(1))) / 4;
  caller.add("add_imm", "sf=1 imm12=1 rn=11 rd=11").add("b", "imm26=" + std::to_string(words));
  for (int i = 0; i < 10; i++) {
    if (i % 2 == 0) {
      ASSERT_TRUE(translator::install_region(code.begin(), counting_region(code)));
    } else {
      code.invalidate(0);
    }
    for (int n = 0; n < 3; n++) {
      guest.cpu.x[0] = guest.cpu.x[9] = 0;
      guest.cpu.x[1] = 5;
      ASSERT_EQ(ExitReason::syscall, guest.run(caller.begin()).reason);
      ASSERT_EQ(5u, guest.cpu.x[0]);
      ASSERT_EQ(i % 2 == 0 ? 1u : 0u, guest.cpu.x[9]) << i << " " << n;
    }
  }
}

TEST_F(Regions, PollRequestsEndEndlessLoops) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  ASSERT_TRUE(translator::install_region(code.begin(), counting_region(code)));
  guest.cpu.x[1] = ~u64{0} >> 1;
  std::thread other([&] {
    usleep(20000);
    translator::request_poll(guest.cpu);
  });
  EXPECT_EQ(ExitReason::poll, guest.run(code.begin()).reason);
  EXPECT_EQ(1u, guest.cpu.x[9]);
  EXPECT_EQ(code.begin(), guest.cpu.pc);
  EXPECT_EQ(~u64{0} >> 1, guest.cpu.x[0] + guest.cpu.x[1]);
  other.join();
}

TEST_F(Regions, AForkedChildKeepsThem) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  ASSERT_TRUE(translator::install_region(code.begin(), counting_region(code)));
  auto good = [&] {
    guest.cpu.x[0] = guest.cpu.x[9] = 0;
    guest.cpu.x[1] = 100;
    return guest.run(code.begin()).reason == ExitReason::syscall && guest.cpu.x[0] == 100 && guest.cpu.x[9] == 1;
  };
  EXPECT_TRUE(good());
  int status = guest.in_child([&] {
    bool first = good();
    code.invalidate(0);
    return first && !good() && guest.cpu.x[0] == 100 ? 0 : 1;
  });
  EXPECT_EQ(0, status);
  EXPECT_TRUE(good());
}

TEST_F(Regions, FullCodeMemoryIsFollowedByAnother) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  Region region = counting_region(code);
  region.code.resize(code_memory / 8);
  u64 flushes = translator::stats().flushes;
  for (u64 i = 1; i <= 20; i++) {
    ASSERT_TRUE(translator::install_region(code.begin(), region));
    guest.cpu.x[1] = 10;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    ASSERT_EQ(10 * i, guest.cpu.x[0]);
    ASSERT_EQ(i, guest.cpu.x[9]);
  }
  EXPECT_GE(translator::stats().flushes, flushes + 2);
}

TEST_F(Regions, ComeAndGoUnderRunningThreads) {
  Code code;
  add_counting_loop(code);
  std::atomic<int> finished = 0;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int t = 0; t < 3; t++) {
    threads.emplace_back([&] {
      Guest guest;
      for (u64 i = 0; i < 100'000; i++) {
        guest.cpu.x[0] = 0;
        guest.cpu.x[1] = 200;
        ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
        ASSERT_EQ(200u, guest.cpu.x[0]);
      }
      finished++;
    });
  }
  Region region = counting_region(code);
  while (finished != 3) {
    EXPECT_TRUE(translator::install_region(code.begin(), region));
    usleep(100);
    code.invalidate(0);
    usleep(50);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ferry::test
