#include "tests/translator/aarch64/machine.h"

#include <signal.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guest/check.h"
#include "guest/log.h"
#include "guest/memory.h"
#include "tests/translator/signal_stack.h"

namespace ferry::test {

namespace {
aarch64::Cpu* fault_cpu;

void on_fault(int signal, siginfo_t* info, void* context) {
  if (fix_up_guest_access(context) || translator::handle_fault(*fault_cpu, info, context)) return;
  fprintf(stderr, "host fault %d at %p, not in translated code\n", signal, info->si_addr);
  ::signal(signal, SIG_DFL);
}

void map_at(u64 address, u64 size) {
  void* wanted = reinterpret_cast<void*>(address);
  void* p = mmap(wanted, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
  if (p == wanted) return;
  perror("mapping the test window");
  abort();
}
}  // namespace

Machine& Machine::instance() {
  static Machine machine;
  return machine;
}

Machine::Machine() {
  log_mask = 0;  // undefined words are part of the tests
  map_at(ORACLE_CODE, ORACLE_CODE_SIZE);
  map_at(ORACLE_WINDOW, ORACLE_WINDOW_SIZE);
  for (u64 i = 0; i < ORACLE_WINDOW_SIZE / 8; i++) reinterpret_cast<u64*>(ORACLE_WINDOW)[i] = oracle_pattern(i);
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGTRAP}) sigaction(signal, &action, nullptr);
  fault_cpu = &cpu_;
  translator::start({});
  use_signal_stack();
  translator::attach(cpu_);
}

void Machine::place(u64 slot, u32 word) {
  u64 address = ORACLE_CODE + slot * ORACLE_SLOT;
  const u32 words[] = {word, 0xd4200000};  // as the oracle's slots: literal loads see it
  memcpy(reinterpret_cast<void*>(address), words, sizeof words);
  translator::invalidate(GuestAddr{address}, GuestAddr{address + sizeof words});
}

void Machine::place_block(u64 slot, std::span<const u32> words) {
  u64 address = ORACLE_CODE + slot * ORACLE_BLOCK_SLOT;
  if (address + ORACLE_BLOCK_SLOT > ORACLE_CODE + ORACLE_CODE_SIZE)
    fatal("no room for so many blocks", "fewer FERRY_TEST_CASES");
  u32 all[ORACLE_BLOCK_WORDS + 1];
  for (u32& word : all) word = 0xd4200000;
  memcpy(all, words.data(), words.size_bytes());
  memcpy(reinterpret_cast<void*>(address), all, sizeof all);
  translator::invalidate(GuestAddr{address}, GuestAddr{address + sizeof all});
}

void Machine::place_program(std::span<const u32> words) {
  memcpy(reinterpret_cast<void*>(ORACLE_CODE), words.data(), words.size_bytes());
  reinterpret_cast<u32*>(ORACLE_CODE)[words.size()] = 0xd4200000;
  translator::invalidate(GuestAddr{ORACLE_CODE}, GuestAddr{ORACLE_CODE + words.size_bytes() + 4});
}

void Machine::protect_code(bool read_only) {
  mprotect(reinterpret_cast<void*>(ORACLE_CODE), ORACLE_CODE_SIZE, read_only ? PROT_READ : PROT_READ | PROT_WRITE);
}

OracleResult Machine::run(Tier tier, const OracleState& state, u64 instructions) {
  memcpy(cpu_.x, state.x, sizeof state.x);
  cpu_.sp = state.sp;
  cpu_.pc = state.pc;
  cpu_.n = state.nzcv >> 31 & 1;
  cpu_.z = state.nzcv >> 30 & 1;
  cpu_.c = state.nzcv >> 29 & 1;
  cpu_.v = state.nzcv >> 28 & 1;
  memcpy(cpu_.vectors, state.v, sizeof state.v);
  translator::write_fpcr(cpu_, static_cast<u32>(state.fpcr));
  translator::write_fpsr(cpu_, static_cast<u32>(state.fpsr));
  cpu_.exclusive_address = ~u64{0};

  translator::Exit exit{translator::ExitReason::poll};
  if (tier == Tier::reference)
    for (u64 n = 0; n < instructions && exit.reason == translator::ExitReason::poll; n++) exit = translator::step(cpu_);
  else
    exit = translator::run(cpu_);
  for (; after_poll_ != nullptr && exit.reason == translator::ExitReason::poll; polls_++) {
    after_poll_();
    exit = translator::run(cpu_);
  }
  exit_ = exit;
  OracleResult result{};
  memcpy(result.state.x, cpu_.x, sizeof cpu_.x);
  result.state.sp = cpu_.sp;
  result.state.pc = cpu_.pc;
  result.state.nzcv = u64{cpu_.n} << 31 | u64{cpu_.z} << 30 | u64{cpu_.c} << 29 | u64{cpu_.v} << 28;
  memcpy(result.state.v, cpu_.vectors, sizeof result.state.v);
  result.state.fpcr = translator::read_fpcr(cpu_);
  result.state.fpsr = translator::read_fpsr(cpu_);
  switch (exit.reason) {
    case translator::ExitReason::undefined:
      result.signal = SIGILL;
      break;
    case translator::ExitReason::fault:
      result.signal = static_cast<u64>(exit.signal);
      result.fault_address = exit.address;
      break;
    case translator::ExitReason::breakpoint:
      // The words after the tested ones are where they go on.
      if (result.state.pc < state.pc + 4 * instructions) result.signal = SIGTRAP;
      break;
    default:
      break;
  }
  oracle_check_window(&result);
  return result;
}

std::string differences(const OracleResult& expected, const OracleResult& actual) {
  std::string text;
  auto compare = [&](const char* name, int index, u64 e, u64 a) {
    if (e == a) return;
    char line[128];
    snprintf(line, sizeof line,
             index < 0 ? "  %s%.0d: expected %#llx, got %#llx\n" : "  %s%d: expected %#llx, got %#llx\n", name,
             index < 0 ? 0 : index, static_cast<unsigned long long>(e), static_cast<unsigned long long>(a));
    text += line;
  };
  compare("signal", -1, expected.signal, actual.signal);
  for (int i = 0; i < 31; i++) compare("x", i, expected.state.x[i], actual.state.x[i]);
  compare("sp", -1, expected.state.sp, actual.state.sp);
  compare("pc", -1, expected.state.pc, actual.state.pc);
  compare("nzcv", -1, expected.state.nzcv, actual.state.nzcv);
  for (int i = 0; i < 32; i++) {
    compare("v.low", i, expected.state.v[i][0], actual.state.v[i][0]);
    compare("v.high", i, expected.state.v[i][1], actual.state.v[i][1]);
  }
  compare("fpcr", -1, expected.state.fpcr, actual.state.fpcr);
  compare("fpsr", -1, expected.state.fpsr, actual.state.fpsr);
  if (expected.memory_hash != actual.memory_hash) {
    compare("memory", -1, expected.memory_hash, actual.memory_hash);
    compare("first changed offset", -1, expected.changed_offset, actual.changed_offset);
    compare("first changed value", -1, expected.changed_value, actual.changed_value);
  }
  return text;
}

}  // namespace ferry::test
