#include "translator/optimizer/slots.h"

#include <cstddef>

#include "guest/aarch64/cpu.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/Module.h"
#include "translator/aarch64/lazy_flags.h"
#include "translator/stencil/carried.h"

namespace ferry::optimizer {

using aarch64::Cpu;
using llvm::IRBuilder;
using llvm::Type;
using llvm::Value;

namespace {

constexpr int first_flag = 32, first_vector = 36, first_lazy = 68;

struct Place {
  int slot;   // -1: not a variable
  u32 delta;  // bytes into it
};

constexpr u32 size_of(int slot) {
  if (slot >= first_lazy) return slot == first_lazy ? 4 : 8;
  return slot < first_flag ? 8 : slot < first_vector ? 1 : 16;
}

constexpr u64 offset_of(int slot) {
  if (slot < first_flag) return 8 * static_cast<u64>(slot);
  if (slot < first_vector) return offsetof(Cpu, n) + static_cast<u64>(slot - first_flag);
  if (slot < first_lazy) return offsetof(Cpu, vectors) + 16 * static_cast<u64>(slot - first_vector);
  constexpr u64 lazy[] = {offsetof(Cpu, flags_kind), offsetof(Cpu, flags_a), offsetof(Cpu, flags_b)};
  return lazy[slot - first_lazy];
}
static_assert(offsetof(Cpu, x) == 0 && offsetof(Cpu, sp) == offset_of(31) && offsetof(Cpu, v) == offset_of(35));

Place place_of(i64 signed_offset) {
  u64 offset = static_cast<u64>(signed_offset);
  if (offset < offset_of(31) + 8) return {static_cast<int>(offset / 8), static_cast<u32>(offset % 8)};
  if (offset - offset_of(first_flag) < 4) return {static_cast<int>(first_flag + offset - offset_of(first_flag)), 0};
  if (u64 in_vectors = offset - offset_of(first_vector); in_vectors < 32 * 16)
    return {static_cast<int>(first_vector + in_vectors / 16), static_cast<u32>(in_vectors % 16)};
  return {-1, 0};
}

Type* type_of(int slot, llvm::LLVMContext& context) {
  if (slot >= first_vector && slot < first_lazy) return llvm::FixedVectorType::get(Type::getInt64Ty(context), 2);
  return Type::getIntNTy(context, size_of(slot) * 8);
}

u32 bytes_of(Type* type) { return static_cast<u32>(type->getPrimitiveSizeInBits().getFixedValue() / 8); }

Type* integer(IRBuilder<>& builder, u32 bytes) { return builder.getIntNTy(bytes * 8); }

// The lanes of 16 bytes of which a value of `bytes` bytes is one.
Type* lanes(IRBuilder<>& builder, u32 bytes) { return llvm::FixedVectorType::get(integer(builder, bytes), 16 / bytes); }

}  // namespace

llvm::AllocaInst* Slots::variable(int slot) {
  if (variables_[slot] == nullptr) {
    IRBuilder<> builder(allocas_);
    variables_[slot] = builder.CreateAlloca(type_of(slot, builder.getContext()));
  }
  return variables_[slot];
}

Value* Slots::address(IRBuilder<>& builder, int slot) {
  return builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), cpu_, offset_of(slot));
}

Value* Slots::read(IRBuilder<>& builder, i64 offset, Type* type, SlotSet& read) {
  u32 bytes = bytes_of(type);
  auto [slot, delta] = place_of(offset);
  if (slot >= first_flag && slot < first_vector) {
    Value* result = llvm::ConstantInt::get(integer(builder, bytes), 0);
    for (u32 i = 0; i < bytes; i++) {
      if (slot + static_cast<int>(i) >= first_vector) return nullptr;
      llvm::AllocaInst* flag = variable(slot + static_cast<int>(i));
      read.set(static_cast<size_t>(slot) + i);
      Value* value = builder.CreateZExt(builder.CreateLoad(flag->getAllocatedType(), flag), result->getType());
      result = builder.CreateOr(result, builder.CreateShl(value, 8 * i));
    }
    return builder.CreateBitCast(result, type);
  }
  if (delta + bytes > size_of(slot)) return nullptr;
  read.set(static_cast<size_t>(slot));
  Value* whole = builder.CreateLoad(variable(slot)->getAllocatedType(), variable(slot));
  if (slot < first_flag)
    return builder.CreateBitCast(builder.CreateTrunc(builder.CreateLShr(whole, 8 * delta), integer(builder, bytes)),
                                 type);
  if (bytes == 16) return builder.CreateBitCast(whole, type);
  if (delta % bytes != 0) return nullptr;
  Value* lane = builder.CreateExtractElement(builder.CreateBitCast(whole, lanes(builder, bytes)), delta / bytes);
  return builder.CreateBitCast(lane, type);
}

