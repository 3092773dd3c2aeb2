#include "translator/optimizer/fault_states.h"

#include <algorithm>
#include <map>

#include "llvm/IR/Constants.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/StackMapParser.h"
#include "llvm/Transforms/Utils/Local.h"
#include "translator/optimizer/lift.h"
#include "translator/optimizer/target.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {

namespace {

// The constant's halves, where it is one of 16 bytes.
bool halves_of(const llvm::Value& value, llvm::Constant* (&halves)[2]) {
  auto* constant = llvm::dyn_cast<llvm::Constant>(&value);
  if (constant == nullptr || !constant->getType()->isVectorTy()) return false;
  for (unsigned i = 0; i < 2; i++) {
    halves[i] = constant->getAggregateElement(i);
    if (halves[i] == nullptr || !llvm::isa<llvm::ConstantInt, llvm::UndefValue>(halves[i])) return false;
  }
  return true;
}

bool is_base(const llvm::Value* value) {
  auto* load = llvm::dyn_cast<llvm::LoadInst>(value);
  auto* global = load == nullptr ? nullptr : llvm::dyn_cast<llvm::GlobalVariable>(load->getPointerOperand());
  return global != nullptr && global->getName() == base_symbol;
}

// The distance of a value from the base; nullptr when it is not a constant.
llvm::ConstantInt* distance_from_base(llvm::Value* value) {
  if (is_base(value)) return llvm::ConstantInt::get(llvm::Type::getInt64Ty(value->getContext()), 0);
  auto* sum = llvm::dyn_cast<llvm::BinaryOperator>(value);
  if (sum == nullptr || sum->getOpcode() != llvm::Instruction::Add || !is_base(sum->getOperand(0))) return nullptr;
  return llvm::dyn_cast<llvm::ConstantInt>(sum->getOperand(1));
}

u16 bits_of(const llvm::Value& value) { return static_cast<u16>(value.getType()->getIntegerBitWidth()); }

FaultSource step_of(unsigned opcode) {
  switch (opcode) {
    case llvm::Instruction::Add:
      return FaultSource::add;
    case llvm::Instruction::Sub:
      return FaultSource::subtract;
    case llvm::Instruction::Mul:
      return FaultSource::multiply;
    case llvm::Instruction::And:
      return FaultSource::bit_and;
    case llvm::Instruction::Or:
      return FaultSource::bit_or;
    case llvm::Instruction::Xor:
      return FaultSource::bit_xor;
    case llvm::Instruction::Shl:
      return FaultSource::shift_left;
    case llvm::Instruction::LShr:
      return FaultSource::shift_right;
    case llvm::Instruction::AShr:
      return FaultSource::shift_right_signed;
    case llvm::Instruction::Trunc:
    case llvm::Instruction::ZExt:
    case llvm::Instruction::Freeze:
      return FaultSource::truncate;
    case llvm::Instruction::SExt:
      return FaultSource::extend_sign;
    case llvm::Instruction::Select:
      return FaultSource::select;
    default:
      return FaultSource::constant;  // none
  }
}

// Makes a stack map's operands of the values that Cpu is to have, and steps from those to these.
class Settler {
 public:
  explicit Settler(llvm::IntrinsicInst& map) : map_(map), operands_{map.getArgOperand(0), map.getArgOperand(1)} {}

  void settle(LiftedFault& fault) {
    std::vector<LiftedFaultValue> values;
    for (size_t i = 0; i < fault.values.size(); i++) {
      llvm::Value* value = map_.getArgOperand(static_cast<unsigned>(i) + 2);
      add(value, fault.values[i].field, fault.values[i].size, values);
    }
    fault.values = std::move(values);
    llvm::CallInst* settled = llvm::CallInst::Create(map_.getCalledFunction(), operands_, "", map_.getIterator());
    settled->setDoesNotThrow();
    settled->setDebugLoc(map_.getDebugLoc());
    llvm::SmallVector<llvm::WeakTrackingVH> before(map_.arg_begin(), map_.arg_end());
    map_.eraseFromParent();
    llvm::RecursivelyDeleteTriviallyDeadInstructionsPermissive(before);
  }

 private:
  static constexpr size_t max_steps = max_fault_steps - 4;  // before the last
  static constexpr u32 max_depth = max_fault_depth - 3;

  void add(llvm::Value* value, u16 field, u16 size, std::vector<LiftedFaultValue>& values) {
    if (llvm::isa<llvm::UndefValue>(value)) return;  // no way leads here on which it would mean something
    if (llvm::Constant * halves[2]; halves_of(*value, halves)) {
      add(halves[0], field, 8, values);
      add(halves[1], static_cast<u16>(field + 8), 8, values);
      return;
    }
    std::vector<LiftedFaultStep> steps;
    if (value->getType()->isVectorTy() || !compute(value, 0, steps) || steps.size() > max_fault_steps)
      steps = {operand(value, size)};
    values.push_back({field, size, std::move(steps)});
  }

