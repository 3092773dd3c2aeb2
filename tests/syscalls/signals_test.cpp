// Signals of one thread without translated code: the frame's bytes, the way there and back, masks, and the race around the
// host's syscall instruction. Guest addresses are this test's own: the guest's base is 0.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "syscalls/handlers.h"
#include "syscalls/signal_frame.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {
namespace {

using aarch64_abi::SignalFrame;

u64 address_of(const void* p) { return reinterpret_cast<u64>(p); }

// One guest thread on the test's own, with ferry's handlers installed; a fresh one for each test.
class Signals : public testing::Test {
 protected:
  alignas(16) u8 stack[64 * 1024];
  alignas(16) u8 alternate[16 * 1024];
  Process process;
  Thread thread;
  u64 old_mask;

  void SetUp() override {
    raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, address_of(&old_mask), 8);
    thread.process = &process;
    thread.actions = &process.actions;
    thread.tid = gettid();
    process.signal_trampoline = 0x5000;
    attach_signal_stack(thread);
    current_thread = &thread;
    start_signals(thread);
    for (int i = 0; i < 31; i++) thread.cpu.x[i] = 0x100u + static_cast<u64>(i);
    for (u64 i = 0; i < 32; i++) thread.cpu.vectors[i] = {{i * 3, ~i}};
    thread.cpu.sp = address_of(stack + sizeof stack);
    thread.cpu.pc = 0x400000;
    thread.cpu.n = thread.cpu.c = 1;
  }
  void TearDown() override {
    for (int signal : {SIGUSR1, SIGUSR2, SIGALRM, 32, 33, 64}) {
      std::lock_guard lock(process.actions.mutex);
      ASSERT_TRUE(install_signal_action(process.actions, signal, {}));
    }
    current_thread = nullptr;
    for (int signal : fault_signals) ::signal(signal, SIG_DFL);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, address_of(&old_mask), 0, 8);
    detach_signal_stack(thread);
  }

  void handle(int signal, u64 handler, u64 flags, u64 mask = 0) {
    SignalAction action{handler, flags, 0, mask};
    auto result = sys_rt_sigaction(thread, Signal{static_cast<u64>(signal)}, In<SignalAction>{address_of(&action)},
                                   Out<SignalAction>{0}, Size{8});
    ASSERT_TRUE(result) << static_cast<int>(result.error());
  }
  Result<i64> send(int signal) {
    return from_raw(
        host_syscall(SYS_tgkill, static_cast<u64>(getpid()), static_cast<u64>(gettid()), static_cast<u64>(signal)));
  }
  u64 host_mask() {
    u64 mask = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, address_of(&mask), 8);
    return mask;
  }
};

