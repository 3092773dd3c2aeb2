#include "translator/optimizer/pack.h"

#include <algorithm>
#include <map>

#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include "llvm/Object/ELFObjectFile.h"
#include "translator/optimizer/entries.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {

using llvm::object::ELFObjectFileBase;
using llvm::object::ELFRelocationRef;
using llvm::object::ELFSectionRef;
using llvm::object::SectionRef;
using llvm::object::SymbolRef;
using stencil::Patch;

namespace {

// The relocations that the code generator makes for this host, as patches.
std::optional<Patch> patch_of(u64 machine, u64 type) {
  if (machine == llvm::ELF::EM_X86_64) {
    switch (type) {
      case llvm::ELF::R_X86_64_PC32:
      case llvm::ELF::R_X86_64_PLT32:
        return Patch::pc_32;
      case llvm::ELF::R_X86_64_64:
        return Patch::abs_64;
      default:
        return std::nullopt;
    }
  }
  switch (type) {
    case llvm::ELF::R_AARCH64_CALL26:
    case llvm::ELF::R_AARCH64_JUMP26:
      return Patch::jump_26;
    case llvm::ELF::R_AARCH64_ADR_PREL_PG_HI21:
      return Patch::adr_page;
    case llvm::ELF::R_AARCH64_ADD_ABS_LO12_NC:
      return Patch::lo12_add;
    case llvm::ELF::R_AARCH64_LDST64_ABS_LO12_NC:
      return Patch::lo12_64;
    case llvm::ELF::R_AARCH64_LDST128_ABS_LO12_NC:
      return Patch::lo12_128;
    case llvm::ELF::R_AARCH64_ABS64:
      return Patch::abs_64;
    default:
      return std::nullopt;
  }
}

// Any address that is a multiple of what the alignment of pages and code needs: positions inside the code only matter relatively.
constexpr u64 assumed_address = u64{1} << 32;

constexpr u32 no_place = ~u32{0};
constexpr u32 entry_alignment = 16;
constexpr u8 padding = 0xcc;

constexpr char maps_section[] = ".llvm_stackmaps";
constexpr char fault_maps_section[] = ".llvm_faultmaps";

// LLVM's FaultMaps: a header, the only function's, then the faults; distances from the function's beginning. The kind is the guest
// instruction's offset (accesses.cpp).
struct MappedFault {
  u32 kind, access, edge;
};
constexpr size_t first_mapped_fault = 24;

class Packer {
 public:
  Packer(const ELFObjectFileBase& object, const Lifted& lifted, Region& region)
      : object_(object), lifted_(lifted), region_(region) {}

  bool run(llvm::StringRef loader, std::string& why) {
    region_.loader = append(loader, code_alignment);
    for (const SectionRef& section : object_.sections()) place(section);
    for (const SectionRef& section : object_.sections()) {
      auto relocated = section.getRelocatedSection();
      if (!relocated || *relocated == object_.section_end()) continue;
      for (const auto& relocation : section.relocations()) {
        if (!apply(**relocated, relocation, why)) return false;
      }
    }
    read_symbols();
    if (!place_entries()) return why = "an entry is missing", false;
    if (region_.code.size() > max_code_bytes) return why = "more code than a region may have", false;
    read_faults();
    const char* problem;
    if (!read_fault_states(maps_, body_, lifted_.faults, region_, problem)) return why = problem, false;
    read_lines();
    region_.exits = lifted_.exits;
    region_.calls = lifted_.calls;
    return true;
  }
  size_t text_end() const { return text_end_; }

 private:
  static llvm::StringRef name_of(const SectionRef& section) { return llvm::cantFail(section.getName()); }

  // Appends `bytes` bytes at an alignment; returns where.
  u32 append(llvm::StringRef bytes, u64 alignment) {
    region_.code.resize(llvm::alignTo(region_.code.size(), alignment), padding);
    u32 at = static_cast<u32>(region_.code.size());
    region_.code.insert(region_.code.end(), bytes.bytes_begin(), bytes.bytes_end());
    return at;
  }

