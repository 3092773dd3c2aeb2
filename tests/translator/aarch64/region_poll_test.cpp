// A hot region that is interrupted: by signals and by another thread's polls at any moment, by invalidation, by its code's change. A
// loop whose whole state follows from how often it has gone round is stopped where it happens to be, and everything is checked.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/translator/aarch64/region_tier.h"
#include "tests/translator/guest_code.h"
#include "translator/regions.h"

namespace ferry::test {
namespace {

constexpr u64 inner_turns = 5;
alignas(64) u64 cells[3][8];
constexpr size_t head = 0, inner = 5, last = 14, function = 16;

// Goes round until X0 is X21.
void add_loop(Code& code) {
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0")   // head: X0 counts
      .add("madd", "sf=1 rm=22 ra=31 rn=0 rd=1")  // X1 = X0 * X22
      .add("str_imm", "size=3 rn=20 rt=0")        // memory follows
      .add("bl", "imm26=13")                      // X2 += X0
      .add("movz", "sf=1 imm16=5 rd=6");          // X6 = inner_turns
  EXPECT_EQ(code.count(), inner);
  code.add("add_imm", "sf=1 imm12=1 rn=4 rd=4")        // inner: X4 counts these
      .add("add_vector", "q=1 size=3 rm=1 rn=0 rd=0")  // V0 += V1
      .add("subs_imm", "sf=1 imm12=1 rn=6 rd=6")
      .add("b_cond", "cond=1 imm19=-3")
      .add("ldr_imm", "size=3 rn=20 rt=7")    // X7 = what was stored
      .add("eor_reg", "sf=1 rm=7 rn=8 rd=8")  // X8 ^= X7
      .add("hint_0")
      .add("hint_0")
      .add("cmp_reg", "sf=1 rm=21 rn=0");
  EXPECT_EQ(code.count(), last);
  code.add("b_cond", "cond=1 imm19=-14").add("brk");
  EXPECT_EQ(code.count(), function);
  code.add("add_reg", "sf=1 rm=0 rn=2 rd=2").add("ret", "rn=30");
}

void set_up(Cpu& cpu, const Code& code, u64 turns, u64* cell = cells[0]) {
  cpu.pc = code.at(head);
  cpu.x[20] = reinterpret_cast<u64>(cell);
  cpu.x[21] = turns;
  cpu.x[22] = 3;
  cpu.vectors[1] = {{1, 2}};
}

u64 xor_up_to(u64 n) { return n % 4 == 0 ? n : n % 4 == 1 ? 1 : n % 4 == 2 ? n + 1 : 0; }

// The state at the head after n times round, but for the pc.
void expect_turns(const Cpu& cpu, u64 n) {
  EXPECT_EQ(cpu.x[0], n);
  EXPECT_EQ(cpu.x[1], 3 * n);
  EXPECT_EQ(cpu.x[2], n * (n + 1) / 2);
  EXPECT_EQ(cpu.x[4], inner_turns * n);
  EXPECT_EQ(cpu.x[6], 0u);
  EXPECT_EQ(cpu.x[7], n);
  EXPECT_EQ(cpu.x[8], xor_up_to(n));
  EXPECT_EQ(cpu.vectors[0].d[0], inner_turns * n);
  EXPECT_EQ(cpu.vectors[0].d[1], 2 * inner_turns * n);
  EXPECT_EQ(*reinterpret_cast<const u64*>(cpu.x[20]), n);
  // CMP X0, X21
  EXPECT_EQ(cpu.n, (n - cpu.x[21]) >> 63);
  EXPECT_EQ(cpu.z, n == cpu.x[21]);
  EXPECT_EQ(cpu.c, n >= cpu.x[21]);
  EXPECT_EQ(cpu.v, 0);
}

// In the inner loop, with X6 turns of it to go.
void expect_inner(const Cpu& cpu) {
  u64 n = cpu.x[0], done = inner_turns - cpu.x[6];
  EXPECT_EQ(cpu.x[1], 3 * n);
  EXPECT_EQ(cpu.x[2], n * (n + 1) / 2);
  EXPECT_EQ(cpu.x[4], inner_turns * (n - 1) + done);
  EXPECT_EQ(cpu.x[7], n - 1);
  EXPECT_EQ(cpu.x[8], xor_up_to(n - 1));
  EXPECT_EQ(cpu.vectors[0].d[0], cpu.x[4]);
  EXPECT_EQ(cpu.vectors[0].d[1], 2 * cpu.x[4]);
  EXPECT_EQ(*reinterpret_cast<const u64*>(cpu.x[20]), n);
  // SUBS X6, X6, #1: it came round, so it is not zero.
  EXPECT_EQ(cpu.n, 0);
  EXPECT_EQ(cpu.z, 0);
  EXPECT_EQ(cpu.c, 1);
  EXPECT_EQ(cpu.v, 0);
}

CompiledRegion compile_loop(const Code& code) {
  Piece piece{code.begin(), static_cast<u32>(code.count()), {code.at(head)}};
  auto compiled = compile_region({&piece, 1});
  EXPECT_TRUE(compiled.has_value());
  return std::move(*compiled);
}

// The loop as a region, and a guest that is about to run it for ever.
struct EndlessLoop {
  Machine& machine = Machine::instance();  // before there are guests
  Code code;
  Guest guest;
  EndlessLoop() {
    handle_guest_faults();  // a poll leaves by a trap
    add_loop(code);
    set_up(guest.cpu, code, ~u64{0});
    CompiledRegion loop = compile_loop(code);
    EXPECT_TRUE(translator::install_region(loop.base, loop.region));
  }
};

// Runs the loop for ever and checks it at each poll, `polls` times.
void check_polls(Cpu& cpu, const Code& code, int polls) {
  u64 turns = 0;
  int at_head = 0, in_inner = 0;
  while (at_head + in_inner < polls && !testing::Test::HasFailure()) {
    ASSERT_EQ(translator::run(cpu).reason, translator::ExitReason::poll);
    if (cpu.pc == code.at(head)) {
      at_head++;
      if (cpu.x[0] != 0) expect_turns(cpu, cpu.x[0]);
    } else {
      in_inner++;
      ASSERT_EQ(cpu.pc, code.at(inner));
      expect_inner(cpu);
    }
    EXPECT_GE(cpu.x[0], turns);
    turns = cpu.x[0];
  }
  EXPECT_GT(turns, 0u);
  EXPECT_GT(in_inner, 0);
}

TEST(RegionPolls, ASignalFindsTheLoopAsItIs) {
  if (__has_feature(thread_sanitizer)) GTEST_SKIP() << "the sanitizer keeps signals back while translated code runs";
  EndlessLoop loop;
  struct sigaction action{};
  action.sa_handler = [](int) { translator::request_poll(*running); };
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGALRM, &action, nullptr);
  itimerval often{{0, 300}, {0, 300}}, never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  check_polls(loop.guest.cpu, loop.code, 400);
  setitimer(ITIMER_REAL, &never, nullptr);
}

TEST(RegionPolls, AnotherThreadStopsTheLoop) {
  EndlessLoop loop;
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      translator::request_poll(loop.guest.cpu);
      usleep(50);
    }
  });
  check_polls(loop.guest.cpu, loop.code, 200);
  done = true;
  other.join();
}

