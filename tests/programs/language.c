// What C compilers make of the language: calls of every shape, variable arguments, non-local jumps, sorting, jump tables.
#include <alloca.h>
#include <search.h>
#include <setjmp.h>
#include <stdarg.h>

#include "program.h"

static int compare_numbers(const void* a, const void* b) {
  uint64_t x = *(const uint64_t*)a, y = *(const uint64_t*)b;
  return x < y ? -1 : x > y;
}

static void sorting(void) {
  enum { count = 20000 };
  uint64_t* numbers = malloc(count * sizeof *numbers);
  for (int i = 0; i < count; i++) numbers[i] = next_random() % 50000;
  qsort(numbers, count, sizeof *numbers, compare_numbers);
  for (int i = 1; i < count; i++) CHECK(numbers[i - 1] <= numbers[i]);
  uint64_t key = numbers[777];
  uint64_t* found = bsearch(&key, numbers, count, sizeof *numbers, compare_numbers);
  CHECK(found && *found == key);
  print_hash("sorted", hash_bytes(HASH_START, numbers, count * sizeof *numbers));
  free(numbers);
}

struct Small {
  char c;
  short s;
};
struct Floats {
  float x, y, z;
};
struct Doubles {
  double a, b, c, d;
};
struct Big {
  uint64_t words[9];
};

static double sum_arguments(const char* kinds, ...) {
  va_list list;
  va_start(list, kinds);
  double sum = 0;
  for (; *kinds; kinds++) switch (*kinds) {
      case 'i':
        sum += va_arg(list, int);
        break;
      case 'l':
        sum += (double)va_arg(list, long long);
        break;
      case 'd':
        sum += va_arg(list, double);
        break;
      case 'L':
        sum += (double)va_arg(list, long double);
        break;
      case 'f': {
        struct Floats f = va_arg(list, struct Floats);
        sum += f.x + f.y * 2 + f.z * 3;
        break;
      }
      case 'B': {
        struct Big b = va_arg(list, struct Big);
        sum += (double)b.words[8];
        break;
      }
      case 's': {
        struct Small s = va_arg(list, struct Small);
        sum += s.c + s.s;
        break;
      }
    }
  va_end(list);
  return sum;
}

__attribute__((noinline)) static struct Big change(struct Big b, struct Doubles d, struct Small s, struct Floats f,
                                                   int last) {
  for (int i = 0; i < 9; i++) b.words[i] += (uint64_t)(d.a + d.d) + (uint64_t)s.c + (uint64_t)f.z + (uint64_t)last;
  return b;
}

static void calls(void) {
  struct Floats f = {1, 2, 3};
  struct Big b = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
  struct Small s = {4, -9};
  printf("%g\n", sum_arguments("iiiiiiiiiddddddddddlLfBsi", 1, 2, 3, 4, 5, 6, 7, 8, 9, .1, .2, .3, .4, .5, .6, .7, .8,
                               .9, 1.0, 1ll << 40, 2.5L, f, b, s, 11));
  struct Big changed = change(b, (struct Doubles){1, 2, 3, 4}, s, f, 100);
  printf("%llu %llu\n", (unsigned long long)changed.words[0], (unsigned long long)changed.words[8]);
}

static jmp_buf environment;
static int depth_reached;
__attribute__((noinline)) static void descend(int depth, double kept) {
  volatile double local = kept;
  depth_reached = depth;
  if (depth == 50) longjmp(environment, 7);
  descend(depth + 1, local + 1);
  CHECK(local == kept);
}

static void jumps(void) {
  volatile int kept = 3;
  double in_register = 2.5;
  int value = setjmp(environment);
  if (value == 0) {
    kept = 4;
    descend(0, in_register);
  }
  printf("longjmp %d depth %d kept %d %g\n", value, depth_reached, kept, in_register);
}

__attribute__((noinline)) static unsigned ackermann(unsigned m, unsigned n) {
  return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

// A small virtual machine with computed gotos: indirect branches that change target at every turn.
static uint64_t interpret(const uint8_t* code, int steps) {
  static const void* const labels[] = {&&add, &&multiply, &&rotate, &&exclusive, &&negate, &&swap, &&halve, &&again};
  uint64_t a = 1, b = 0x1234567, t;
  const uint8_t* p = code;
#define NEXT                        \
  do {                              \
    if (steps-- == 0) return a ^ b; \
    goto* labels[*p++ & 7];         \
  } while (0)
  NEXT;
add:
  a += b;
  NEXT;
multiply:
  a *= b | 1;
  NEXT;
rotate:
  a = a << 13 | a >> 51;
  NEXT;
exclusive:
  b ^= a;
  NEXT;
negate:
  b = -b;
  NEXT;
swap:
  t = a, a = b, b = t;
  NEXT;
halve:
  a >>= 1;
  NEXT;
again:
  if (p - code > 200) p = code;
  NEXT;
#undef NEXT
}

static const char* name_of(int number) {
  switch (number) {
    case 0:
      return "zero";
    case 1:
      return "one";
    case 2:
      return "two";
    case 3:
      return "three";
    case 5:
      return "five";
    case 8:
      return "eight";
    case 13:
      return "thirteen";
    case 1000:
      return "thousand";
    default:
      return "other";
  }
}

static void arrays(int n) {
  int variable[n];
  char* stack = alloca((size_t)n * 3);
  for (int i = 0; i < n; i++) variable[i] = i * i, stack[i * 3] = (char)i;
  uint64_t hash = HASH_START;
  for (int i = 0; i < n; i++) hash = hash * 31 + (uint64_t)variable[i] + (uint64_t)stack[i * 3];
  print_hash("arrays", hash);
}

struct Fields {
  unsigned a : 3;
  signed b : 7;
  unsigned long long c : 40;
  signed d : 2;
};

int main(void) {
  sorting();
  calls();
  jumps();
  printf("ackermann %u\n", ackermann(2, 300));
  uint8_t code[1024];
  for (size_t i = 0; i < sizeof code; i++) code[i] = (uint8_t)next_random();
  for (int i = 200; i < 1024; i++) code[i] = 7;
  printf("interpreter %llx\n", (unsigned long long)interpret(code, 300000));
  for (int i = 0; i < 15; i++) printf("%s ", name_of(i));
  puts(name_of(1000));
  for (int n = 1; n < 2000; n *= 3) arrays(n);
  struct Fields fields = {0};
  for (int i = 0; i < 100; i++) fields.a += 3, fields.b -= 5, fields.c += 0x123456789, fields.d += 1;
  printf("fields %u %d %llu %d\n", fields.a, fields.b, (unsigned long long)fields.c, fields.d);
  return 0;
}