  void place(const SectionRef& section) {
    ELFSectionRef elf(section);
    if (name_of(section) == faults_section) {
      faults_ = llvm::cantFail(section.getContents()).str();
    } else if (name_of(section) == entries_section) {
      // Of each entry there is a relocation.
      for (const LiftedEntry& entry : lifted_.entries)
        region_.entries.push_back({entry.offset, no_place, entry.in_map});
    } else if (name_of(section) == fault_maps_section) {
      fault_maps_ = llvm::cantFail(section.getContents());
    } else if (name_of(section) == maps_section) {
      maps_ = llvm::cantFail(section.getContents());
    } else if ((elf.getFlags() & llvm::ELF::SHF_ALLOC) != 0 && section.getSize() != 0 && !section.isBSS() &&
               elf.getType() == llvm::ELF::SHT_PROGBITS) {
      placed_[section.getIndex()] = append(llvm::cantFail(section.getContents()), section.getAlignment().value());
      if (section.isText()) text_end_ = region_.code.size();
    }
  }

  // A slot for an address that only the installer knows.
  u32 slot(const std::string& symbol, RelocationKind kind, u16 index) {
    auto [found, added] = slots_.try_emplace(symbol, 0);
    if (added) {
      found->second = append(llvm::StringRef("\0\0\0\0\0\0\0\0", 8), 8);
      region_.relocations.push_back({found->second, Patch::abs_64, kind, index, 0});
    }
    return found->second;
  }

  u16 helper(const std::string& name) {
    auto found = std::find(region_.helpers.begin(), region_.helpers.end(), name);
    if (found == region_.helpers.end()) found = region_.helpers.insert(found, name);
    return static_cast<u16>(found - region_.helpers.begin());
  }

  // The position in the code of a symbol; nullopt when it is not of the code.
  std::optional<u64> position(const SymbolRef& symbol) {
    std::string name = llvm::cantFail(symbol.getName()).str();
    auto section = llvm::cantFail(symbol.getSection());
    if (section != object_.section_end()) {
      auto placed = placed_.find(section->getIndex());
      if (placed == placed_.end()) return std::nullopt;
      return placed->second + llvm::cantFail(symbol.getValue());
    }
    if (name == base_symbol) return slot(name, RelocationKind::base, 0);
    if (name.starts_with(helper_prefix))
      return slot(name, RelocationKind::helper, helper(name.substr(sizeof helper_prefix - 1)));
    return std::nullopt;
  }

  bool apply(const SectionRef& section, const ELFRelocationRef& relocation, std::string& why) {
    auto patch = patch_of(object_.getEMachine(), relocation.getType());
    i64 addend = llvm::cantFail(relocation.getAddend());
    SymbolRef symbol = *relocation.getSymbol();
    if (name_of(section) == faults_section) {
      // Distances between code and the table: what counts is the place in the code.
      auto target = position(symbol);
      if (!target) return why = "a fault edge outside the code", false;
      u32 value = static_cast<u32>(*target + static_cast<u64>(addend));
      memcpy(faults_.data() + relocation.getOffset(), &value, sizeof value);
      return true;
    }
    if (name_of(section) == entries_section) {
      auto target = position(symbol);
      if (!target) return why = "an entry outside the code", false;
      region_.entries.at(relocation.getOffset() / sizeof(u64)).code =
          static_cast<u32>(*target + static_cast<u64>(addend));
      return true;
    }
    auto placed = placed_.find(section.getIndex());
    if (placed == placed_.end()) return true;  // of no interest: debugging and unwinding
    u32 at = placed->second + static_cast<u32>(relocation.getOffset());
    std::string name = llvm::cantFail(symbol.getName()).str();
    if (!patch) return why = "a relocation of type " + std::to_string(relocation.getType()) + " to " + name, false;
    if (auto target = position(symbol)) {
      // Absolute addresses within the code cannot be: it is position-independent.
      if (*patch == Patch::abs_64) return why = "an absolute address of its own code", false;
      stencil::patch_hole(*patch, region_.code.data() + at, assumed_address + at,
                          assumed_address + *target + static_cast<u64>(addend));
      return true;
    }
    if (name == carried_return_symbol || name == carried_lookup_symbol) {
      auto kind = name == carried_return_symbol ? RelocationKind::carried_return : RelocationKind::carried_lookup;
      region_.relocations.push_back({at, *patch, kind, 0, static_cast<i32>(addend)});
      return true;
    }
    for (auto [kind, prefix] :
         {std::pair{RelocationKind::carried_exit, carried_exit_prefix}, {RelocationKind::call, call_prefix}}) {
      llvm::StringRef index = name;
      if (!index.consume_front(prefix)) continue;
      region_.relocations.push_back(
          {at, *patch, kind, static_cast<u16>(std::stoul(index.str())), static_cast<i32>(addend)});
      return true;
    }
    return why = "an unknown symbol: " + name, false;
  }

