// Runs at build time: cuts the sections' bitcode into what semantics_file.h says.
//   forge_bitcode OUTPUT SECTION.bc...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "translator/optimizer/semantics_file.h"

namespace {

using ferry::u32;
using ferry::optimizer::for_each_entry;
using ferry::optimizer::is_row;
using ferry::optimizer::RowBitcode;
using ferry::optimizer::SemanticsHeader;

constexpr size_t module_alignment = 16;
constexpr u32 no_stencil = ~u32{0};

[[noreturn]] void fail(const std::string& file, const std::string& why) {
  fprintf(stderr, "forge_bitcode: %s: %s\n", file.c_str(), why.c_str());
  exit(1);
}

// Everything that a value refers to, itself among it.
using Reached = llvm::SmallPtrSet<const llvm::Constant*, 32>;

void reach(const llvm::Constant& constant, Reached& reached) {
  llvm::SmallVector<const llvm::Constant*, 64> waiting{&constant};
  while (!waiting.empty()) {
    const llvm::Constant* next = waiting.pop_back_val();
    if (!reached.insert(next).second) continue;
    auto add = [&](const llvm::User& user) {
      for (const llvm::Value* operand : user.operands()) {
        if (auto* part = llvm::dyn_cast<llvm::Constant>(operand)) waiting.push_back(part);
      }
    };
    add(*next);
    if (auto* function = llvm::dyn_cast<llvm::Function>(next)) {
      for (const llvm::Instruction& instruction : llvm::instructions(function)) add(instruction);
    }
  }
}

// A module of what is reached.
std::string bitcode_of(const llvm::Module& section, const Reached& reached) {
  llvm::ValueToValueMapTy map;
  auto module =
      llvm::CloneModule(section, map, [&](const llvm::GlobalValue* value) { return reached.contains(value); });
  for (llvm::GlobalValue& value : llvm::make_early_inc_range(module->global_values())) {
    value.removeDeadConstantUsers();
    if (value.isDeclaration() && value.use_empty()) value.eraseFromParent();
  }
  for (llvm::NamedMDNode& node : llvm::make_early_inc_range(module->named_metadata())) node.eraseFromParent();
  module->setSourceFileName("");
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  llvm::WriteBitcodeToFile(*module, stream);
  return bytes;
}

struct Row {
  u32 least_stencil;
  std::string bitcode;
};

void cut(const std::string& path, llvm::LLVMContext& context, std::vector<Row>& rows) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file) fail(path, file.getError().message());
  auto section = llvm::parseBitcodeFile(**file, context);
  if (!section) fail(path, llvm::toString(section.takeError()));
  for (llvm::GlobalVariable& global : (*section)->globals()) {
    if (!is_row(global)) continue;
    u32 least = no_stencil;
    for_each_entry(*global.getInitializer(), [&](u32 stencil, llvm::Function&) { least = std::min(least, stencil); });
    if (least == no_stencil) fail(path, "no stencils in " + global.getName().str());
    Reached reached;
    reach(global, reached);
    rows.push_back({least, bitcode_of(**section, reached)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("usage", "forge_bitcode OUTPUT SECTION.bc...");
  llvm::LLVMContext context;
  std::vector<Row> rows;
  for (int i = 2; i < argc; i++) cut(argv[i], context, rows);
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.least_stencil < b.least_stencil; });
  if (rows.empty() || rows[0].least_stencil != 0) fail(argv[1], "no row begins with stencil 0");
  SemanticsHeader header{static_cast<u32>(rows.size())};
  std::vector<RowBitcode> index;
  std::string modules;
  size_t begin = sizeof header + rows.size() * sizeof(RowBitcode);
  for (size_t i = 0; i < rows.size(); i++) {
    if (i > 0 && rows[i].least_stencil == rows[i - 1].least_stencil)
      fail(argv[1], "two rows begin with stencil " + std::to_string(rows[i].least_stencil));
    modules.resize((begin + modules.size() + module_alignment - 1) / module_alignment * module_alignment - begin);
    index.push_back(
        {rows[i].least_stencil, static_cast<u32>(begin + modules.size()), static_cast<u32>(rows[i].bitcode.size())});
    modules += rows[i].bitcode;
  }
  FILE* output = fopen(argv[1], "wb");
  if (output == nullptr || fwrite(&header, sizeof header, 1, output) != 1 ||
      fwrite(index.data(), sizeof(RowBitcode), index.size(), output) != index.size() ||
      fwrite(modules.data(), 1, modules.size(), output) != modules.size() || fclose(output) != 0)
    fail(argv[1], strerror(errno));
  return 0;
}