TEST_F(Signals, TheFrameIsTheKernels) {
  handle(SIGUSR1, 0x1234560, SA_SIGINFO, signal_bit(SIGUSR2));
  thread.signals.fault_address = 0xdead0;
  thread.signals.fault_syndrome = 0x92000047;
  ASSERT_TRUE(send(SIGUSR1));
  ASSERT_EQ(thread.signals.slot.signal, SIGUSR1);
  auto before = std::make_unique<Thread>();
  copy_guest_state(before->cpu, thread.cpu);
  deliver_signals(thread);

  const translator::Cpu& cpu = thread.cpu;
  u64 top = address_of(stack + sizeof stack);
  EXPECT_EQ(cpu.sp, top - 16 - 4688);
  EXPECT_EQ(cpu.pc, 0x1234560u);
  EXPECT_EQ(cpu.x[0], static_cast<u64>(SIGUSR1));
  EXPECT_EQ(cpu.x[1], cpu.sp);
  EXPECT_EQ(cpu.x[2], cpu.sp + 128);
  EXPECT_EQ(cpu.x[29], top - 16);
  EXPECT_EQ(cpu.x[30], 0x5000u);

  auto at = [&](u64 offset) {
    u64 value;
    memcpy(&value, reinterpret_cast<const u8*>(cpu.sp) + offset, 8);
    return value;
  };
  constexpr u64 context = 128 + 176;  // offsets from include/uapi/asm/{ucontext,sigcontext}.h
  EXPECT_EQ(static_cast<u32>(at(0)), static_cast<u32>(SIGUSR1));
  EXPECT_EQ(static_cast<i32>(at(8)), SI_TKILL);
  EXPECT_EQ(at(128 + 40), 0u) << "the mask before the handler";
  EXPECT_EQ(at(context), 0xdead0u);
  for (u64 i = 0; i < 31; i++) EXPECT_EQ(at(context + 8 + 8 * i), before->cpu.x[i]) << i;
  EXPECT_EQ(at(context + 256), top);
  EXPECT_EQ(at(context + 264), 0x400000u);
  EXPECT_EQ(at(context + 272), u64{0xa0000000});
  EXPECT_EQ(at(context + 288), u64{528} << 32 | 0x46508001) << "FPSIMD record";
  EXPECT_EQ(at(context + 288 + 16 + 16 * 5), 15u) << "V5";
  EXPECT_EQ(at(context + 288 + 528), u64{16} << 32 | 0x45535201) << "ESR record";
  EXPECT_EQ(at(context + 288 + 528 + 8), 0x92000047u);
  EXPECT_EQ(at(context + 288 + 528 + 16), 0u) << "terminator";
  EXPECT_EQ(at(4688), 0x100u + 29) << "frame record";
  EXPECT_EQ(at(4696), 0x100u + 30);
  EXPECT_EQ(thread.signals.mask, signal_bit(SIGUSR1) | signal_bit(SIGUSR2));
  EXPECT_EQ(host_mask(), thread.signals.mask);
}

TEST_F(Signals, ReturningFromTheHandlerRestoresEverything) {
  handle(SIGUSR1, 0x1234560, SA_SIGINFO);
  auto before = std::make_unique<Thread>();
  copy_guest_state(before->cpu, thread.cpu);
  ASSERT_TRUE(send(SIGUSR1));
  deliver_signals(thread);
  for (u64& x : thread.cpu.x) x = 0;
  thread.cpu.vectors[7] = {};
  thread.cpu.n = 0;
  ASSERT_TRUE(sys_rt_sigreturn(thread));
  EXPECT_TRUE(thread.keep_registers);
  EXPECT_EQ(memcmp(thread.cpu.x, before->cpu.x, sizeof thread.cpu.x), 0);
  EXPECT_EQ(memcmp(thread.cpu.vectors, before->cpu.vectors, sizeof thread.cpu.vectors), 0);
  EXPECT_EQ(thread.cpu.sp, before->cpu.sp);
  EXPECT_EQ(thread.cpu.pc, before->cpu.pc);
  EXPECT_EQ(thread.cpu.n, 1);
  EXPECT_EQ(thread.cpu.z, 0);
  EXPECT_EQ(thread.signals.mask, 0u);
  EXPECT_EQ(host_mask(), 0u);
}

