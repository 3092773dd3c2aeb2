// Ends every semantics file: turns the rows of its section (FERRY_SECTION names the .def file, FERRY_SECTION_NAME the section)
// into entries of the stencil library, or into the section's reference dispatcher.
// Include it inside namespace ferry::aarch64, after the section's semantic functions.
// FERRY_SECTION_FLAGS_ARE_SEPARATE: functions of rows that read or write flags use nothing else of their Cpu.

// For each row, the instance of its semantic function that a variant selects; nullptr for an unallocated combination.
#define A64(name, ...)                                 \
  struct Instance_##name {                             \
    static constexpr RowId row = RowId::name;          \
    template <int... arguments>                        \
    static consteval auto function() {                 \
      if constexpr (requires { &name<arguments...>; }) \
        return &name<arguments...>;                    \
      else                                             \
        return nullptr;                                \
    }                                                  \
  };
#include FERRY_SECTION
#undef A64

template <class Instance, u32 variant, int... n>
consteval auto select_function(semantic::Ints<n...>) {
  constexpr const Row& row = rows[static_cast<int>(Instance::row)];
  if constexpr (row.variant_allowed(variant))
    return Instance::template function<row.argument(variant, n)...>();
  else
    return nullptr;
}

template <class Instance, u32 variant>
consteval auto selected_function() {
  return select_function<Instance, variant>(
      semantic::IntsBelow<rows[static_cast<int>(Instance::row)].argument_count()>{});
}

template <class F>
inline constexpr bool is_allocated = true;
template <>
inline constexpr bool is_allocated<decltype(nullptr)> = false;

#if defined(FERRY_STENCIL) || defined(FERRY_BITCODE)

// What the forge, or the optimiser in the bitcode, finds a variant's code by.
struct StencilEntry {
  u64 id = 0;
#if defined(FERRY_STENCIL)
  semantic::StencilCode code = nullptr;  // null: there is no such stencil
  // Bits 7:0: the form (library.h); bits 15:8: 0, or 1 + the operand that becomes `last`.
  u64 form = 0;
#else
  semantic::BitcodeFunction code = nullptr;
#endif
};

template <int count>
struct StencilEntries {
  StencilEntry entries[count];
};

#if defined(FERRY_STENCIL)
inline constexpr int forms_per_stencil = stencil::form_count;
#if defined(FERRY_SECTION_FLAGS_ARE_SEPARATE)
inline constexpr bool separate_flags = true;
#else
inline constexpr bool separate_flags = false;
#endif

consteval semantic::FlagUse flag_use(const Row& row, u32 variant) {
  bool writes = row.writes_flags() && (variant & 1) != 0;
  return {.reads = row.reads_flags(), .writes = writes, .separate = separate_flags && row.flags != Flags::_};
}

template <auto function, semantic::FlagUse use, int form>
consteval StencilEntry form_entry(u64 id) {
  using Reading = semantic::Reading<function>;
  constexpr int forwarded = form % stencil::flag_form - 1;
  constexpr bool from_registers = form >= stencil::flag_form;
  StencilEntry entry{id, nullptr, static_cast<u64>(form) | static_cast<u64>(Reading::result + 1) << 8};
  if constexpr ((forwarded < 0 || Reading::has_form(forwarded)) && (!from_registers || (use.reads && use.separate)))
    entry.code = &Reading::template stencil<forwarded, use.with(from_registers)>;
  return entry;
}

template <class Instance, int n>
consteval StencilEntry nth_entry() {
  constexpr u32 variant = n / forms_per_stencil;
  if constexpr (is_allocated<decltype(selected_function<Instance, variant>())>)
    return form_entry<selected_function<Instance, variant>(), flag_use(rows[static_cast<int>(Instance::row)], variant),
                      n % forms_per_stencil>(static_cast<u64>(first_stencil(Instance::row)) + variant);
  else
    return {};
}
#else
inline constexpr int forms_per_stencil = 1;

template <class Instance, int variant>
consteval StencilEntry nth_entry() {
  if constexpr (is_allocated<decltype(selected_function<Instance, variant>())>)
    return {static_cast<u64>(first_stencil(Instance::row)) + variant,
            &semantic::Reading<selected_function<Instance, variant>()>::bitcode};
  else
    return {};
}
#endif