bool Slots::write(IRBuilder<>& builder, i64 offset, Value* value, SlotSet& written, SlotSet& read) {
  u32 bytes = bytes_of(value->getType());
  auto [slot, delta] = place_of(offset);
  if (slot >= first_flag && slot < first_vector) {
    Value* bits = builder.CreateBitCast(value, integer(builder, bytes));
    for (u32 i = 0; i < bytes; i++) {
      if (slot + static_cast<int>(i) >= first_vector) return false;
      builder.CreateStore(builder.CreateTrunc(builder.CreateLShr(bits, 8 * i), builder.getInt8Ty()),
                          variable(slot + static_cast<int>(i)));
      written.set(static_cast<size_t>(slot) + i);
    }
    return true;
  }
  if (delta + bytes > size_of(slot)) return false;
  llvm::AllocaInst* target = variable(slot);
  if (bytes != size_of(slot)) {
    // Part of a vector: the rest stays. General registers are only ever written whole.
    if (slot < first_vector || delta % bytes != 0) return false;
    read.set(static_cast<size_t>(slot));
    Value* whole = builder.CreateBitCast(builder.CreateLoad(target->getAllocatedType(), target), lanes(builder, bytes));
    value = builder.CreateInsertElement(whole, builder.CreateBitCast(value, integer(builder, bytes)), delta / bytes);
  }
  builder.CreateStore(builder.CreateBitCast(value, target->getAllocatedType()), target);
  written.set(static_cast<size_t>(slot));
  return true;
}

bool Slots::rewrite(llvm::Instruction& access, i64 offset, SlotSet& written, SlotSet& read) {
  IRBuilder<> builder(&access);
  auto* load = llvm::dyn_cast<llvm::LoadInst>(&access);
  if (offset == offsetof(Cpu, zero) && load != nullptr) {
    load->replaceAllUsesWith(llvm::Constant::getNullValue(load->getType()));
  } else if (offset == offsetof(Cpu, sink) && load == nullptr) {
    // Nobody reads it.
  } else if (place_of(offset).slot < 0) {
    return true;
  } else if (load != nullptr) {
    Value* value = this->read(builder, offset, load->getType(), read);
    if (value == nullptr) return false;
    load->replaceAllUsesWith(value);
  } else if (!write(builder, offset, llvm::cast<llvm::StoreInst>(access).getValueOperand(), written, read)) {
    return false;
  }
  access.eraseFromParent();
  return true;
}

SlotSet Slots::carried() {
  SlotSet set;
  for (u32 slot : stencil::carried_registers) set.set(slot);
  return set;
}

std::vector<Value*> Slots::carried_values(IRBuilder<>& builder) {
  std::vector<Value*> values;
  for (u32 slot : stencil::carried_registers)
    values.push_back(builder.CreateLoad(builder.getInt64Ty(), variable(static_cast<int>(slot))));
  return values;
}

void Slots::set_carried(IRBuilder<>& builder, llvm::ArrayRef<Value*> values) {
  for (u32 i = 0; i < stencil::carried_count; i++)
    builder.CreateStore(values[i], variable(static_cast<int>(stencil::carried_registers[i])));
}

std::vector<Value*> Slots::load_carried(IRBuilder<>& builder, Value* cpu) {
  std::vector<Value*> values;
  for (u32 slot : stencil::carried_registers) {
    Value* place = builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), cpu, offset_of(static_cast<int>(slot)));
    values.push_back(builder.CreateLoad(builder.getInt64Ty(), place));
  }
  return values;
}

void Slots::write_lazy_flags(IRBuilder<>& builder, Value* kind, Value* a, Value* b) {
  auto* known_kind = llvm::dyn_cast<llvm::ConstantInt>(kind);
  auto* immediate = llvm::dyn_cast<llvm::ConstantInt>(b);
  if (known_kind != nullptr && immediate != nullptr && immediate->getZExtValue() <= aarch64::max_b_in_kind &&
      (known_kind->getZExtValue() & aarch64::compared) != 0) {
    u64 with_b = aarch64::b_in_kind | immediate->getZExtValue() << aarch64::b_shift;
    kind = builder.getInt32(static_cast<u32>(known_kind->getZExtValue() | with_b));
    b = llvm::PoisonValue::get(builder.getInt64Ty());
  }
  builder.CreateStore(kind, variable(first_lazy));
  builder.CreateStore(a, variable(first_lazy + 1));
  builder.CreateStore(b, variable(first_lazy + 2));
}

void Slots::pack_flags(IRBuilder<>& builder) {
  SlotSet all;
  Value* packed = read(builder, static_cast<i64>(offset_of(first_flag)), builder.getInt32Ty(), all);
  write_lazy_flags(builder, builder.getInt32(static_cast<u32>(aarch64::LazyFlags::packed)),
                   builder.CreateZExt(packed, builder.getInt64Ty()), llvm::PoisonValue::get(builder.getInt64Ty()));
}

void Slots::load(IRBuilder<>& builder, const SlotSet& set) {
  for (int slot = 0; slot < slot_count; slot++) {
    if (variables_[slot] == nullptr || !set.test(static_cast<size_t>(slot))) continue;
    Type* type = variables_[slot]->getAllocatedType();
    builder.CreateStore(builder.CreateLoad(type, address(builder, slot)), variables_[slot]);
  }
}

void Slots::write_back(IRBuilder<>& builder, const SlotSet& set) {
  for (int slot = 0; slot < slot_count; slot++) {
    if (!set.test(static_cast<size_t>(slot))) continue;
    builder.CreateStore(builder.CreateLoad(variables_[slot]->getAllocatedType(), variables_[slot]),
                        address(builder, slot));
  }
}

void Slots::read_all(IRBuilder<>& builder, const SlotSet& set, std::vector<Value*>& values,
                     std::vector<LiftedFaultValue>& fields) {
  for (int slot = 0; slot < slot_count; slot++) {
    if (!set.test(static_cast<size_t>(slot))) continue;
    values.push_back(builder.CreateLoad(variables_[slot]->getAllocatedType(), variables_[slot]));
    fields.push_back({static_cast<u16>(offset_of(slot)), static_cast<u16>(size_of(slot)), {}});
  }
}

}  // namespace ferry::optimizer
