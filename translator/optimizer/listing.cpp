// Disassembled by Capstone 4, guest and host. What it does not know is shown as bytes.
#include "translator/optimizer/listing.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <map>

namespace ferry::optimizer {

namespace {

constexpr size_t left_width = 48;

class Disassembler {
 public:
  Disassembler(cs_arch architecture, cs_mode mode) {
    if (cs_open(architecture, mode, &handle_) != CS_ERR_OK) return;
    cs_option(handle_, CS_OPT_SKIPDATA, CS_OPT_ON);
    if (architecture == CS_ARCH_X86) cs_option(handle_, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
    instruction_ = cs_malloc(handle_);
  }
  ~Disassembler() {
    if (instruction_ != nullptr) cs_free(instruction_, 1);
    if (handle_ != 0) cs_close(&handle_);
  }
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;

  // The first instruction of the bytes, and its length.
  std::pair<std::string, size_t> next(std::span<const u8> bytes, u64 address) {
    const u8* at = bytes.data();
    size_t size = bytes.size();
    if (instruction_ == nullptr || !cs_disasm_iter(handle_, &at, &size, &address, instruction_)) return {"?", 1};
    std::string text = std::string{instruction_->mnemonic} + " " + instruction_->op_str;
    return {text, instruction_->size};
  }

 private:
  csh handle_ = 0;
  cs_insn* instruction_ = nullptr;
};

[[gnu::format(printf, 1, 2)]] std::string format(const char* text, ...) {
  char line[512];
  va_list values;
  va_start(values, text);
  int length = vsnprintf(line, sizeof line, text, values);
  va_end(values);
  return {line, std::min(static_cast<size_t>(length), sizeof line - 1)};
}

class Lister {
 public:
  Lister(const Request& request, const Region& region, size_t text_end)
      : request_(request),
        region_(region),
        text_end_(std::min(text_end, region.code.size())),
        guest_(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN),
#if defined(__x86_64__)
        host_(CS_ARCH_X86, CS_MODE_64)
#else
        host_(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN)
#endif
  {
    for (const Relocation& relocation : region.relocations) add_note(relocation);
    for (const FaultEdge& edge : region.fault_edges)
      notes_[edge.access] += format("; a fault goes on at %#x", edge.edge);
  }

  std::string list() {
    text_ = format("; the guest's code at %#llx", static_cast<unsigned long long>(request_.base));
    if (!request_.file.empty())
      text_ += " is " + request_.file + format(" from %#llx on", static_cast<unsigned long long>(request_.file_offset));
    text_ += format("; %u instructions became %zu bytes of code, %zu of constants\n", region_.instructions, text_end_,
                    region_.code.size() - text_end_);
    list_guest();
    list_code(0, text_end_);
    // The ways in, which come last of all.
    for (size_t i = 0; i < region_.entries.size(); i++) {
      size_t begin = region_.entries[i].code;
      if (begin >= text_end_)
        list_code(begin, i + 1 == region_.entries.size() ? region_.code.size() : region_.entries[i + 1].code);
    }
    return std::move(text_);
  }

 private:
  void add_note(const Relocation& relocation) {
    std::string& note = notes_[relocation.code];
    switch (relocation.kind) {
      case RelocationKind::base:
        note += "; the base";
        return;
      case RelocationKind::helper:
        note += "; " + region_.helpers[relocation.index];
        return;
      case RelocationKind::exit:
      case RelocationKind::carried_exit:
        note += "; to " + address(region_.exits[relocation.index]);
        return;
      case RelocationKind::call: {
        const Call& call = region_.calls[relocation.index];
        bool to_exit = call.back_to_exit != 0;
        u32 back = to_exit ? static_cast<u32>(region_.exits[call.back]) : region_.entries[call.back].offset;
        note += "; call of " + called(call) + ", back to " + address(back);
        return;
      }
      case RelocationKind::carried_return:
        note += "; return";
        return;
      case RelocationKind::carried_lookup:
        note += "; to the argument";
    }
  }

  std::string called(const Call& call) const {
    switch (call.target) {
      case CallTarget::exit:
        return address(region_.exits[call.to]);
      case CallTarget::entry:
        return address(region_.entries[call.to].offset);
      case CallTarget::call:
        return called(region_.calls[call.to]);
      case CallTarget::argument:
        break;
    }
    return "the argument";
  }

  void list_code(size_t begin, size_t end) {
    size_t line = 0;
    const Line* shown = nullptr;
    for (size_t at = begin; at < end;) {
      list_entries(at);
      while (line < region_.lines.size() && region_.lines[line].code <= at) line++;
      const Line* now = line == 0 || begin != 0 ? nullptr : &region_.lines[line - 1];
      bool fresh = now != nullptr && (shown == nullptr || shown->offset != now->offset);
      std::string left = fresh ? guest(now->offset) : "";
      shown = now;
      auto [right, size] = host_.next({region_.code.data() + at, end - at}, at);
      left.resize(std::max(left.size() + 1, left_width), ' ');
      text_ += left;
      text_ += format("| %6zx  ", at);
      text_ += right;
      text_ += note(at, size);
      text_ += "\n";
      at += size;
    }
  }

  std::string note(size_t at, size_t size) const {
    std::string text;
    for (auto found = notes_.lower_bound(static_cast<u32>(at)); found != notes_.end() && found->first < at + size;
         ++found)
      text += "  " + found->second;
    return text;
  }

  std::string address(i64 offset) const {
    u64 sum = request_.base + static_cast<u64>(offset);
    return format("%#lx", sum);
  }

  // "0x410a20  ldr x0, [x1], #8"
  std::string guest(u32 offset) {
    auto after = std::ranges::upper_bound(region_.stretches, offset, {}, &Stretch::offset);
    if (after == region_.stretches.begin()) return address(offset);
    const Stretch& stretch = *std::prev(after);
    size_t index = (offset - stretch.offset) / 4;
    if (index >= stretch.words.size()) return address(offset);
    auto* bytes = reinterpret_cast<const u8*>(&stretch.words[index]);
    return address(offset) + "  " + guest_.next({bytes, 4}, request_.base + offset).first;
  }

  // All of it in its own order first: what was optimised away is nowhere else.
  void list_guest() {
    text_ += "\n; the guest's code\n";
    for (const Stretch& stretch : region_.stretches) {
      for (u32 i = 0; i < stretch.words.size(); i++) text_ += guest(stretch.offset + 4 * i) + "\n";
      text_ += "\n";
    }
    text_ += "; and the host's\n";
  }

  void list_entries(size_t at) {
    for (const Entry& entry : region_.entries) {
      if (entry.code == at)
        text_ += "\n; entered at " + address(entry.offset) + (entry.in_map ? "\n" : " by a return\n");
    }
  }

  const Request& request_;
  const Region& region_;
  size_t text_end_;
  Disassembler guest_, host_;
  std::map<u32, std::string> notes_;  // by code offset
  std::string text_;
};

}  // namespace

std::string side_by_side(const Request& request, const Region& region, size_t text_end) {
  return Lister(request, region, text_end).list();
}

}  // namespace ferry::optimizer