// Dropped and put in place again while threads are in it, the loop comes to what it would have come to.
TEST(RegionPolls, InvalidationLosesNothing) {
  Machine::instance();
  handle_guest_faults();
  Code code;
  add_loop(code);
  CompiledRegion loop = compile_loop(code);
  constexpr u64 turns = 20000000;
  constexpr int threads = 3;
  std::atomic<int> busy = threads;
  u64 invalidated = translator::stats().invalidated_regions;
  std::vector<std::thread> guests;
  for (int i = 0; i < threads; i++) {
    guests.emplace_back([&, i] {
      Guest guest;
      set_up(guest.cpu, code, turns, cells[i]);
      translator::Exit exit{translator::ExitReason::poll};
      while (exit.reason == translator::ExitReason::poll) exit = translator::run(guest.cpu);
      EXPECT_EQ(exit.reason, translator::ExitReason::breakpoint);
      EXPECT_EQ(guest.cpu.pc, code.at(last + 1));
      expect_turns(guest.cpu, turns);
      busy--;
    });
  }
  while (busy != 0) {
    EXPECT_TRUE(translator::install_region(loop.base, loop.region));
    usleep(500);
    code.invalidate(head);
    usleep(100);
  }
  for (std::thread& guest : guests) guest.join();
  EXPECT_GT(translator::stats().invalidated_regions, invalidated);
}