  LiftedFaultStep operand(llvm::Value* value, u16 size) {
    auto [found, added] = indices_.try_emplace(value, indices_.size());
    if (added) operands_.push_back(value);
    return {true, FaultSource::constant, size, static_cast<i64>(found->second)};
  }

  // False when it would be too much.
  bool compute(llvm::Value* value, u32 depth, std::vector<LiftedFaultStep>& steps) {
    if (steps.size() >= max_steps || depth > max_depth || bits_of(*value) > 64) return false;
    auto* instruction = llvm::dyn_cast<llvm::Instruction>(value);
    if (auto* constant = llvm::dyn_cast<llvm::ConstantInt>(value)) {
      steps.push_back({false, FaultSource::constant, 8, static_cast<i64>(constant->getZExtValue())});
    } else if (llvm::isa<llvm::UndefValue>(value)) {
      steps.push_back({false, FaultSource::constant, 8, 0});
    } else if (llvm::ConstantInt* distance = distance_from_base(value)) {
      steps.push_back({false, FaultSource::base, 8, distance->getSExtValue()});
    } else if (instruction != nullptr && instruction->getParent() == map_.getParent()) {
      if (auto* compare = llvm::dyn_cast<llvm::ICmpInst>(instruction)) return this->compare(*compare, depth, steps);
      FaultSource step = step_of(instruction->getOpcode());
      if (step == FaultSource::constant) return leaf(value, steps);
      u32 above = 0;
      for (llvm::Value* operand : instruction->operands()) {
        if (!operand->getType()->isIntegerTy() || !compute(operand, depth + above++, steps)) return false;
      }
      i64 from = step == FaultSource::extend_sign ? bits_of(*instruction->getOperand(0)) : 0;
      steps.push_back({false, step, bits_of(*value), from});
    } else {
      return leaf(value, steps);
    }
    return true;
  }

  bool leaf(llvm::Value* value, std::vector<LiftedFaultStep>& steps) {
    u16 bits = bits_of(*value), bytes = static_cast<u16>(llvm::PowerOf2Ceil((bits + 7u) / 8));
    steps.push_back(operand(value, bytes));
    // The rest of what the code generator makes a register's size may be anything.
    if (bits != 8 * bytes) steps.push_back({false, FaultSource::truncate, bits, 0});
    return true;
  }

  bool compare(llvm::ICmpInst& compare, u32 depth, std::vector<LiftedFaultStep>& steps) {
    auto predicate = compare.getPredicate();
    if (!compare.getOperand(0)->getType()->isIntegerTy()) return false;
    bool swapped = predicate == llvm::CmpInst::ICMP_UGT || predicate == llvm::CmpInst::ICMP_SGT ||
                   predicate == llvm::CmpInst::ICMP_ULE || predicate == llvm::CmpInst::ICMP_SLE;
    if (swapped) predicate = llvm::CmpInst::getSwappedPredicate(predicate);
    bool negated = predicate == llvm::CmpInst::ICMP_NE || predicate == llvm::CmpInst::ICMP_UGE ||
                   predicate == llvm::CmpInst::ICMP_SGE;
    FaultSource step = compare.isEquality() ? FaultSource::equal
                       : compare.isSigned() ? FaultSource::less_signed
                                            : FaultSource::less;
    if (!compute(compare.getOperand(swapped ? 1 : 0), depth, steps)) return false;
    if (!compute(compare.getOperand(swapped ? 0 : 1), depth + 1, steps)) return false;
    steps.push_back({false, step, 1, bits_of(*compare.getOperand(0))});
    if (negated) {
      steps.push_back({false, FaultSource::constant, 8, 1});
      steps.push_back({false, FaultSource::bit_xor, 1, 0});
    }
    return true;
  }

  llvm::IntrinsicInst& map_;
  std::vector<llvm::Value*> operands_;  // behind the stack map's number
  std::map<llvm::Value*, size_t> indices_;
};

using Parser = llvm::StackMapParser<llvm::endianness::native>;

class Reader {
 public:
  Reader(const Parser& maps, u32 function, Region& region) : maps_(maps), function_(function), region_(region) {}

  const char* read(const Parser::RecordAccessor& record, const LiftedFault& fault) {
    u32 code = function_ + record.getInstructionOffset();
    if (!stencil::is_fault_trap(std::span{region_.code}.subspan(std::min<size_t>(code, region_.code.size()))))
      return "a stack map is not followed by its trap";
    std::vector<u16> list;
    for (const LiftedFaultValue& value : fault.values) {
      auto found = value_of(record, value);
      if (!found) return "a stack map has an unknown location";
      list.push_back(*found);
    }
    u32 first = place(list);
    region_.fault_states.push_back({code, fault.offset, first, static_cast<u32>(list.size()), fault.is_poll});
    return region_.fault_values.size() > 0x10000 ? "too many places of values" : nullptr;
  }