// Each way a frame can be wrong is refused before anything changes.
TEST_F(Signals, ABadFrameIsRefused) {
  handle(SIGUSR1, 0x1234560, 0);
  ASSERT_TRUE(send(SIGUSR1));
  deliver_signals(thread);
  auto* frame = reinterpret_cast<SignalFrame*>(thread.cpu.sp);
  RestoredFrame restored;
  ASSERT_TRUE(read_signal_frame(thread.cpu, restored));
  auto refused_with = [&](auto& field, auto value) {
    auto old = field;
    field = value;
    bool refused = !read_signal_frame(thread.cpu, restored);
    field = old;
    return refused;
  };
  EXPECT_TRUE(refused_with(frame->user.context.pstate, u64{0x5})) << "EL1";
  EXPECT_TRUE(refused_with(frame->user.context.pstate, u64{0x10})) << "AArch32";
  EXPECT_TRUE(refused_with(frame->user.context.pstate, u64{0x80})) << "interrupts masked";
  auto* head = reinterpret_cast<aarch64_abi::ContextHeader*>(frame->user.context.reserved);
  EXPECT_TRUE(refused_with(head->magic, 0u)) << "no FPSIMD record";
  EXPECT_TRUE(refused_with(head->magic, 0x12345678u)) << "unknown record";
  EXPECT_TRUE(refused_with(head->size, 8u));
  EXPECT_TRUE(refused_with(head->size, 0u));
  EXPECT_TRUE(refused_with(head->size, 0xfffffff0u));
  EXPECT_TRUE(refused_with(thread.cpu.sp, thread.cpu.sp + 8)) << "unaligned";
  EXPECT_TRUE(refused_with(thread.cpu.sp, u64{0x10})) << "unmapped";
  EXPECT_TRUE(read_signal_frame(thread.cpu, restored));
}

TEST_F(Signals, AlternateStack) {
  SignalStack given{address_of(alternate), 0, 0, sizeof alternate}, seen{};
  ASSERT_TRUE(sys_sigaltstack(thread, In<SignalStack>{address_of(&given)}, Out<SignalStack>{0}));
  handle(SIGUSR1, 0x1000, SA_ONSTACK);
  handle(SIGUSR2, 0x2000, SA_ONSTACK);
  ASSERT_TRUE(send(SIGUSR1));
  deliver_signals(thread);
  u64 first = thread.cpu.sp;
  EXPECT_EQ(first, address_of(alternate + sizeof alternate) - 16 - 4688);
  ASSERT_TRUE(sys_sigaltstack(thread, In<SignalStack>{0}, Out<SignalStack>{address_of(&seen)}));
  EXPECT_EQ(seen.flags, SS_ONSTACK);
  EXPECT_EQ(sys_sigaltstack(thread, In<SignalStack>{address_of(&given)}, Out<SignalStack>{0}).error(), Errno{EPERM});
  ASSERT_TRUE(send(SIGUSR2));
  deliver_signals(thread);
  EXPECT_EQ(thread.cpu.sp, first - 16 - 4688) << "a second frame goes below the first";
}

TEST_F(Signals, EverySignalOfTheGuestReachesIt) {
  for (int signal = 1; signal <= 64; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
#ifdef EMULATED_HOST
    if (signal >= 63) continue;  // qemu-user uses two host signals itself, and these take their numbers
#endif
    handle(signal, 0x1000u * static_cast<u64>(signal), SA_NODEFER);
    ASSERT_TRUE(send(signal)) << signal;
    deliver_signals(thread);
    EXPECT_EQ(thread.cpu.pc, 0x1000u * static_cast<u64>(signal));
    ASSERT_TRUE(sys_rt_sigreturn(thread));
    handle(signal, 0, 0);
  }
}

TEST_F(Signals, ABlockedFaultSignalWaits) {
  handle(SIGSEGV, 0x1000, 0);
  ASSERT_TRUE(set_signal_mask(thread, signal_bit(SIGSEGV)));
  EXPECT_EQ(host_mask(), 0u) << "never blocked for real";
  ASSERT_TRUE(send(SIGSEGV));
  EXPECT_EQ(thread.signals.pending, 0u);
  u64 pending = 0;
  ASSERT_TRUE(sys_rt_sigpending(thread, Out<Sigset>{address_of(&pending)}, Size{8}));
  EXPECT_EQ(pending, signal_bit(SIGSEGV));
  ASSERT_TRUE(set_signal_mask(thread, 0));
  EXPECT_NE(thread.signals.pending, 0u);
  deliver_signals(thread);
  EXPECT_EQ(thread.cpu.pc, 0x1000u);
}

