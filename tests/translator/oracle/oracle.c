// Runs AArch64 instructions from given register states: see record.h. Freestanding, for qemu-aarch64 or real hardware.
// A state is loaded and captured by signal frames: a BRK in the main loop enters the handler, which replaces the interrupted
// context by the tested state; the trap after the tested instruction brings it back.
#include "tests/translator/oracle/record.h"

typedef uint64_t u64;
typedef uint32_t u32;

// The kernel's view (arch/arm64/include/uapi/asm/{sigcontext,ucontext}.h, asm-generic/siginfo.h).
struct FpsimdContext {
  u32 magic, size, fpsr, fpcr;
  u64 vregs[32][2];
};
struct SigContext {
  u64 fault_address, regs[31], sp, pc, pstate;
  char reserved[4096] __attribute__((aligned(16)));
};
struct UContext {
  u64 flags, link, stack[3], sigmask[16];
  struct SigContext machine __attribute__((aligned(16)));
};
struct SigInfo {
  int signo, error, code, pad;
  u64 address;
};
struct KernelSigaction {
  void (*handler)(int, struct SigInfo*, struct UContext*);
  u64 flags;
  void (*restorer)(void);
  u64 mask;
};

static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
  return x0;
}
enum { nr_read = 63, nr_write = 64, nr_exit = 93, nr_sigaltstack = 132, nr_rt_sigaction = 134, nr_mmap = 222 };

static void leave(int status) {
  for (;;) system_call(nr_exit, status, 0, 0, 0, 0, 0);
}
static void read_all(void* buffer, u64 size) {
  for (char* p = buffer; size != 0;) {
    long n = system_call(nr_read, 0, (long)p, (long)size, 0, 0, 0);
    if (n <= 0) leave(3);
    p += n;
    size -= (u64)n;
  }
}
static void write_all(const void* buffer, u64 size) {
  for (const char* p = buffer; size != 0;) {
    long n = system_call(nr_write, 1, (long)p, (long)size, 0, 0, 0);
    if (n <= 0) leave(4);
    p += n;
    size -= (u64)n;
  }
}

void* memcpy(void* to, const void* from, unsigned long size) {
  volatile char* d = to;
  for (const char* s = from; size != 0; size--) *d++ = *s++;
  return to;
}
void* memset(void* to, int value, unsigned long size) {
  volatile char* d = to;
  for (; size != 0; size--) *d++ = (char)value;
  return to;
}

static struct OracleState input;
static struct OracleResult result;
static struct UContext main_context;
static int running;
static struct OracleHeader header;
static u64 probed;                                              // cases
static unsigned char outcomes[ORACLE_CODE_SIZE / ORACLE_SLOT];  // of probes
static char alternate_stack[65536] __attribute__((aligned(16)));

// The frame's FPSIMD record is always there; other records may precede it.
static struct FpsimdContext* fpsimd_of(struct UContext* context) {
  for (char* p = context->machine.reserved;;) {
    u32* head = (u32*)p;
    if (head[0] == 0x46508001) return (struct FpsimdContext*)p;
    if (head[0] == 0) leave(5);
    p += head[1];
  }
}

static void load_state(struct UContext* context) {
  struct FpsimdContext* fp = fpsimd_of(context);
  for (int i = 0; i < 31; i++) context->machine.regs[i] = input.x[i];
  context->machine.sp = input.sp;
  context->machine.pc = input.pc;
  context->machine.pstate = (context->machine.pstate & 0x0ffffffful) | input.nzcv;
  for (int i = 0; i < 32; i++) fp->vregs[i][0] = input.v[i][0], fp->vregs[i][1] = input.v[i][1];
  fp->fpcr = (u32)input.fpcr;
  fp->fpsr = (u32)input.fpsr;
}

