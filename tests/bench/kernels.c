// The bench's tight loops, compiled alike for host and guest: `kernels NAME [SCALE]` prints a checksum that must be the same
// everywhere. Floating-point loops add in a fixed order; nothing depends on addresses, time or the machine.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP __attribute__((noinline))

static uint64_t state = 0x9e3779b97f4a7c15u;
static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static uint64_t bits_of(double d) {
  uint64_t bits;
  memcpy(&bits, &d, 8);
  return bits;
}

KEEP static uint64_t crc(int scale) {
  static uint32_t table[256];
  static uint8_t data[65536];
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
    table[i] = c;
  }
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)next_random();
  uint32_t sum = ~0u;
  for (int round = 0; round < 12 * scale; round++)
    for (size_t i = 0; i < sizeof data; i++) sum = table[(sum ^ data[i]) & 0xff] ^ sum >> 8;
  return sum;
}

KEEP static uint64_t sieve(int scale) {
  enum { size = 1 << 20 };
  static uint8_t composite[size];
  uint64_t primes = 0;
  for (int round = 0; round < scale; round++) {
    memset(composite, 0, size);
    for (uint32_t i = 2; i < size; i++) {
      if (composite[i]) continue;
      primes += i;
      for (uint64_t j = (uint64_t)i * i; j < size; j += i) composite[j] = 1;
    }
  }
  return primes;
}

KEEP static uint64_t matmul(int scale) {
  enum { n = 96 };
  static double a[n][n], b[n][n], c[n][n];
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) a[i][j] = (i * 3 + j) % 17, b[i][j] = (i + j * 5) % 13 * 0.5;
  for (int round = 0; round < 4 * scale; round++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        double sum = c[i][j] * 0.25;
        for (int k = 0; k < n; k++) sum += a[i][k] * b[k][j];
        c[i][j] = sum;
      }
  double total = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) total += c[i][j];
  return bits_of(total);
}

static void sort_range(uint32_t* v, int low, int high) {
  while (low < high) {
    uint32_t pivot = v[(low + high) / 2];
    int i = low, j = high;
    while (i <= j) {
      while (v[i] < pivot) i++;
      while (v[j] > pivot) j--;
      if (i <= j) {
        uint32_t t = v[i];
        v[i++] = v[j], v[j--] = t;
      }
    }
    if (j - low < high - i) {
      sort_range(v, low, j);
      low = i;
    } else {
      sort_range(v, i, high);
      high = j;
    }
  }
}

KEEP static uint64_t quicksort(int scale) {
  enum { n = 40000 };
  static uint32_t v[n];
  uint64_t sum = 0;
  for (int round = 0; round < scale; round++) {
    for (int i = 0; i < n; i++) v[i] = (uint32_t)next_random();
    sort_range(v, 0, n - 1);
    for (int i = 0; i < n; i += 97) sum = sum * 31 + v[i];
  }
  return sum;
}

KEEP static uint64_t fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
KEEP static uint64_t fibonacci(int scale) {
  uint64_t sum = 0;
  for (int round = 0; round < scale; round++) sum += fib(27 + round % 2);
  return sum;
}

struct Node {
  struct Node* next;
  uint64_t value;
};
KEEP static uint64_t list_walk(int scale) {
  enum { n = 8192 };
  static struct Node nodes[n];
  static uint32_t order[n];
  for (uint32_t i = 0; i < n; i++) order[i] = i;
  for (uint32_t i = n - 1; i > 0; i--) {
    uint32_t j = (uint32_t)(next_random() % (i + 1)), t = order[i];
    order[i] = order[j], order[j] = t;
  }
  for (uint32_t i = 0; i < n; i++) nodes[order[i]] = (struct Node){&nodes[order[(i + 1) % n]], next_random()};
  uint64_t sum = 0;
  const struct Node* at = &nodes[0];
  for (int i = 0; i < n * 50 * scale; i++) sum = sum * 3 + at->value, at = at->next;
  return sum;
}