 private:
  using Index = std::optional<u16>;

  Index value_of(const Parser::RecordAccessor& record, const LiftedFaultValue& wanted) {
    if (wanted.steps.size() == 1) return step_of(record, wanted.steps[0], wanted.field, wanted.size);
    std::vector<u16> list;
    for (const LiftedFaultStep& step : wanted.steps) {
      auto found = step_of(record, step, 0, step.size);
      if (!found) return std::nullopt;
      list.push_back(*found);
    }
    u64 first = place(list);
    i64 where = static_cast<i64>(first | u64{list.size()} << 32);
    return index_of({where, wanted.field, wanted.size, FaultSource::expression, 0});
  }

  Index step_of(const Parser::RecordAccessor& record, const LiftedFaultStep& step, u16 field, u16 size) {
    if (!step.is_operand) return index_of({step.value, field, size, step.source, 0});
    if (step.value >= record.getNumLocations()) return std::nullopt;
    auto location = record.getLocation(static_cast<unsigned>(step.value));
    auto make = [&](FaultSource source, i64 value) { return index_of({value, field, size, source, 0}); };
    switch (location.getKind()) {
      case Parser::LocationKind::Constant:
        return make(FaultSource::constant, static_cast<i32>(location.getSmallConstant()));
      case Parser::LocationKind::ConstantIndex:
        return make(FaultSource::constant, static_cast<i64>(maps_.getConstant(location.getConstantIndex()).getValue()));
      case Parser::LocationKind::Indirect:
        if (location.getDwarfRegNum() != stack_pointer_number || location.getSizeInBytes() < size) return std::nullopt;
        return make(FaultSource::stack, location.getOffset());
      case Parser::LocationKind::Register: {
        if (location.getSizeInBytes() < size) return std::nullopt;
        if (auto number = general_register(location.getDwarfRegNum()); number && size <= 8)
          return make(FaultSource::general, *number);
        if (auto number = vector_register(location.getDwarfRegNum())) return make(FaultSource::vector, *number);
        return std::nullopt;
      }
      default:
        return std::nullopt;
    }
  }

  u16 index_of(const FaultValue& value) {
    auto [found, added] = values_.try_emplace(value, region_.fault_values.size());
    if (added) region_.fault_values.push_back(value);
    return static_cast<u16>(found->second);
  }

  u32 place(const std::vector<u16>& list) {
    auto [first, added] = lists_.try_emplace(list, region_.fault_lists.size());
    if (added) region_.fault_lists.insert(region_.fault_lists.end(), list.begin(), list.end());
    return static_cast<u32>(first->second);
  }

  struct Less {
    bool operator()(const FaultValue& a, const FaultValue& b) const {
      return std::tie(a.value, a.field, a.size, a.source) < std::tie(b.value, b.field, b.size, b.source);
    }
  };

  const Parser& maps_;
  u32 function_;
  Region& region_;
  std::map<FaultValue, size_t, Less> values_;
  std::map<std::vector<u16>, size_t> lists_;
};

}  // namespace

void settle_fault_states(llvm::Function& function, std::vector<LiftedFault>& faults) {
  // All of them first: settling one changes what a second of its number would be a copy of.
  std::vector<std::pair<llvm::IntrinsicInst*, size_t>> maps;
  std::vector<bool> is_taken(faults.size());
  for (llvm::BasicBlock& block : function) {
    for (llvm::Instruction& instruction : block) {
      auto* map = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
      if (map == nullptr || map->getIntrinsicID() != llvm::Intrinsic::experimental_stackmap) continue;
      size_t number = llvm::cast<llvm::ConstantInt>(map->getArgOperand(0))->getZExtValue();
      if (is_taken.at(number)) {
        // Of an access that was made twice (LoopEntriesPass): the same is wanted there, and may be elsewhere.
        map->setArgOperand(0, llvm::ConstantInt::get(map->getArgOperand(0)->getType(), faults.size()));
        faults.push_back(faults[number]);
        number = faults.size() - 1;
      } else {
        is_taken[number] = true;
      }
      maps.push_back({map, number});
      break;
    }
  }
  for (auto [map, number] : maps) Settler(*map).settle(faults[number]);
}

bool read_fault_states(llvm::StringRef section, u32 function, const std::vector<LiftedFault>& faults, Region& region,
                       const char*& why) {
  if (section.empty()) return true;
  Parser maps({section.bytes_begin(), section.size()});
  Reader reader(maps, function, region);
  for (const auto& record : maps.records()) {
    if (record.getID() >= faults.size()) return why = "an unknown stack map", false;
    why = reader.read(record, faults[record.getID()]);
    if (why != nullptr) return false;
  }
  std::ranges::sort(region.fault_states, {}, &FaultState::code);
  return true;
}

}  // namespace ferry::optimizer