template <class Instance, int... n>
consteval StencilEntries<sizeof...(n)> stencil_entries(semantic::Ints<n...>) {
  return {{nth_entry<Instance, n>()...}};
}

#define A64(name, ...)                                                                 \
  [[gnu::section("ferry_stencils"), gnu::used]] static constexpr auto entries_##name = \
      stencil_entries<Instance_##name>(                                                \
          semantic::IntsBelow<forms_per_stencil * rows[static_cast<int>(RowId::name)].variant_count()>{});
#include FERRY_SECTION
#undef A64

#if defined(FERRY_STENCIL)
// The fused pairs whose first row is of this section (fused_pairs.h).
template <class Instance, int n>
consteval StencilEntry nth_pair_entry(int pair) {
  // Fused with every condition; the flags are always computed, since the branch reads them.
  constexpr int form = n % forms_per_stencil, cond = n / forms_per_stencil % 16;
  constexpr u32 variant = static_cast<u32>(n / forms_per_stencil / 16 * 2 + 1);
  if constexpr (is_allocated<decltype(selected_function<Instance, variant>())>)
    return form_entry<&semantic::Pair<selected_function<Instance, variant>(), &b_cond<cond>>::both,
                      semantic::FlagUse{.writes = true, .separate = true, .lazy = true}, form>(
        static_cast<u64>(pair_stencil(pair, variant, cond)));
  else
    return {};
}
template <class Instance, int... n>
consteval StencilEntries<sizeof...(n)> pair_entries(int pair, semantic::Ints<n...>) {
  return {{nth_pair_entry<Instance, n>(pair)...}};
}
#define FERRY_PAIR(name)                                                                    \
  [[gnu::section("ferry_stencils"), gnu::used]] static constexpr auto pair_entries_##name = \
      pair_entries<Instance_##name>(                                                        \
          pair_of(RowId::name),                                                             \
          semantic::IntsBelow<forms_per_stencil * 8 * rows[static_cast<int>(RowId::name)].variant_count()>{});
#if defined(FERRY_SECTION_HAS_PAIRS)
#include "translator/aarch64/fused_pairs.def"
#endif
#undef FERRY_PAIR
#endif

#else

template <class Instance, u32 variant>
void fill_reference(semantic::ReferenceFunction& out) {
  if constexpr (is_allocated<decltype(selected_function<Instance, variant>())>) {
    constexpr auto function = selected_function<Instance, variant>();
    out = &semantic::Reading<function>::reference;
  }
}

// All variants of a row go on in the same way: the first allocated one tells.
template <class Instance, u32 variant>
consteval semantic::Control control_of_row() {
  if constexpr (is_allocated<decltype(selected_function<Instance, variant>())>)
    return semantic::Reading<selected_function<Instance, variant>()>::control;
  else if constexpr (variant + 1 < static_cast<u32>(rows[static_cast<int>(Instance::row)].variant_count()))
    return control_of_row<Instance, variant + 1>();
  else
    return semantic::Control::next;
}

template <class Instance, int... variants>
semantic::ReferenceFunction reference_of(u32 variant, semantic::Ints<variants...>) {
  semantic::ReferenceFunction result = nullptr;
  (void)((variant == variants && (fill_reference<Instance, variants>(result), true)) || ...);
  return result;
}

#define FERRY_CONCATENATE_(a, b) a##b
#define FERRY_CONCATENATE(a, b) FERRY_CONCATENATE_(a, b)

// The reference of one variant of a row of this section; nullptr when unallocated or when the row is of another section.
semantic::ReferenceFunction FERRY_CONCATENATE(reference_, FERRY_SECTION_NAME)(RowId row, [[maybe_unused]] u32 variant) {
  switch (row) {
#define A64(name, ...)                            \
  case RowId::name:                               \
    return reference_of<Instance_##name>(variant, \
                                         semantic::IntsBelow<rows[static_cast<int>(RowId::name)].variant_count()>{});
#include FERRY_SECTION
#undef A64
    default:
      return nullptr;
  }
}

// Enters the section's rows into a table of every row's control.
void FERRY_CONCATENATE(list_controls_, FERRY_SECTION_NAME)([[maybe_unused]] semantic::Control* by_row) {
#define A64(name, ...) by_row[static_cast<int>(RowId::name)] = control_of_row<Instance_##name, 0>();
#include FERRY_SECTION
#undef A64
}

#endif