TEST_F(Signals, APendingSignalKeepsCallsOutOfTheKernel) {
  handle(SIGUSR1, 0x1000, SA_RESTART);
  ASSERT_TRUE(send(SIGUSR1));
  // A slot that is full: this would sleep for ever, and changing the mask would lose signals.
  EXPECT_EQ(host_syscall(SYS_ppoll, 0, 0, 0, 0, 8), -restart_always);
  EXPECT_EQ(set_signal_mask(thread, 0).error(), Errno{restart_always});
  EXPECT_EQ(block_signals(thread).error(), Errno{restart_always});
  deliver_signals(thread);
  EXPECT_TRUE(block_signals(thread));
  unblock_signals(thread);
}

TEST_F(Signals, AnInterruptedCallIsEintrOrAgainByTheFlag) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  for (u64 flags : {u64{0}, u64{SA_RESTART}}) {
    handle(SIGALRM, 0x1000, flags);
    alarm(1);
    u8 byte;
    EXPECT_EQ(host_syscall(SYS_read, static_cast<u64>(fds[0]), address_of(&byte), 1), flags ? -restart_always : -EINTR);
    deliver_signals(thread);
    ASSERT_TRUE(sys_rt_sigreturn(thread));
  }
  close(fds[0]);
  close(fds[1]);
}

// A one-shot timer goes off at every possible instant around the kernel's entry. The call has no timeout: if one signal were
// slept over, this test would hang.
TEST_F(Signals, NoSignalIsSleptOver) {
  handle(SIGALRM, 0x1000, 0);
  timer_t timer;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGALRM;
  event._sigev_un._tid = gettid();
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  int before_entry = 0, inside = 0;
  for (long i = 0; i < 3000; i++) {
    itimerspec when{{0, 0}, {0, 100 + i * 7 % 20000}};
    timer_settime(timer, 0, &when, nullptr);
    i64 result = host_syscall(SYS_ppoll, 0, 0, 0, 0, 8);
    ASSERT_TRUE(result == -EINTR || result == -restart_always) << result;
    (result == -EINTR ? inside : before_entry)++;
    ASSERT_EQ(thread.signals.slot.signal, SIGALRM);
    deliver_signals(thread);
    ASSERT_TRUE(sys_rt_sigreturn(thread));
  }
  timer_delete(timer);
  EXPECT_GT(inside, 0);
  EXPECT_GT(before_entry, 0);
}

TEST(SignalsDeathTest, DiesByTheSignalItself) {
  for (int signal : {SIGSEGV, SIGTERM, SIGKILL, 40}) {
    pid_t child = fork();
    if (child == 0) die_by_signal(signal);
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), signal);
  }
}

TEST(FaultSyndrome, SaysWhatTheProcessorWouldHaveSaid) {
  using translator::Exit;
  using translator::ExitReason;
  auto fault = [](int signal, int code, u64 address, bool write, bool fetch) {
    return fault_syndrome(Exit{ExitReason::fault, signal, code, address, write, fetch});
  };
  EXPECT_EQ(fault(SIGSEGV, SEGV_MAPERR, 0x1000, false, false), 0x92000007u);  // Arm ARM D19.2.37: EC 0x24, IL, DFSC
  EXPECT_EQ(fault(SIGSEGV, SEGV_MAPERR, 0x1000, true, false), 0x92000047u);
  EXPECT_EQ(fault(SIGSEGV, SEGV_ACCERR, 0x1000, true, false), 0x9200004fu);
  EXPECT_EQ(fault(SIGSEGV, SEGV_MAPERR, 0x1000, false, true), 0x82000007u);
  EXPECT_EQ(fault(SIGBUS, BUS_ADRALN, 0x1001, false, false), 0x92000021u);
  EXPECT_EQ(fault(SIGSEGV, SEGV_MAPERR, ~u64{0}, true, false), 0x92000044u);
}

}  // namespace
}  // namespace ferry::syscalls
