// The C library's string functions, every alignment and length, each operand ending at an unmapped page, against plain loops.
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>

#include "program.h"

// A page whose successor cannot be touched; the result is that successor's address.
static char* page_end(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  CHECK(munmap(p + page, page) == 0);
  return p + page;
}

static int sign(int value) { return (value > 0) - (value < 0); }

static int plain_compare(const char* a, const char* b, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (a[i] != b[i]) return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
  return 0;
}

enum { longest = 140 };

static void lengths_and_searches(char* end) {
  for (size_t length = 0; length < longest; length++) {
    char* s = end - length - 1;
    memset(s, 'a', length);
    s[length] = 0;
    CHECK(strlen(s) == length);
    CHECK(strnlen(s, length + 1) == length);
    CHECK(strnlen(s, length / 2) == length / 2);
    CHECK(memchr(s, 0, length + 1) == s + length);
    CHECK(memchr(s, 'z', length + 1) == NULL);
    CHECK(strchr(s, 'z') == NULL);
    CHECK(strchr(s, 0) == s + length);
    CHECK(rawmemchr(s, 0) == s + length);
    for (size_t at = 0; at < length; at += 3) {
      s[at] = 'x';
      CHECK(strchr(s, 'x') == s + at);
      CHECK(strrchr(s, 'x') == s + at);
      CHECK(strchrnul(s, 'x') == s + at);
      CHECK(memchr(s, 'x', length) == s + at);
      CHECK(memrchr(s, 'x', length) == s + at);
      CHECK(strcspn(s, "xyz") == at);
      CHECK(strpbrk(s, "xyz") == s + at);
      CHECK(strspn(s, "a") == at);
      s[at] = 'a';
    }
    char needle[] = "aab";
    CHECK(strstr(s, needle) == NULL);
    if (length >= 3) {
      s[length - 1] = 'b';
      CHECK(strstr(s, needle) == s + length - 3);
      CHECK(memmem(s, length, needle, 3) == s + length - 3);
    }
  }
}

static void copies(char* end, char* other) {
  for (size_t length = 0; length < longest; length++) {
    for (size_t shift = 0; shift < 17; shift++) {
      char* from = end - length;
      char* to = other - length - shift;
      for (size_t i = 0; i < length; i++) from[i] = (char)next_random();
      memset(to, 0x55, length + shift);
      CHECK(memcpy(to, from, length) == to);
      CHECK(plain_compare(to, from, length) == 0);
      for (size_t i = 0; i < shift; i++) CHECK(to[length + i] == 0x55);
      CHECK(memset(to, (int)shift, length) == to);
      for (size_t i = 0; i < length; i++) CHECK(to[i] == (char)shift);
      CHECK(mempcpy(to, from, length) == to + length);
    }
  }
}

static void overlapping_moves(char* end) {
  char copy[400];
  for (size_t length = 0; length < 260; length += length < 70 ? 1 : 7) {
    for (int distance = -40; distance <= 40; distance += 5) {
      char* base = end - 400;
      for (int i = 0; i < 400; i++) base[i] = copy[i] = (char)next_random();
      memmove(base + 60 + distance, base + 60, length);
      for (size_t i = 0; i < length; i++) CHECK(base[60 + distance + (int)i] == copy[60 + i]);
    }
  }
}

static void comparisons(char* end, char* other) {
  for (size_t length = 1; length < longest; length++) {
    char* a = end - length - 1;
    char* b = other - length - 1;
    for (size_t i = 0; i < length; i++) a[i] = b[i] = (char)(1 + next_random() % 255);
    a[length] = b[length] = 0;
    CHECK(strcmp(a, b) == 0 && memcmp(a, b, length + 1) == 0 && strncmp(a, b, length + 20) == 0 &&
          bcmp(a, b, length) == 0);
    for (size_t at = 0; at < length; at += 2) {
      char saved = b[at];
      b[at] = (char)(1 + next_random() % 255);
      int expected = plain_compare(a, b, length);
      CHECK(sign(memcmp(a, b, length)) == expected);
      CHECK(sign(strcmp(a, b)) == expected);
      CHECK(sign(strncmp(a, b, length)) == expected);
      CHECK(strncmp(a, b, at) == 0);
      b[at] = saved;
    }
    char* tail = other - length - 1;
    CHECK(strcpy(tail, a) == tail && strcmp(tail, a) == 0);
    CHECK(stpcpy(tail, a) == tail + length);
    memset(tail, 1, length);
    CHECK(strncpy(tail, "ab", length) == tail);
    for (size_t i = 2; i < length; i++) CHECK(tail[i] == 0);
  }
}

static void others(void) {
  char text[] = "one,two;three";
  char* rest = text;
  CHECK(strcmp(strsep(&rest, ",;"), "one") == 0);
  CHECK(strcmp(strsep(&rest, ",;"), "two") == 0);
  CHECK(strcasecmp("FeRRy", "fErrY") == 0 && strncasecmp("ABCd", "abcE", 3) == 0);
  CHECK(wcslen(L"wide") == 4 && wcscmp(L"a", L"b") < 0);
  wchar_t wide[20];
  CHECK(wmemset(wide, L'w', 20) == wide && wide[19] == L'w');
  char* copy = strdup("duplicate");
  CHECK(strcmp(copy, "duplicate") == 0);
  free(copy);
}

int main(void) {
  char* end = page_end();
  char* other = page_end();
  lengths_and_searches(end);
  copies(end, other);
  overlapping_moves(end);
  comparisons(end, other);
  others();
  puts("strings agree");
  return 0;
}
