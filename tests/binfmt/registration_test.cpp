// The registration line against real ELF headers, matched as the kernel matches them (fs/binfmt_misc.c).
#include "binfmt/registration.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace ferry::binfmt {
namespace {

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  size_t begin = 1;
  for (size_t end; (end = line.find(line[0], begin)) != line.npos; begin = end + 1)
    fields.push_back(line.substr(begin, end - begin));
  fields.push_back(line.substr(begin));
  return fields;
}

std::vector<unsigned char> unescape(const std::string& text) {
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 4 <= text.size(); i += 4) {
    EXPECT_EQ(text.substr(i, 2), "\\x");
    bytes.push_back(static_cast<unsigned char>(std::stoi(text.substr(i + 2, 2), nullptr, 16)));
  }
  return bytes;
}

bool matches(Isa isa, const Elf64_Ehdr& header) {
  std::vector<std::string> fields = fields_of(registration_line(isa, "/ferry"));
  std::vector<unsigned char> magic = unescape(fields[3]), mask = unescape(fields[4]);
  EXPECT_EQ(magic.size(), mask.size());
  unsigned char bytes[sizeof header];
  memcpy(bytes, &header, sizeof header);
  for (size_t i = 0; i < magic.size(); ++i)
    if ((bytes[i] ^ magic[i]) & mask[i]) return false;
  return true;
}

Elf64_Ehdr header(unsigned short machine, unsigned short type) {
  Elf64_Ehdr header{};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_machine = machine;
  header.e_type = type;
  return header;
}

TEST(RegistrationTest, has_seven_fields) {
  std::vector<std::string> fields = fields_of(registration_line(Isa::aarch64, "/usr/bin/ferry"));
  ASSERT_EQ(fields.size(), 7u);
  EXPECT_EQ(fields[0], "ferry-aarch64");
  EXPECT_EQ(fields[1], "M");
  EXPECT_EQ(fields[2], "");
  EXPECT_EQ(fields[5], "/usr/bin/ferry");
  EXPECT_EQ(fields[6], "POCF");
}

TEST(RegistrationTest, takes_programs_of_its_architecture_only) {
  for (unsigned short type : {ET_EXEC, ET_DYN}) {
    EXPECT_TRUE(matches(Isa::aarch64, header(EM_AARCH64, type)));
    EXPECT_TRUE(matches(Isa::x86_64, header(EM_X86_64, type)));
    EXPECT_FALSE(matches(Isa::aarch64, header(EM_X86_64, type)));
    EXPECT_FALSE(matches(Isa::x86_64, header(EM_AARCH64, type)));
    EXPECT_FALSE(matches(Isa::aarch64, header(EM_ARM, type)));
  }
  EXPECT_FALSE(matches(Isa::aarch64, header(EM_AARCH64, ET_REL)));
  EXPECT_FALSE(matches(Isa::aarch64, header(EM_AARCH64, ET_CORE)));
}

TEST(RegistrationTest, takes_any_system_abi_but_no_other_class_or_order) {
  Elf64_Ehdr gnu = header(EM_AARCH64, ET_EXEC);
  gnu.e_ident[EI_OSABI] = ELFOSABI_GNU;
  EXPECT_TRUE(matches(Isa::aarch64, gnu));
  Elf64_Ehdr narrow = header(EM_AARCH64, ET_EXEC);
  narrow.e_ident[EI_CLASS] = ELFCLASS32;
  EXPECT_FALSE(matches(Isa::aarch64, narrow));
  Elf64_Ehdr big = header(EM_AARCH64, ET_EXEC);
  big.e_ident[EI_DATA] = ELFDATA2MSB;
  EXPECT_FALSE(matches(Isa::aarch64, big));
}

TEST(RegistrationTest, interpreters_the_kernel_would_refuse) {
  EXPECT_EQ(interpreter_problem("/usr/bin/ferry"), "");
  EXPECT_NE(interpreter_problem("ferry"), "");
  EXPECT_NE(interpreter_problem(""), "");
  EXPECT_NE(interpreter_problem("/a:b/ferry"), "");
  EXPECT_NE(interpreter_problem("/a\nb"), "");
  EXPECT_EQ(interpreter_problem("/" + std::string(126, 'x')), "");
  EXPECT_NE(interpreter_problem("/" + std::string(127, 'x')), "");
}

}  // namespace
}  // namespace ferry::binfmt
