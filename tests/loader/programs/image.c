// A program that is mapped and looked at, never run: some text, constants, data with a pointer in it, and a bss that starts and
// ends within a page.
#ifndef DATA_ALIGNMENT
#define DATA_ALIGNMENT 8
#endif
const char constants[] = "constants of the image";
__attribute__((aligned(DATA_ALIGNMENT))) unsigned long data[777] = {1, 2, 3};
const char* volatile pointer = constants;
char bss[3 * 4096 + 123];

void _start(void) {
  bss[0] = (char)data[1];
  __builtin_trap();
}