// Code that is changed under a region that would never end.
TEST(RegionPolls, ChangedCodeEndsTheLoop) {
  EndlessLoop loop;
  std::thread other([&] {
    usleep(20000);
    loop.code.replace(last, "brk", "");
    loop.code.invalidate(last);
  });
  EXPECT_EQ(translator::run(loop.guest.cpu).reason, translator::ExitReason::breakpoint);
  other.join();
  EXPECT_EQ(loop.guest.cpu.pc, loop.code.at(last));
  EXPECT_GT(loop.guest.cpu.x[0], 0u);
  expect_turns(loop.guest.cpu, loop.guest.cpu.x[0]);
}

size_t polls_in(const optimizer::Region& region) {
  return static_cast<size_t>(std::ranges::count_if(
      region.fault_states, [](const optimizer::FaultState& state) { return state.is_poll != 0; }));
}

// Every way round has its poll, by whatever branch it goes back; a jump back that leads on is none.
TEST(RegionPolls, AreWhereLoopsGoBack) {
  Machine::instance();
  handle_guest_faults();
  Code code;
  code.add("b", "imm26=3");                                                     // to 3
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("b", "imm26=2");            // 1, to 4
  code.add("b", "imm26=-2");                                                    // 3, to 1
  code.add("add_imm", "sf=1 imm12=1 rn=1 rd=1").add("br", "rn=20").add("brk");  // 4, to 4 or on
  Piece straight{code.begin(), 6, {}}, round{code.begin(), 6, {}, {{code.at(5), code.at(4)}}};
  auto without = compile_region({&straight, 1}), with = compile_region({&round, 1});
  ASSERT_TRUE(without.has_value() && with.has_value());
  EXPECT_EQ(0u, polls_in(without->region));
  EXPECT_EQ(1u, polls_in(with->region));
  ASSERT_TRUE(translator::install_region(with->base, with->region));
  Guest guest;
  guest.cpu.pc = code.begin();
  guest.cpu.x[20] = code.at(4);
  std::thread other([&] {
    usleep(2000);
    translator::request_poll(guest.cpu);
  });
  EXPECT_EQ(translator::ExitReason::poll, translator::run(guest.cpu).reason);
  other.join();
  EXPECT_EQ(code.at(4), guest.cpu.pc);
  EXPECT_EQ(1u, guest.cpu.x[0]);
  EXPECT_GT(guest.cpu.x[1], 0u);
}

// A word and where it is in the code; regions that go from one to the other for ever, neither of which has a loop.
struct Way {
  const char *row, *there, *back;
  bool meet = false;  // their beginnings in one entry of the branch cache
};

