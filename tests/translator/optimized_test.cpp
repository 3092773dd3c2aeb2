// The optimised tier from end to end in one process: guest code gets hot in the baseline, is formed into a request, compiled and put in
// place, and goes on with the same results.
#include <atomic>
#include <thread>

#include "tests/translator/guest_code.h"
#include "translator/optimizer/compile.h"
#include "translator/regions.h"

namespace ferry::test {
namespace {

using optimizer::Region;
using optimizer::Request;
using translator::ExitReason;

std::vector<Request> requests;
std::vector<std::string> refusals;

std::optional<Region> compile(const Request& request) {
  static optimizer::Compiler compiler;
  requests.push_back(request);
  std::string why;
  std::optional<Region> region = compiler.compile(request, why);
  if (!region) refusals.push_back(why);
  return region;
}

class Optimized : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    handle_guest_faults();
    translator::start({});
    translator::optimize_by(compile);
  }
  void SetUp() override {
    requests.clear();
    refusals.clear();
    installed_ = translator::stats().installed_regions;
  }
  u64 installed() const { return translator::stats().installed_regions - installed_; }

 private:
  u64 installed_ = 0;
};

size_t instructions(const Request& request) {
  size_t count = 0;
  for (const optimizer::Stretch& stretch : request.stretches) count += stretch.words.size();
  return count;
}

constexpr u64 many = 20'000'000;

TEST_F(Optimized, HotLoopsMoveIntoTheirRegionWhileTheyRun) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  guest.cpu.x[1] = many;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(many, guest.cpu.x[0]);
  EXPECT_EQ(code.at(4), guest.cpu.pc);
  ASSERT_EQ(1u, requests.size());
  EXPECT_EQ(1u, installed());
  EXPECT_TRUE(refusals.empty());
  EXPECT_EQ(code.begin(), requests[0].base + requests[0].entries[0]);
  EXPECT_EQ(3u, instructions(requests[0]));
  EXPECT_FALSE(requests[0].storable);
}

// Two loops, one in the other, and a call in the inner one: the region is all of it, whichever of its blocks was hot.
TEST_F(Optimized, RegionsAreWholeLoopsWithWhatTheyCall) {
  Code code;
  // outer: add x1 = x8 + 100; inner: bl f; sub x1; cbnz inner; sub x10; cbnz outer; svc; f: add x0 += 1; ret. Never run: add; svc.
  code.add("add_imm", "sf=1 imm12=100 rn=8 rd=1");
  code.add("bl", "imm26=6").add("sub_imm", "sf=1 imm12=1 rn=1 rd=1").add("cbnz", "sf=1 imm19=-2 rt=1");
  code.add("sub_imm", "sf=1 imm12=1 rn=10 rd=10").add("cbnz", "sf=1 imm19=-5 rt=10").add("svc");
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("ret", "rn=30");
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("svc");
  Guest guest;
  guest.cpu.x[10] = many / 100;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(many, guest.cpu.x[0]);
  ASSERT_GE(requests.size(), 1u);
  EXPECT_GE(installed(), 1u);
  EXPECT_LE(requests.size(), 3u);
  EXPECT_EQ(8u, instructions(requests.back()));
}

TEST_F(Optimized, FaultsInRegionsAreThoseOfTheBaseline) {
  Code code;
  // x2 = sum of what x1 points at, upwards until it faults.
  code.add("ldr_post", "size=3 imm9=8 rn=1 rt=3").add("adds_reg", "sf=1 rm=3 rn=2 rd=2").add("b", "imm26=-2");
  constexpr size_t size = size_t{64} << 20;
  auto* memory = static_cast<u64*>(mmap(nullptr, size + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(memory, size, PROT_READ | PROT_WRITE);
  for (size_t i = 0; i < size / 8; i++) memory[i] = i;
  u64 count = size / 8;
  for (int round = 0; round < 3; round++) {
    Guest guest;
    guest.cpu.x[1] = reinterpret_cast<u64>(memory);
    translator::Exit exit = guest.run(code.begin());
    EXPECT_EQ(ExitReason::fault, exit.reason);
    EXPECT_EQ(SIGSEGV, exit.signal);
    EXPECT_EQ(SEGV_ACCERR, exit.code);
    EXPECT_EQ(reinterpret_cast<u64>(memory + count), exit.address);
    EXPECT_EQ(reinterpret_cast<u64>(memory + count), guest.cpu.x[1]);
    EXPECT_EQ(code.begin(), guest.cpu.pc);
    EXPECT_EQ(count * (count - 1) / 2, guest.cpu.x[2]);
    EXPECT_EQ(0, guest.cpu.z);
  }
  EXPECT_EQ(1u, installed());
  munmap(memory, size + 4096);
}

TEST_F(Optimized, PollRequestsReachRegions) {
  Code code;
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("b", "imm26=-1");
  Guest guest;
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      usleep(5000);
      translator::request_poll(guest.cpu);
    }
  });
  u64 turns = 0;
  guest.cpu.pc = code.begin();
  for (int i = 0; i < 20; i++) {
    ASSERT_EQ(ExitReason::poll, translator::run(guest.cpu).reason);
    EXPECT_GE(guest.cpu.x[0], turns);
    turns = guest.cpu.x[0];
  }
  done = true;
  other.join();
  EXPECT_EQ(1u, installed());
}

TEST_F(Optimized, RecursiveFunctionsAreCompiledWhole) {
  Code code;
  // fib(x0): if x0 < 2 return; push x30, x0, x1; x0 = fib(x0 - 1); then fib(x0 - 2); the sum.
  code.add("bl", "imm26=2").add("svc");
  code.add("cmp_imm", "sf=1 imm12=2 rn=0").add("b_cond", "cond=3 imm19=14");
  code.add("sub_imm", "sf=1 imm12=32 rn=31 rd=31")
      .add("str_imm", "size=3 imm12=0 rn=31 rt=30")
      .add("str_imm", "size=3 imm12=1 rn=31 rt=0")
      .add("sub_imm", "sf=1 imm12=1 rn=0 rd=0")
      .add("bl", "imm26=-6")
      .add("str_imm", "size=3 imm12=2 rn=31 rt=0")
      .add("ldr_imm", "size=3 imm12=1 rn=31 rt=0")
      .add("sub_imm", "sf=1 imm12=2 rn=0 rd=0")
      .add("bl", "imm26=-10")
      .add("ldr_imm", "size=3 imm12=2 rn=31 rt=1")
      .add("add_reg", "sf=1 rm=1 rn=0 rd=0")
      .add("ldr_imm", "size=3 imm12=0 rn=31 rt=30")
      .add("add_imm", "sf=1 imm12=32 rn=31 rd=31");
  code.add("ret", "rn=30");
  std::vector<u64> stack(4096);
  Guest guest;
  guest.cpu.sp = reinterpret_cast<u64>(stack.data() + stack.size());
  guest.cpu.x[0] = 32;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(2178309u, guest.cpu.x[0]);
  EXPECT_GE(installed(), 1u);
  EXPECT_LE(requests.size(), 4u);
}

TEST_F(Optimized, ChangedCodeIsNotRunAsItWas) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  for (u64 i = 1; i <= 4; i++) {
    code.replace(0, "add_imm", "sf=1 imm12=" + std::to_string(i) + " rn=0 rd=0");
    code.invalidate(0);
    guest.cpu.x[0] = 0;
    guest.cpu.x[1] = many;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    ASSERT_EQ(i * many, guest.cpu.x[0]);
  }
  EXPECT_GE(installed(), 2u);
}

}  // namespace
}  // namespace ferry::test