KEEP static uint64_t switch_interpreter(int scale) {
  static uint8_t code[4096];
  for (size_t i = 0; i < sizeof code; i++) code[i] = (uint8_t)(next_random() % 12);
  uint64_t r[4] = {1, 2, 3, 4};
  for (int round = 0; round < 130 * scale; round++)
    for (size_t pc = 0; pc < sizeof code; pc++) switch (code[pc]) {
        case 0:
          r[0] += r[1];
          break;
        case 1:
          r[1] ^= r[2] << 3;
          break;
        case 2:
          r[2] -= r[3];
          break;
        case 3:
          r[3] *= 0x9e3779b97f4a7c15u;
          break;
        case 4:
          r[0] = r[0] >> 7 | r[0] << 57;
          break;
        case 5:
          r[1] = ~r[1] + r[0];
          break;
        case 6:
          r[2] |= r[0] & 0xff00ff;
          break;
        case 7:
          if (r[3] & 1) pc++;
          break;
        case 8:
          r[3] += pc;
          break;
        case 9:
          r[0] ^= r[3];
          break;
        case 10:
          r[1] += r[2] & r[3];
          break;
        default:
          r[2] = r[2] * 5 + 1;
          break;
      }
  return r[0] ^ r[1] ^ r[2] ^ r[3];
}

typedef uint64_t Step(uint64_t);
KEEP static uint64_t step_a(uint64_t x) { return x * 3 + 1; }
KEEP static uint64_t step_b(uint64_t x) { return x ^ x >> 9; }
KEEP static uint64_t step_c(uint64_t x) { return x + 0x1234567; }
KEEP static uint64_t step_d(uint64_t x) { return x << 5 | x >> 59; }
KEEP static uint64_t indirect_calls(int scale) {
  static Step* const steps[] = {step_a, step_b, step_c, step_d};
  static Step* plan[1024];
  for (int i = 0; i < 1024; i++) plan[i] = steps[next_random() & 3];
  uint64_t x = 1;
  for (int round = 0; round < 1000 * scale; round++)
    for (int i = 0; i < 1024; i++) x = plan[i](x);
  return x;
}

KEEP static uint64_t string_hash(int scale) {
  enum { words = 4000, slots = 8192 };
  static char text[words][16];
  static uint32_t count[slots];
  for (int i = 0; i < words; i++) snprintf(text[i], 16, "w%x", (unsigned)(next_random() % 3000));
  uint64_t collisions = 0;
  for (int round = 0; round < 40 * scale; round++)
    for (int i = 0; i < words; i++) {
      uint32_t hash = 2166136261u;
      for (const char* p = text[i]; *p; p++) hash = (hash ^ (uint8_t)*p) * 16777619u;
      hash %= slots;
      if (strcmp(text[i], text[hash % words]) == 0) collisions++;
      count[hash]++;
    }
  for (int i = 0; i < slots; i++) collisions = collisions * 33 + count[i];
  return collisions;
}

KEEP static uint64_t nbody(int scale) {
  enum { n = 5 };
  double p[n][3], v[n][3], m[n];
  for (int i = 0; i < n; i++) {
    m[i] = 1.0 / (1 + i * i);
    for (int k = 0; k < 3; k++) p[i][k] = (i + 1) * (k + 2) % 7 - 3.1, v[i][k] = (i * k % 3 - 1) * 0.1;
  }
  for (int step = 0; step < 25000 * scale; step++) {
    for (int i = 0; i < n; i++)
      for (int j = i + 1; j < n; j++) {
        double d[3], squared = 0.01;
        for (int k = 0; k < 3; k++) d[k] = p[i][k] - p[j][k], squared += d[k] * d[k];
        double force = 0.001 / (squared * sqrt(squared));
        for (int k = 0; k < 3; k++) v[i][k] -= d[k] * m[j] * force, v[j][k] += d[k] * m[i] * force;
      }
    for (int i = 0; i < n; i++)
      for (int k = 0; k < 3; k++) p[i][k] += 0.001 * v[i][k];
  }
  double sum = 0;
  for (int i = 0; i < n; i++) sum += p[i][0] + v[i][1];
  return bits_of(sum);
}