void expect_stops(const Way& way) {
  constexpr size_t length = 3;
  Code code(way.meet ? 64 * aarch64::jump_cache_size : 4096);
  size_t second = length;
  auto index = [&](size_t at) { return aarch64::jump_cache_index(code.begin() + 4 * at); };
  while (way.meet && index(second) != index(0)) second++;
  for (size_t i = 0; i < second + length; i++) code.add("hint_0");
  for (auto [first, counter, target, branch] :
       {std::tuple{size_t{0}, "0", "21", way.there}, {second, "1", "20", way.back}}) {
    using namespace std::string_literals;
    code.replace(first, "add_imm", "sf=1 imm12=1 rn="s + counter + " rd=" + counter);
    code.replace(first + 1, "add_imm", "sf=1 imm12=0 rd=30 rn="s + target);
    code.replace(first + 2, way.row, branch);
  }
  Guest guest;
  guest.cpu.pc = code.at(0);
  guest.cpu.x[20] = code.at(0);
  guest.cpu.x[21] = code.at(second);
  for (size_t first : {size_t{0}, second}) {
    Piece piece{code.at(first), length, {code.at(first)}};
    auto compiled = compile_region({&piece, 1});
    ASSERT_TRUE(compiled.has_value());
    ASSERT_TRUE(translator::install_region(compiled->base, compiled->region));
  }
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      translator::request_poll(guest.cpu);
      usleep(500);
    }
  });
  u64 turns = 0;
  for (int i = 0; i < 20; i++) {
    EXPECT_EQ(translator::ExitReason::poll, translator::run(guest.cpu).reason);
    EXPECT_TRUE(guest.cpu.pc == code.at(0) || guest.cpu.pc == code.at(second));
    EXPECT_EQ(guest.cpu.x[0], guest.cpu.x[1] + (guest.cpu.pc == code.at(second)));
    EXPECT_GE(guest.cpu.x[0], turns);
    turns = guest.cpu.x[0];
  }
  EXPECT_GT(turns, 100u);
  done = true;
  other.join();
}

// By whatever way they go: with registers carried or not, by either way of the branch cache, by returns that no call has made.
TEST(RegionPolls, StopRegionsThatGoToEachOther) {
  Machine::instance();
  handle_guest_faults();
  for (const Way& way :
       {Way{"b", "imm26=1", "imm26=-5"}, Way{"bl", "imm26=1", "imm26=-5"}, Way{"br", "rn=21", "rn=20"},
        Way{"blr", "rn=21", "rn=20"}, Way{"ret", "rn=30", "rn=30"}, Way{"ret", "rn=21", "rn=20"},
        Way{"br", "rn=21", "rn=20", true}, Way{"ret", "rn=30", "rn=30", true}, Way{"ret", "rn=21", "rn=20", true}}) {
    SCOPED_TRACE(std::string(way.row) + " " + way.there + (way.meet ? ", in one entry" : ""));
    expect_stops(way);
  }
}

// What a region has called comes back to where its code was dropped meanwhile: to what is there now.
TEST(RegionPolls, ReturnsAfterItsCodeHasChanged) {
  Machine::instance();
  handle_guest_faults();
  Code code, callee;
  callee.add("svc").add("ret", "rn=30");
  code.add("blr", "rn=20").add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("brk");
  // The return is a region's, too: registers are carried into what it returns to.
  for (Piece piece : {Piece{code.begin(), 2, {}}, Piece{callee.at(1), 1, {}}}) {
    auto compiled = compile_region({&piece, 1});
    ASSERT_TRUE(compiled.has_value());
    ASSERT_TRUE(translator::install_region(compiled->base, compiled->region));
  }
  Guest guest;
  guest.cpu.x[20] = callee.begin();
  // The first call's target is not known yet: it is not made by the return stack.
  for (bool changed : {false, false, true}) {
    guest.cpu.x[0] = 0;
    ASSERT_EQ(guest.run(code.begin()).reason, translator::ExitReason::syscall);
    EXPECT_EQ(guest.cpu.x[30], code.at(1));
    if (changed) {
      code.replace(1, "add_imm", "sf=1 imm12=2 rn=0 rd=0");
      code.invalidate(1);
      guest.cpu.budget = 1000;  // without a poll before the return
    }
    EXPECT_EQ(guest.run(callee.at(1)).reason, translator::ExitReason::breakpoint);
    EXPECT_EQ(guest.cpu.x[0], changed ? 2u : 1u);
  }
}

}  // namespace
}  // namespace ferry::test
