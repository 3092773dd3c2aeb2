# The guest programs, by what they try. guest_program() is explained in CMakeLists.txt beside this file.
set(every_linking dynamic static static-pie non-pie)

# Starting and ending.
guest_program(hello SOURCES hello.c EXPECT hello.txt ARGS one "two words" VARIANTS ${every_linking})
guest_program(start SOURCES start.c ARGS one VARIANTS ${every_linking})
guest_program(ending SOURCES ending.c ARGS 42 STATUS 42 VARIANTS dynamic static)
foreach(how "_exit:3" "abort:-6" "fault:-11" "kill:-9")
  string(REPLACE ":" ";" how ${how})
  list(GET how 0 word)
  list(GET how 1 status)
  guest_program(ending_${word} SOURCES ending.c ARGS ${word} STATUS ${status})
endforeach()

# Instructions.
guest_program(integers SOURCES integers.c COMPARE_QEMU)
guest_program(flags SOURCES flags.c COMPARE_QEMU)
guest_program(wide_integers SOURCES wide_integers.c COMPARE_QEMU)
guest_program(rounding SOURCES rounding.c COMPARE_QEMU)
guest_program(neon_integer SOURCES neon_integer.c COMPARE_QEMU)
guest_program(neon_float SOURCES neon_float.c COMPARE_QEMU)
guest_program(crypto SOURCES crypto.c OPTIONS -march=armv8-a+crypto+crc)
guest_program(atomics SOURCES atomics.c COMPARE_QEMU VARIANTS dynamic static)
guest_program(atomics_lse SOURCES atomics.c COMPARE_QEMU OPTIONS -march=armv8.1-a)
guest_program(atomics_exclusive SOURCES atomics.c COMPARE_QEMU OPTIONS -mno-outline-atomics)
guest_program(new_code SOURCES new_code.c EXPECT new_code.txt)

# The C library and what compilers make of the language, optimised and not.
guest_program(language SOURCES language.c COMPARE_QEMU)
guest_program(language_plain SOURCES language.c COMPARE_QEMU OPTIONS -O0)
guest_program(strings SOURCES strings.c VARIANTS dynamic static OPTIONS -fno-builtin -D_GNU_SOURCE)
guest_program(formatting SOURCES formatting.c COMPARE_QEMU)
guest_program(mathematics SOURCES mathematics.c COMPARE_QEMU)
guest_program(long_double SOURCES long_double.c COMPARE_QEMU)
guest_program(standard_library SOURCES standard_library.cpp COMPARE_QEMU VARIANTS dynamic static OPTIONS -Wno-deprecated-declarations)

# Calls and returns that do not go together.
guest_program(returns SOURCES returns.c COMPARE_QEMU VARIANTS dynamic static)
guest_program(returns_baseline SOURCES returns.c COMPARE_QEMU FERRY_OPTIONS --no-optimizer)
guest_program(returns_to_nowhere SOURCES returns.c ARGS nowhere)

# The kernel.
guest_program(files SOURCES files.c EXPECT files.txt)
guest_program(memory SOURCES memory.c VARIANTS dynamic static)
guest_program(execute_permission SOURCES execute_permission.c VARIANTS dynamic static)
guest_program(execute_permission_reference SOURCES execute_permission.c FERRY_OPTIONS --reference)
guest_program(execute_permission_stack SOURCES execute_permission.c ARGS executable_stack OPTIONS -Wl,-z,execstack)
guest_program(signals SOURCES signals.c EXPECT signals.txt VARIANTS dynamic static STDERR "(ferry: undefined instruction [^\n]*\n)*")
guest_program(threads SOURCES threads.c EXPECT threads.txt VARIANTS dynamic static)
guest_program(processes SOURCES processes.c EXECUTES EXPECT processes.txt VARIANTS dynamic static)

# Signals, threads and programs in depth.
guest_program(signal_delivery SOURCES signal_delivery.c STDERR "(ferry: undefined instruction [^\n]*\n)*")
guest_program(signal_faults SOURCES signal_faults.c)
guest_program(signal_stacks SOURCES signal_stacks.c)
guest_program(signal_restart SOURCES signal_restart.c)
guest_program(thread_lives SOURCES thread_lives.c VARIANTS dynamic static)
if(CMAKE_CROSSCOMPILING)
  guest_program(execution SOURCES execution.c EXECUTES)
else()
  guest_program(execution SOURCES execution.c EXECUTES ARGS ${CMAKE_COMMAND} VARIANTS dynamic static)
endif()

# ferry's options through execve: what is asked for here is said by the second program, or twice.
set(counters "process [0-9]+\ntranslated_instructions COUNT\n.*time_elsewhere_ms [0-9]+\n")
string(REPLACE COUNT "[1-9][0-9]+" some ${counters})
string(REPLACE COUNT 0 none ${counters})
guest_program(handed_on_stats SOURCES handed_on.c EXECUTES FERRY_OPTIONS --no-cache --stats STDERR ${some})
guest_program(handed_on_reference SOURCES handed_on.c EXECUTES FERRY_OPTIONS --reference --stats STDERR ${none})
guest_program(ending_closed SOURCES ending.c ARGS closed FERRY_OPTIONS --no-cache --stats STDERR ${some})
guest_program(handed_on_strace SOURCES handed_on.c EXECUTES FERRY_OPTIONS --strace STDERR ".*execve[(].*again.*write[(]1, .*exited with 0.*")
guest_program(handed_on_log SOURCES handed_on.c EXECUTES FERRY_OPTIONS --log load STDERR "ferry.*: entry .*foreign program.*: entry .*")
