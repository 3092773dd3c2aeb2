// The reference tier's way into a semantic function, through the same door as translated code.
#include "translator/stencil/cpu_bias.h"
#include "translator/stencil/host.h"

namespace ferry::stencil {

namespace {
struct ReferenceCall {
  semantic::ReferenceFunction function;
  const u64* operands;
  semantic::Outcome outcome;
};
thread_local ReferenceCall* pending;

PRESERVE_NONE void run_pending(FERRY_CPU_AND_ARGUMENT(char* biased, u64 last)) {
  auto* cpu = reinterpret_cast<aarch64::Cpu*>(biased - cpu_bias);
  pending->outcome = pending->function(cpu, pending->operands);
  using Leave = PRESERVE_NONE void (*)(FERRY_CPU_AND_ARGUMENT(char*, u64));
  [[clang::musttail]] return reinterpret_cast<Leave>(const_cast<void*>(cpu->leave_code))(
      FERRY_CPU_AND_ARGUMENT(biased, last));
}
}  // namespace

semantic::Outcome call_reference(aarch64::Cpu& cpu, semantic::ReferenceFunction function, const u64* operands) {
  ReferenceCall call{function, operands, {}};
  pending = &call;
  ferry_enter(&cpu, reinterpret_cast<const void*>(&run_pending));
  return call.outcome;
}

}  // namespace ferry::stencil
