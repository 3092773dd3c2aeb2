#include "translator/optimizer/entries.h"

#include <capstone/capstone.h>

#include <cstring>

#include "translator/stencil/host.h"

namespace ferry::optimizer {

namespace {

constexpr u8 jump_to_argument[] = {0x41, 0xff, 0xe4};  // jmp *%r12
constexpr u32 max_prologue = 256;

void put_jump(std::vector<u8>& bytes, u32 at, u32 target) {
  bytes.push_back(0xe9);  // jmp rel32
  u32 distance = target - (at + static_cast<u32>(bytes.size()) + 4);
  bytes.insert(bytes.end(), reinterpret_cast<u8*>(&distance), reinterpret_cast<u8*>(&distance + 1));
}

class Copier {
 public:
  Copier() {
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) != CS_ERR_OK) return;
    cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
    instruction_ = cs_malloc(handle_);
  }
  ~Copier() {
    if (instruction_ != nullptr) cs_free(instruction_, 1);
    if (handle_ != 0) cs_close(&handle_);
  }
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;

  // The instructions from `body` to the jump, moved; false when there are others than that can be.
  bool copy(std::span<const u8> code, u32 body, u32 at, std::vector<u8>& bytes) {
    const u8* next = code.data() + body;
    size_t size = code.size() - body;
    u64 address = body;
    while (instruction_ != nullptr && bytes.size() < max_prologue) {
      if (size >= sizeof jump_to_argument && memcmp(next, jump_to_argument, sizeof jump_to_argument) == 0) return true;
      const u8* begin = next;
      if (!cs_disasm_iter(handle_, &next, &size, &address, instruction_)) return false;
      for (u8 group : std::span(instruction_->detail->groups, instruction_->detail->groups_count)) {
        if (group == CS_GRP_JUMP || group == CS_GRP_CALL || group == CS_GRP_RET) return false;
      }
      size_t first = bytes.size();
      bytes.insert(bytes.end(), begin, next);
      if (is_relative())
        move_displacement(bytes.data() + first + instruction_->detail->x86.encoding.disp_offset, body - at);
    }
    return false;
  }

 private:
  bool is_relative() const {
    const cs_x86& x86 = instruction_->detail->x86;
    for (const cs_x86_op& operand : std::span(x86.operands, x86.op_count)) {
      if (operand.type == X86_OP_MEM && operand.mem.base == X86_REG_RIP) return true;
    }
    return false;
  }
  static void move_displacement(u8* field, u32 by) {
    u32 displacement;
    memcpy(&displacement, field, sizeof displacement);
    displacement += by;
    memcpy(field, &displacement, sizeof displacement);
  }

  csh handle_ = 0;
  cs_insn* instruction_ = nullptr;
};

}  // namespace

std::vector<u8> entry_code(std::span<const u8> code, u32 body, u32 block, u32 at) {
  std::vector<u8> bytes;
  if (Copier().copy(code, body, at, bytes)) {
    if (bytes.empty()) return bytes;
    put_jump(bytes, at, block);
  } else {
    bytes.resize(stencil::argument_jump_size);
    stencil::write_argument_jump(bytes.data(), at, block, body);
  }
  return bytes;
}

}  // namespace ferry::optimizer
