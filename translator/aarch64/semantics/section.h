// Ends every semantics file: turns the rows of its section (FERRY_SECTION names the .def file, FERRY_SECTION_NAME the section)
// into entries of the stencil library, or into the section's reference dispatcher.
// Include it inside namespace ferry::aarch64, after the section's semantic functions.

// For each row, the instance of its semantic function that a variant selects; nullptr for an unallocated combination.
#define A64(name, ...)                                                        \
  struct Instance_##name {                                                    \
    static constexpr RowId row = RowId::name;                                 \
    template <int... arguments>                                               \
    static consteval auto function() {                                        \
      if constexpr (requires { &name<arguments...>; }) return &name<arguments...>; \
      else return nullptr;                                                    \
    }                                                                         \
  };
#include FERRY_SECTION
#undef A64

template <class Instance, u32 variant, int... n>
consteval auto select_function(semantic::Ints<n...>) {
  constexpr const Row& row = rows[static_cast<int>(Instance::row)];
  if constexpr (row.variant_allowed(variant)) return Instance::template function<row.argument(variant, n)...>();
  else return nullptr;
}

template <class Instance, u32 variant>
consteval auto selected_function() {
  return select_function<Instance, variant>(semantic::IntsBelow<rows[static_cast<int>(Instance::row)].argument_count()>{});
}

template <class F>
inline constexpr bool is_allocated = true;
template <>
inline constexpr bool is_allocated<decltype(nullptr)> = false;

#if defined(FERRY_STENCIL) || defined(FERRY_BITCODE)

// What the forge, or the optimiser in the bitcode, finds a variant's code by.
struct StencilEntry {
  u64 id;
#if defined(FERRY_STENCIL)
  semantic::StencilCode code;  // null: unallocated
#else
  semantic::ReferenceFunction code;
#endif
};

template <class Instance, u32 variant>
consteval StencilEntry stencil_entry() {
  constexpr auto function = selected_function<Instance, variant>();
  StencilEntry entry{static_cast<u64>(first_stencil(Instance::row)) + variant, nullptr};
  if constexpr (is_allocated<decltype(selected_function<Instance, variant>())>) {
#if defined(FERRY_STENCIL)
    entry.code = &semantic::Reading<function>::stencil;
#else
    entry.code = &semantic::Reading<function>::reference;
#endif
  }
  return entry;
}

template <int count>
struct StencilEntries {
  StencilEntry entries[count];
};
template <class Instance, int... variants>
consteval StencilEntries<sizeof...(variants)> stencil_entries(semantic::Ints<variants...>) {
  return {{stencil_entry<Instance, variants>()...}};
}

#define A64(name, ...)                                                                             \
  [[gnu::section("ferry_stencils"), gnu::used]] static constexpr auto entries_##name =             \
      stencil_entries<Instance_##name>(semantic::IntsBelow<rows[static_cast<int>(RowId::name)].variant_count()>{});
#include FERRY_SECTION
#undef A64

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
  else return semantic::Control::next;
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
#define A64(name, ...) \
  case RowId::name: return reference_of<Instance_##name>(variant, semantic::IntsBelow<rows[static_cast<int>(RowId::name)].variant_count()>{});
#include FERRY_SECTION
#undef A64
    default: return nullptr;
  }
}

// Enters the section's rows into a table of every row's control.
void FERRY_CONCATENATE(list_controls_, FERRY_SECTION_NAME)([[maybe_unused]] semantic::Control* by_row) {
#define A64(name, ...) by_row[static_cast<int>(RowId::name)] = control_of_row<Instance_##name, 0>();
#include FERRY_SECTION
#undef A64
}

#endif
