# Cross build for AArch64 Linux hosts: clang with an unpacked Debian arm64 tree, the tests run by qemu-aarch64.
# Multiarch packages cannot be used: several -dev packages of two architectures exclude each other.
get_filename_component(FERRY_TOP "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
set(FERRY_ARM64_TREE "${FERRY_TOP}/build/sysroot/arm64-host" CACHE PATH "unpacked Debian arm64 tree with headers and libraries")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FERRY_ARM64_TREE)

# CMake reads this file many times; only the first finds the tree missing.
execute_process(
  COMMAND "${CMAKE_CURRENT_LIST_DIR}/arm64-tree" "${FERRY_ARM64_TREE}"
          libc6-dev libstdc++-12-dev libgtest-dev libcapstone-dev libboost-program-options-dev libxxhash-dev
  COMMAND_ERROR_IS_FATAL ANY)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_SYSROOT "${FERRY_ARM64_TREE}")
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=lld")
set(CMAKE_FIND_ROOT_PATH "${FERRY_ARM64_TREE}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${FERRY_ARM64_TREE}")
set(ENV{PKG_CONFIG_LIBDIR} "${FERRY_ARM64_TREE}/usr/lib/aarch64-linux-gnu/pkgconfig:${FERRY_ARM64_TREE}/usr/share/pkgconfig")
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64-static;-cpu;neoverse-n1;-L;${FERRY_ARM64_TREE}")
