#include "binfmt/registration.h"

#include <elf.h>

namespace ferry::binfmt {

namespace {

constexpr size_t longest_interpreter = 127;  // BINPRM_BUF_SIZE / 2 - 1, kept by older kernels
constexpr size_t compared = 20;              // e_ident, e_type and e_machine

std::string hexadecimal(const unsigned char (&bytes)[compared]) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : bytes) ((text += "\\x") += digits[byte >> 4]) += digits[byte & 15];
  return text;
}

}  // namespace

std::string registration_name(Isa isa) { return isa == Isa::aarch64 ? "ferry-aarch64" : "ferry-x86_64"; }

std::string registration_line(Isa isa, std::string_view interpreter) {
  unsigned machine = isa == Isa::aarch64 ? EM_AARCH64 : EM_X86_64;
  // EI_OSABI and EI_ABIVERSION may be anything; e_type 2 and 3 (ET_EXEC, ET_DYN) differ in one bit.
  unsigned char magic[compared] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
  unsigned char mask[compared] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  for (int padding = EI_ABIVERSION + 1; padding < EI_NIDENT; ++padding) mask[padding] = 0xff;
  magic[16] = ET_EXEC, mask[16] = 0xfe, mask[17] = 0xff;
  magic[18] = static_cast<unsigned char>(machine & 0xff), magic[19] = static_cast<unsigned char>(machine >> 8),
  mask[18] = mask[19] = 0xff;
  return ":" + registration_name(isa) + ":M::" + hexadecimal(magic) + ":" + hexadecimal(mask) + ":" +
         std::string{interpreter} + ":POCF";
}

std::string interpreter_problem(std::string_view interpreter) {
  if (!interpreter.starts_with('/')) return "not an absolute path";
  if (interpreter.find(':') != interpreter.npos) return "the kernel takes no ':' in it";
  if (interpreter.find('\n') != interpreter.npos) return "the kernel takes no line break in it";
  if (interpreter.size() > longest_interpreter) return "longer than the kernel takes (127 bytes)";
  return {};
}

}  // namespace ferry::binfmt