  void read_symbols() {
    for (const SymbolRef& symbol : object_.symbols()) {
      llvm::StringRef name = llvm::cantFail(symbol.getName());
      if (name == region_symbol) body_ = static_cast<u32>(*position(symbol));
    }
  }

  bool place_entries() {
    // An only entry is the body's beginning: there is no jump to it.
    if (region_.entries.size() == 1 && region_.entries[0].code == no_place) region_.entries[0].code = body_;
    for (Entry& entry : region_.entries) {
      if (entry.code == no_place) return false;
      if (entry.code == body_) continue;
      region_.code.resize(llvm::alignTo(region_.code.size(), entry_alignment), padding);
      u32 at = static_cast<u32>(region_.code.size());
      std::vector<u8> code = entry_code(region_.code, body_, entry.code, at);
      if (code.empty()) continue;
      region_.code.insert(region_.code.end(), code.begin(), code.end());
      entry.code = at;
    }
    return true;
  }

  void read_faults() {
    for (size_t i = first_mapped_fault; i + sizeof(MappedFault) <= fault_maps_.size(); i += sizeof(MappedFault)) {
      MappedFault fault;
      memcpy(&fault, fault_maps_.data() + i, sizeof fault);
      add_fault(body_ + fault.access, body_ + fault.edge, fault.kind);
    }
    struct Record {
      u32 access, edge, offset;
    };
    for (size_t i = 0; i + sizeof(Record) <= faults_.size(); i += sizeof(Record)) {
      Record record;
      memcpy(&record, faults_.data() + i, sizeof record);
      add_fault(record.access, record.edge, record.offset);
    }
    std::ranges::sort(region_.fault_edges, {}, &FaultEdge::access);
    std::ranges::sort(region_.lines, {}, &Line::code);
  }

  void add_fault(u32 access, u32 edge, u32 offset) {
    region_.fault_edges.push_back({access, edge});
    region_.lines.push_back({access, offset});
  }

  // What debugging information there is says more than the accesses do.
  void read_lines() {
    if (lifted_.function->getSubprogram() == nullptr) return;
    auto debug = llvm::DWARFContext::create(object_);
    std::map<u32, u32> lines;  // of several in one place the last one has instructions there
    for (const auto& unit : debug->compile_units()) {
      const llvm::DWARFDebugLine::LineTable* table = debug->getLineTableForUnit(unit.get());
      if (table == nullptr) continue;
      for (const auto& row : table->Rows) {
        auto placed = placed_.find(row.Address.SectionIndex);
        if (row.Line < first_line || row.EndSequence || placed == placed_.end()) continue;
        lines[placed->second + static_cast<u32>(row.Address.Address)] = offset_of_line(row.Line);
      }
    }
    if (lines.empty()) return;
    region_.lines.clear();
    for (auto [code, offset] : lines) {
      if (region_.lines.empty() || region_.lines.back().offset != offset) region_.lines.push_back({code, offset});
    }
  }

  const ELFObjectFileBase& object_;
  const Lifted& lifted_;
  Region& region_;
  std::map<u64, u32> placed_;  // section index -> code offset
  std::map<std::string, u32> slots_;
  std::string faults_;
  llvm::StringRef fault_maps_, maps_;
  u32 body_ = 0;
  size_t text_end_ = 0;
};

}  // namespace

bool pack(llvm::StringRef object, llvm::StringRef loader, const Lifted& lifted, Region& region, size_t& text_end,
          std::string& why) {
  auto file = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, "region"));
  if (!file) return why = llvm::toString(file.takeError()), false;
  Packer packer(llvm::cast<ELFObjectFileBase>(**file), lifted, region);
  if (!packer.run(loader, why)) return false;
  text_end = packer.text_end();
  return true;
}

std::string code_of(llvm::StringRef object) {
  std::string code;
  auto file = llvm::cantFail(llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, "code")));
  for (const SectionRef& section : file->sections()) {
    auto relocated = llvm::cantFail(section.getRelocatedSection());
    if (relocated != file->section_end() && relocated->isText()) return {};
    if (section.isText()) code += llvm::cantFail(section.getContents());
  }
  return code;
}

}  // namespace ferry::optimizer