static void capture_state(struct UContext* context) {
  struct FpsimdContext* fp = fpsimd_of(context);
  for (int i = 0; i < 31; i++) result.state.x[i] = context->machine.regs[i];
  result.state.sp = context->machine.sp;
  result.state.pc = context->machine.pc;
  result.state.nzcv = context->machine.pstate & 0xf0000000ul;
  for (int i = 0; i < 32; i++) result.state.v[i][0] = fp->vregs[i][0], result.state.v[i][1] = fp->vregs[i][1];
  result.state.fpcr = fp->fpcr;
  result.state.fpsr = fp->fpsr;
}

static void handler(int signo, struct SigInfo* info, struct UContext* context) {
  if (!running) {
    main_context = *context;
    running = 1;
    load_state(context);
    return;
  }
  if (header.probe) {
    outcomes[probed++] = signo == 5 ? 0 : (unsigned char)signo;
    if (probed < header.count) {
      oracle_probe_state(&input, ((u32*)ORACLE_CODE)[2 * probed], probed);
      load_state(context);
      return;
    }
  } else {
    capture_state(context);
  }
  result.signal = signo == 5 ? 0 : (u64)signo;
  result.fault_address = signo == 5 ? 0 : info->address;
  running = 0;
  *context = main_context;
  context->machine.pc += 4;  // past the BRK
}

extern void restorer(void);
asm(".globl restorer\nrestorer: mov x8, #139\n svc #0");

static void map_at(u64 address, u64 size, int protection) {
  long p = system_call(nr_mmap, (long)address, (long)size, protection, 0x32 /* PRIVATE|ANONYMOUS|FIXED */, -1, 0);
  if (p != (long)address) leave(6);
}

static void publish_code(u64 begin, u64 end) {
  for (u64 line = begin; line < end; line += 16) asm volatile("dc cvau, %0" : : "r"(line) : "memory");
  asm volatile("dsb ish" ::: "memory");
  for (u64 line = begin; line < end; line += 16) asm volatile("ic ivau, %0" : : "r"(line) : "memory");
  asm volatile("dsb ish\n\tisb" ::: "memory");
}

void oracle_main(void) {
  u64 stack[3] = {(u64)alternate_stack, 0, sizeof alternate_stack};
  system_call(nr_sigaltstack, (long)stack, 0, 0, 0, 0, 0);
  struct KernelSigaction action = {handler, 0x4 | 0x08000000 | 0x40000000, restorer,
                                   0};  // SA_SIGINFO, SA_ONSTACK, SA_NODEFER
  const int signals[] = {4, 5, 7, 8, 11};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
    system_call(nr_rt_sigaction, signals[i], (long)&action, 0, 8, 0, 0);

  read_all(&header, sizeof header);
  u64 slot = header.words + 1;
  if (header.magic != ORACLE_MAGIC || header.words > ORACLE_BLOCK_WORDS || header.count > ORACLE_CODE_SIZE / 4 / slot)
    leave(7);
  map_at(ORACLE_CODE, ORACLE_CODE_SIZE, 7);
  map_at(ORACLE_WINDOW, ORACLE_WINDOW_SIZE, 3);
  for (u64 i = 0; i < ORACLE_WINDOW_SIZE / 8; i++) ((u64*)ORACLE_WINDOW)[i] = oracle_pattern(i);
  for (u64 i = 0; i < header.count; i++) {
    u32* code = (u32*)ORACLE_CODE + slot * i;
    read_all(code, 4 * header.words);
    code[header.words] = 0xd4200000;  // BRK #0
  }
  publish_code(ORACLE_CODE, ORACLE_CODE + 4 * slot * header.count);
  if (header.probe) {
    oracle_probe_state(&input, *(u32*)ORACLE_CODE, 0);
    asm volatile("brk #1" ::: "memory");
    write_all(outcomes, header.count);
    leave(0);
  }
  for (u64 i = 0; i < header.count; i++) {
    read_all(&input, sizeof input);
    asm volatile("brk #1" ::: "memory");
    oracle_check_window(&result);
    write_all(&result, sizeof result);
  }
  leave(0);
}

asm(".globl _start\n_start: bl oracle_main\n brk #2");