typedef uint16_t Lanes __attribute__((vector_size(16)));
typedef float Floats __attribute__((vector_size(16)));
KEEP static uint64_t vectors(int scale) {
  enum { n = 2048 };
  static Lanes a[n], b[n];
  static Floats f[n];
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 8; k++)
      a[i][k] = (uint16_t)next_random(), b[i][k] = (uint16_t)next_random(), f[i][k % 4] = k * 0.5f;
  for (int round = 0; round < 110 * scale; round++)
    for (int i = 1; i < n; i++) {
      Lanes bigger = (Lanes)(a[i] > b[i - 1]);
      a[i] = (a[i] & bigger) + (b[i - 1] & ~bigger) * 3 + (a[i - 1] >> 2);
      b[i] ^= a[i] << 1;
      f[i] = f[i] * 0.75f + f[i - 1] * 0.125f + 1.0f;
    }
  uint64_t sum = 0;
  for (int i = 0; i < n; i++) sum = sum * 31 + a[i][i % 8] + b[i][(i + 3) % 8] + (uint64_t)(f[i][i % 4] * 1024);
  return sum;
}

static uint8_t aes_box[256];
static void make_box(void) {
  uint8_t p = 1, q = 1;
  do {
    p = (uint8_t)(p ^ p << 1 ^ (p & 0x80 ? 0x1b : 0));
    q ^= (uint8_t)(q << 1), q ^= (uint8_t)(q << 2), q ^= (uint8_t)(q << 4);
    if (q & 0x80) q ^= 0x09;
    aes_box[p] = (uint8_t)(0x63 ^ q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4));
  } while (p != 1);
  aes_box[0] = 0x63;
}

KEEP static uint64_t aes(int scale) {
  make_box();
  uint8_t block[16] = {0}, key[11][16], next[16];
  for (int i = 0; i < 11; i++)
    for (int k = 0; k < 16; k++) key[i][k] = (uint8_t)next_random();
  for (int round = 0; round < 6500 * scale; round++) {
    for (int k = 0; k < 16; k++) block[k] ^= key[0][k];
    for (int turn = 1; turn < 11; turn++) {
      for (int k = 0; k < 16; k++) next[k] = aes_box[block[k * 5 % 16]];
      for (int k = 0; k < 16; k++) {
        const uint8_t* c = next + k / 4 * 4;
        uint8_t x = (uint8_t)(c[k % 4] ^ c[(k + 1) % 4]);
        x = (uint8_t)(x << 1 ^ (x >> 7) * 0x1b);
        block[k] = (uint8_t)(x ^ c[(k + 1) % 4] ^ c[(k + 2) % 4] ^ c[(k + 3) % 4] ^ key[turn][k]);
      }
    }
  }
  uint64_t sum;
  memcpy(&sum, block, 8);
  return sum;
}

KEEP static uint64_t sha(int scale) {
  uint32_t k[64],
      h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (int i = 0; i < 64; i++) k[i] = (uint32_t)next_random();
#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
  for (int round = 0; round < 5000 * scale; round++) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) w[i] = (uint32_t)(round * 16 + i) * 2654435761u;
    for (int i = 16; i < 64; i++) {
      uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + (ROTATE(a, 7) ^ ROTATE(a, 18) ^ a >> 3) + (ROTATE(b, 17) ^ ROTATE(b, 19) ^ b >> 10);
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
      uint32_t t1 = s[7] + (ROTATE(s[4], 6) ^ ROTATE(s[4], 11) ^ ROTATE(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                    k[i] + w[i];
      uint32_t t2 =
          (ROTATE(s[0], 2) ^ ROTATE(s[0], 13) ^ ROTATE(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      memmove(s + 1, s, 28);
      s[4] += t1;
      s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
  }
  return (uint64_t)h[0] << 32 | h[7];
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    uint64_t (*run)(int);
  } kernels[] = {{"crc", crc},
                 {"sieve", sieve},
                 {"matmul", matmul},
                 {"quicksort", quicksort},
                 {"fibonacci", fibonacci},
                 {"list_walk", list_walk},
                 {"switch_interpreter", switch_interpreter},
                 {"indirect_calls", indirect_calls},
                 {"string_hash", string_hash},
                 {"nbody", nbody},
                 {"vectors", vectors},
                 {"aes", aes},
                 {"sha", sha}};
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
    if (argc < 2)
      puts(kernels[i].name);
    else if (strcmp(argv[1], kernels[i].name) == 0) {
      printf("%s %016llx\n", argv[1], (unsigned long long)kernels[i].run(argc > 2 ? atoi(argv[2]) : 1));
      return 0;
    }
  }
  return argc < 2 ? 0 : 2;
}
