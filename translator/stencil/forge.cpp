// forge: turns the object files of stencil-compiled semantic functions into a stencil library (library.h).
//   forge OUTPUT.bin HELPERS.inc OBJECT... [--short OBJECT... --again OBJECT...]
// Each object carries a `ferry_stencils` section of {id, function} pairs; the functions' relocations are the holes.
// The short objects are the same functions assembled with constants of one byte, two different ones, in place of the holes that are
// offsets into Cpu: where the two differ the short stencils have their holes.
// Works for both hosts: the object's e_machine selects the relocation types (x86-64 psABI, AArch64 ELF supplement).
#include <elf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "translator/baseline/glue.h"
#include "translator/stencil/library.h"

using namespace ferry;
using namespace ferry::stencil;

namespace {

[[noreturn, gnu::format(printf, 1, 2)]] void die(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("forge: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  exit(1);
}

std::vector<char> read_file(const char* path) {
  FILE* file = fopen(path, "rb");
  if (file == nullptr) die("cannot open %s", path);
  std::vector<char> bytes;
  char chunk[65536];
  while (size_t n = fread(chunk, 1, sizeof chunk, file)) bytes.insert(bytes.end(), chunk, chunk + n);
  fclose(file);
  return bytes;
}

// A view of one relocatable object. Input is what our own compiler just wrote, so it is trusted.
struct Object {
  std::vector<char> bytes;
  const Elf64_Ehdr* header;
  const Elf64_Shdr* sections;
  const char* section_names;
  const Elf64_Sym* symbols = nullptr;
  const char* symbol_names = nullptr;
  std::map<u32, const Elf64_Shdr*> relocations;  // by target section

  explicit Object(const char* path) : bytes(read_file(path)) {
    header = at<Elf64_Ehdr>(0);
    if (bytes.size() < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) die("%s is not ELF", path);
    sections = at<Elf64_Shdr>(header->e_shoff);
    section_names = at<char>(sections[header->e_shstrndx].sh_offset);
    for (u32 i = 0; i < header->e_shnum; i++) {
      if (sections[i].sh_type == SHT_SYMTAB) {
        symbols = at<Elf64_Sym>(sections[i].sh_offset);
        symbol_names = at<char>(sections[sections[i].sh_link].sh_offset);
      } else if (sections[i].sh_type == SHT_RELA) {
        relocations[sections[i].sh_info] = &sections[i];
      }
    }
  }
  template <class T>
  const T* at(u64 offset) const {
    return reinterpret_cast<const T*>(bytes.data() + offset);
  }
  const char* name(const Elf64_Shdr& section) const { return section_names + section.sh_name; }
  const char* name(const Elf64_Sym& symbol) const { return symbol_names + symbol.st_name; }

  template <class F>
  void each_relocation(u32 section, F&& f) const {
    auto found = relocations.find(section);
    if (found == relocations.end()) return;
    const Elf64_Rela* r = at<Elf64_Rela>(found->second->sh_offset);
    for (u64 n = found->second->sh_size / sizeof *r; n-- != 0; r++) f(*r, symbols[ELF64_R_SYM(r->r_info)]);
  }
};

std::optional<Patch> patch_of(u16 machine, u32 type) {
  if (machine == EM_X86_64) {
    switch (type) {
      case R_X86_64_32:
      case R_X86_64_32S:
        return Patch::abs_32;
      case R_X86_64_64:
        return Patch::abs_64;
      case R_X86_64_PC32:
      case R_X86_64_PLT32:
        return Patch::pc_32;
      default:
        return std::nullopt;
    }
  }
  switch (type) {
    case R_AARCH64_ADD_ABS_LO12_NC:
      return Patch::lo12_add;
    case R_AARCH64_LDST8_ABS_LO12_NC:
      return Patch::lo12_8;
    case R_AARCH64_LDST16_ABS_LO12_NC:
      return Patch::lo12_16;
    case R_AARCH64_LDST32_ABS_LO12_NC:
      return Patch::lo12_32;
    case R_AARCH64_LDST64_ABS_LO12_NC:
      return Patch::lo12_64;
    case R_AARCH64_LDST128_ABS_LO12_NC:
      return Patch::lo12_128;
    case R_AARCH64_MOVW_UABS_G0:
    case R_AARCH64_MOVW_UABS_G0_NC:
      return Patch::movw_g0;
    case R_AARCH64_MOVW_UABS_G1:
    case R_AARCH64_MOVW_UABS_G1_NC:
      return Patch::movw_g1;
    case R_AARCH64_MOVW_UABS_G2:
    case R_AARCH64_MOVW_UABS_G2_NC:
      return Patch::movw_g2;
    case R_AARCH64_MOVW_UABS_G3:
      return Patch::movw_g3;
    case R_AARCH64_JUMP26:
      return Patch::jump_26;
    case R_AARCH64_ADR_PREL_PG_HI21:
      return Patch::adr_page;
    default:
      return std::nullopt;
  }
}

// A form of a stencil as it was found.
struct Form {
  Bodies bodies;
  u8 result;
};

struct Forge {
  static constexpr u32 stencil_count = baseline::stencil_count;
  std::map<std::pair<u32, u32>, Form> forms;  // by id and form
  std::vector<u8> code, constants;
  std::vector<std::string> helpers;

  i32 helper_index(const std::string& name) {
    for (size_t i = 0; i < helpers.size(); i++) {
      if (helpers[i] == name) return static_cast<i32>(i);
    }
    helpers.push_back(name);
    return static_cast<i32>(helpers.size() - 1);
  }

  // Where a section of constants starts in the library; copied at its first use.
  u32 constants_of(const Object& object, u32 section, std::map<u32, u32>& placed, const char* function) {
    if (auto found = placed.find(section); found != placed.end()) return found->second;
    const Elf64_Shdr& s = object.sections[section];
    if ((s.sh_flags & (SHF_WRITE | SHF_EXECINSTR)) != 0 || object.relocations.contains(section))
      die("%s refers to %s, which is not plain constants", function, object.name(s));
    while (constants.size() % 64 != 0) constants.push_back(0);
    u32 start = static_cast<u32>(constants.size());
    const u8* bytes = object.at<u8>(s.sh_offset);
    constants.insert(constants.end(), bytes, bytes + s.sh_size);
    return placed[section] = start;
  }

  void add_object(const char* path, const char* short_path, const char* again_path) {
    Object object(path);
    std::optional<Object> shorter, again;
    if (short_path != nullptr) shorter.emplace(short_path), again.emplace(again_path);
    std::map<u32, u32> placed;
    for (u32 i = 0; i < object.header->e_shnum; i++) {
      if (strcmp(object.name(object.sections[i]), "ferry_stencils") != 0) continue;
      const u64* entries = object.at<u64>(object.sections[i].sh_offset);
      object.each_relocation(i, [&](const Elf64_Rela& r, const Elf64_Sym& symbol) {
        // {id, code, form}: semantics/section.h
        u64 id = entries[r.r_offset / 8 - 1], form = entries[r.r_offset / 8 + 1];
        if (r.r_addend + symbol.st_value != 0)
          die("%s: stencil %llu is not in a section of its own", path, (unsigned long long)id);
        Form& made = new_form(static_cast<u32>(id), static_cast<u32>(form & 0xff), object.name(symbol));
        made.bodies.body = make_body(object, symbol.st_shndx, placed);
        made.result = static_cast<u8>(form >> 8);
        if (shorter) make_short(made.bodies, *shorter, *again, symbol.st_shndx, placed);
      });
    }
  }

  Form& new_form(u32 id, u32 form, const char* function) {
    auto [place, is_new] = forms.try_emplace({id, form});
    if (id >= stencil_count || !is_new) die("%s has a stencil id that is out of range or taken: %u", function, id);
    return place->second;
  }

  bool has_short_ones() const {
    return std::ranges::any_of(forms, [](const auto& each) { return each.second.bodies.short_body.size != 0; });
  }

  // Short forms are made from sections of the same numbers as the long ones.
  void make_short(Bodies& bodies, const Object& object, const Object& again, u32 section, std::map<u32, u32>& placed) {
    const Elf64_Shdr &s = object.sections[section], &t = again.sections[section];
    if (s.sh_size != t.sh_size || strcmp(object.name(s), again.name(t)) != 0)
      die("%s is not the same in both short objects", object.name(s));
    std::vector<Hole> short_holes;
    u8 operands = 0;
    for (u64 i = 0; i < s.sh_size; i++) {
      u8 one = object.at<u8>(s.sh_offset)[i], other = again.at<u8>(t.sh_offset)[i];
      if (one == other) continue;
      // As the build sets them: operand n is 8n in the first object and 8n + 64 in the second, from which the bias is taken. An
      // access may begin within the register.
      int operand = static_cast<u8>(one + 128) / 8, within = one % 8;
      if (other != static_cast<u8>(one + 64) || operand >= static_cast<int>(Source::next)) return;
      operands = static_cast<u8>(operands | 1 << operand);
      short_holes.push_back({static_cast<u16>(i), Patch::abs_8, static_cast<Source>(operand), within - 128});
    }
    if (operands == 0) return;
    Body made = make_body(object, section, placed, short_holes);
    if (made.size >= bodies.body.size) return;
    made.short_operands = operands;
    bodies.short_body = made;
  }

  Body make_body(const Object& object, u32 section, std::map<u32, u32>& placed,
                 const std::vector<Hole>& more_holes = {}) {
    const Elf64_Shdr& s = object.sections[section];
    const char* function = object.name(s);
    u16 size = static_cast<u16>(s.sh_size);
    std::vector<Hole> holes = more_holes;
    if (s.sh_size > 0x7fff) die("%s is too large", function);
    object.each_relocation(section, [&](const Elf64_Rela& r, const Elf64_Sym& symbol) {
      std::optional<Patch> patch = patch_of(object.header->e_machine, ELF64_R_TYPE(r.r_info));
      if (object.header->e_machine == EM_X86_64 && ELF64_R_TYPE(r.r_info) == R_X86_64_32 &&
          std::string(object.name(symbol)).starts_with("hole_signed_"))
        die("%s zero-extends a signed operand: write it otherwise, or make it an Imm64", function);
      if (!patch) die("%s: relocation type %u is not supported", function, static_cast<u32>(ELF64_R_TYPE(r.r_info)));
      Hole hole{static_cast<u16>(r.r_offset), *patch, source_of(object, symbol, function),
                static_cast<i32>(r.r_addend)};
      if (hole.source == Source::helper) {
        if (hole.addend != 0) die("%s does not call the beginning of %s", function, object.name(symbol));
        hole.addend = helper_index(object.name(symbol));
      }
      if (hole.source == Source::constant)
        hole.addend += static_cast<i32>(constants_of(object, symbol.st_shndx, placed, function) + symbol.st_value);
      holes.push_back(hole);
    });
    std::vector<u8> bytes(object.at<u8>(s.sh_offset), object.at<u8>(s.sh_offset) + s.sh_size);
    if (object.header->e_machine == EM_X86_64) {
      load_operands(holes, bytes.data(), function);
      fall_through_branch(holes, bytes.data(), size);
    }
    elide_final_jump(object, holes, bytes.data(), size);
    if (object.header->e_machine == EM_X86_64) {
      fill_jumps_to_next(holes, bytes.data(), size);
      for (Hole& hole : holes) hole.addend -= hole.patch == Patch::pc_32 ? hole.offset : 0;
    }
    return append(bytes.data(), size, holes, function);
  }

  Body append(const u8* bytes, u16 size, std::vector<Hole>& holes, const char* function) {
    if (holes.size() > 0xff) die("%s has too many holes", function);
    Body body{static_cast<u32>(code.size()), size, static_cast<u8>(holes.size()), 0};
    code.insert(code.end(), bytes, bytes + size);
    std::ranges::sort(holes, {}, [](const Hole& hole) { return std::pair(hole.patch, hole.offset); });
    align_code();
    const u8* first = reinterpret_cast<const u8*>(holes.data());
    code.insert(code.end(), first, first + holes.size() * sizeof(Hole));
    return body;
  }

  void align_code() { code.resize((code.size() + sizeof(Hole) - 1) / sizeof(Hole) * sizeof(Hole)); }

  // The table of stencils, and the bodies of all forms in its order.
  std::vector<Stencil> stencils(std::vector<Bodies>& bodies) const {
    std::vector<Stencil> result(stencil_count);
    for (const auto& [key, form] : forms) {
      Stencil& stencil = result[key.first];
      if (key.second == 0)
        stencil = {static_cast<u32>(bodies.size()), 0, 1, form.result};
      else if (stencil.allocated == 0)
        die("stencil %u has no form 0", key.first);
      stencil.forms = static_cast<u16>(stencil.forms | 1 << key.second);
      bodies.push_back(form.bodies);
    }
    return result;
  }

  Source source_of(const Object& object, const Elf64_Sym& symbol, const char* function) {
    if (symbol.st_shndx != SHN_UNDEF) return Source::constant;
    std::string name = object.name(symbol);
    if (name.size() == 6 && name.starts_with("hole_") && name[5] >= '0' && name[5] <= '5')
      return static_cast<Source>(static_cast<int>(Source::operand_0) + name[5] - '0');
    if (name.size() == 13 && name.starts_with("hole_signed_") && name[12] >= '0' && name[12] <= '5')
      return static_cast<Source>(static_cast<int>(Source::operand_0) + name[12] - '0');
    if (name == "next") return Source::next;
    if (name == "taken") return Source::taken;
    if (name.starts_with("ferry_")) return Source::helper;
    die("%s refers to %s: a stencil may only call ferry_ helpers", function, name.c_str());
  }

  static Hole* hole_at(std::vector<Hole>& holes, int offset, Source source) {
    for (Hole& hole : holes) {
      if (hole.source == source && hole.offset == offset) return &hole;
    }
    return nullptr;
  }

  // x86: clang takes an operand less the bias for an address, `lea operand-128(%rip), r`; it is `mov $operand-128, r`, as long.
  static void load_operands(std::vector<Hole>& holes, u8* bytes, const char* function) {
    for (Hole& hole : holes) {
      if (hole.patch != Patch::pc_32 || hole.source > Source::operand_5) continue;
      u8* instruction = bytes + hole.offset - 3;
      if (hole.offset < 3 || (instruction[0] & 0xfb) != 0x48 || instruction[1] != 0x8d || (instruction[2] & 0xc7) != 5)
        die("%s uses an operand relative to the instruction pointer", function);
      instruction[0] = static_cast<u8>(0x48 | (instruction[0] & 4) >> 2);
      instruction[1] = 0xc7;
      instruction[2] = static_cast<u8>(0xc0 | instruction[2] >> 3);
      hole.patch = Patch::abs_32;
      hole.addend += 4;
    }
  }

  // x86: `jcc next; jmp taken` at the end becomes `j!cc taken; jmp next`, whose jump is then left out. clang prefers the first.
  static void fall_through_branch(std::vector<Hole>& holes, u8* bytes, int end) {
    if (end < 11 || bytes[end - 5] != 0xe9 || bytes[end - 11] != 0x0f || (bytes[end - 10] & 0xf0) != 0x80) return;
    Hole* conditional = hole_at(holes, end - 9, Source::next);
    Hole* jump = hole_at(holes, end - 4, Source::taken);
    if (conditional == nullptr || jump == nullptr) return;
    bytes[end - 10] ^= 1;  // the inverse condition
    std::swap(conditional->source, jump->source);
  }

  // A jump to the following code at the very end is not needed; jumps to it land there all the same.
  static void elide_final_jump(const Object& object, std::vector<Hole>& holes, const u8* bytes, u16& size) {
    bool x86 = object.header->e_machine == EM_X86_64;
    Hole* last = hole_at(holes, size - 4, Source::next);
    if (last == nullptr || (x86 && bytes[size - 5] != 0xe9)) return;
    holes.erase(holes.begin() + (last - holes.data()));
    size = static_cast<u16>(size - (x86 ? 5 : 4));
  }

  // x86: how far it is to the code after the stencil is known now.
  static void fill_jumps_to_next(std::vector<Hole>& holes, u8* bytes, int size) {
    std::erase_if(holes, [&](const Hole& hole) {
      if (hole.source != Source::next || hole.patch != Patch::pc_32) return false;
      i32 distance = size - hole.offset + hole.addend;
      memcpy(bytes + hole.offset, &distance, sizeof distance);
      return true;
    });
  }
};

void write_or_die(FILE* file, const void* bytes, size_t size) {
  if (size != 0 && fwrite(bytes, size, 1, file) != 1) die("write failed");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) die("usage: forge OUTPUT.bin HELPERS.inc OBJECT...");
  Forge forge;
  std::vector<const char*> lists[3];
  for (int i = 3, list = 0; i < argc; i++) {
    if (strcmp(argv[i], list == 0 ? "--short" : "--again") == 0)
      list++;
    else
      lists[list].push_back(argv[i]);
  }
  auto& [objects, shorter, again] = lists;
  if (shorter.size() != again.size() || (!shorter.empty() && shorter.size() != objects.size()))
    die("as many short objects as others are needed, twice");
  for (size_t i = 0; i < objects.size(); i++)
    forge.add_object(objects[i], shorter.empty() ? nullptr : shorter[i], shorter.empty() ? nullptr : again[i]);
  if (!shorter.empty() && !forge.has_short_ones())
    die("no stencil is shorter in the short objects: are their holes where the Cpu's register is?");
  for (int i = 0; i < baseline::glue_count; i++) {
    if (!forge.forms.contains({baseline::stencil_of(static_cast<baseline::Glue>(i)), 0}))
      die("glue stencil %d is missing", i);
  }
  std::vector<Bodies> bodies;
  std::vector<Stencil> stencils = forge.stencils(bodies);

  FILE* out = fopen(argv[1], "wb");
  if (out == nullptr) die("cannot write %s", argv[1]);
  forge.code.resize((forge.code.size() + slack + 63) / 64 * 64);
  Header header{library_magic,
                static_cast<u32>(stencils.size()),
                static_cast<u32>(bodies.size()),
                static_cast<u32>(forge.code.size()),
                static_cast<u32>(forge.constants.size()),
                {}};
  write_or_die(out, &header, sizeof header);
  write_or_die(out, stencils.data(), stencils.size() * sizeof(Stencil));
  write_or_die(out, bodies.data(), bodies.size() * sizeof(Bodies));
  write_or_die(out, forge.code.data(), forge.code.size());
  write_or_die(out, forge.constants.data(), forge.constants.size());
  if (fclose(out) != 0) die("cannot write %s", argv[1]);

  FILE* list = fopen(argv[2], "w");
  if (list == nullptr) die("cannot write %s", argv[2]);
  fputs("// Written by the forge: the functions that stencils call.\n", list);
  for (const std::string& helper : forge.helpers) fprintf(list, "FERRY_HELPER(%s)\n", helper.c_str());
  if (fclose(list) != 0) die("cannot write %s", argv[2]);
}
