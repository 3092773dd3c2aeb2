// Snapshots of /proc files as the guest would see them. fs/proc/task_mmu.c and base.c for the formats,
// arch/arm64/kernel/cpuinfo.c for /proc/cpuinfo.
#include "syscalls/proc_files.h"

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "guest/memory.h"
#include "syscalls/memory.h"
#include "syscalls/ranges.h"
#include "syscalls/strace.h"
#include "sysroots/resolve.h"
#include "translator/translator.h"

namespace ferry::syscalls {

namespace {

ProgramImage& image() {
  static ProgramImage instance;
  return instance;
}

// The file's name below this process's directory in /proc ("maps"), or empty when the path is none.
std::string_view own_proc_name(const char* path) {
  if (strncmp(path, "/proc/", 6) != 0) return {};
  std::string_view rest = path + 6;
  auto consume = [&](std::string_view prefix) {
    if (!rest.starts_with(prefix)) return false;
    rest.remove_prefix(prefix.size());
    return true;
  };
  char own[24];
  snprintf(own, sizeof own, "%d/", getpid());
  if (consume("thread-self/")) return rest;
  if (!consume("self/") && !consume(own)) return {};
  // The threads' directories show the same files of the one address space.
  if (consume("task/")) {
    size_t slash = rest.find('/');
    if (slash == rest.npos) return {};
    rest.remove_prefix(slash + 1);
    if (rest == "comm") return {};  // each thread has its own, which the kernel knows
  }
  return rest;
}

Result<int> make_snapshot(const std::string& content, int flags) {
  if ((flags & O_ACCMODE) != O_RDONLY) return fail(EACCES);
  int fd = memfd_create("proc", MFD_ALLOW_SEALING | ((flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0));
  if (fd < 0) return fail(errno);
  for (size_t done = 0; done < content.size();) {
    ssize_t written = pwrite(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (written <= 0) {
      int error = errno;
      close(fd);
      return fail(error);
    }
    done += static_cast<size_t>(written);
  }
  fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
  return fd;
}

// Guest memory as it is now, so that a program that rewrites its arguments sees that; what is unreadable is left out.
std::string guest_bytes(GuestAddr begin, GuestAddr end) {
  std::string bytes(end - begin, '\0');
  if (!copy_from_guest(bytes.data(), begin, bytes.size())) bytes.clear();
  return bytes;
}

std::string read_host_file(const char* path) {
  std::string content;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return content;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) content.append(buffer, static_cast<size_t>(n));
  close(fd);
  return content;
}

// The value of an entry of the guest's auxiliary vector; 0 when there is none.
u64 auxiliary_value(u64 type) {
  for (GuestPtr<u64> entry{image().auxv_begin}; raw(entry.address) < raw(image().auxv_end); entry = entry + 2) {
    Result<u64> key = read(entry), value = read(entry + 1);
    if (!key || !value) break;
    if (*key == type) return *value;
  }
  return 0;
}

// What the kernel calls an anonymous range of the guest's.
struct RangeNames {
  u64 vdso = auxiliary_value(AT_SYSINFO_EHDR);
  GuestAddr heap_begin{}, heap_end{};

  RangeNames() { heap_range(heap_begin, heap_end); }
  std::string_view name(const Range& range) const {
    if (range.begin >= raw(image().stack_begin) && range.end <= raw(image().stack_end)) return "[stack]";
    if (range.begin >= raw(heap_begin) && range.end <= raw(heap_end)) return "[heap]";
    if (vdso != 0 && range.begin <= vdso && vdso < range.end) return "[vdso]";
    return {};
  }
};

// The ranges of the guest, each piece with the file the host's kernel knows for it and the guest's own protection.
std::string guest_maps() {
  Ranges ranges;
  for_each_guest_range([](void* context, GuestAddr begin, GuestAddr end,
                          int protection) { static_cast<Ranges*>(context)->assign(raw(begin), raw(end), protection); },
                       &ranges);
  std::string host = read_host_file("/proc/self/maps");
  RangeNames names;
  std::string text;
  for (const char* line = host.c_str(); *line != '\0';) {
    const char* end = strchrnul(line, '\n');
    unsigned long long begin, finish, offset, inode;
    char permissions[5];
    unsigned major, minor;
    int name_at = 0;
    if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &begin, &finish, permissions, &offset, &major, &minor, &inode,
               &name_at) >= 7) {
      std::string_view name(line + name_at, static_cast<size_t>(end - line - name_at));
      if (inode == 0 && !name.starts_with("[anon")) name = {};  // [heap], [stack] and the vDSO would be ferry's
      for (const Range& piece : ranges.within(begin, finish)) {
        std::string_view shown = name.starts_with('/') ? sysroots::guest_view(name) : name;
        if (shown.empty()) shown = names.name(piece);
        auto allows = [&](int bit, char letter) { return (piece.protection & bit) != 0 ? letter : '-'; };
        char row[160];
        int length = snprintf(row, sizeof row, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
                              static_cast<unsigned long long>(piece.begin), static_cast<unsigned long long>(piece.end),
                              allows(PROT_READ, 'r'), allows(PROT_WRITE, 'w'), allows(PROT_EXEC, 'x'), permissions[3],
                              inode != 0 ? offset + (piece.begin - begin) : 0, major, minor, inode);
        text.append(row, static_cast<size_t>(length));
        if (!shown.empty()) {
          if (length < 73) text.append(static_cast<size_t>(73 - length), ' ');
          text += shown;
        }
        text += '\n';
      }
    }
    line = *end == '\0' ? end : end + 1;
  }
  return text;
}

// /proc/self/stat with the guest's start of the stack (field 28), which garbage collectors read.
std::string guest_stat() {
  std::string host = read_host_file("/proc/self/stat");
  size_t at = host.rfind(')');
  for (int field = 2; at != host.npos && field < 28; field++) at = host.find(' ', at + 1);
  if (at == host.npos || raw(image().stack_end) == 0) return host;
  size_t end = host.find(' ', at + 1);
  return host.substr(0, at + 1) + std::to_string(raw(image().arguments_begin)) + host.substr(end);
}

std::string cpu_info() {
  static constexpr char features[][10] = {
      "fp",    "asimd",    "evtstrm", "aes",   "pmull",  "sha1",  "sha2", "crc32", "atomics", "fphp",    "asimdhp",
      "cpuid", "asimdrdm", "jscvt",   "fcma",  "lrcpc",  "dcpop", "sha3", "sm3",   "sm4",     "asimddp", "sha512",
      "sve",   "asimdfhm", "dit",     "uscat", "ilrcpc", "flagm", "ssbs", "sb",    "paca",    "pacg"};
  static constexpr char features2[][12] = {"dcpodp", "sve2",  "sveaes",  "svepmull", "svebitperm", "svesha3", "svesm4",
                                           "flagm2", "frint", "svei8mm", "svef32mm", "svef64mm",   "svebf16", "i8mm",
                                           "bf16",   "dgh",   "rng",     "bti",      "mte"};
  std::string names;
  for (size_t i = 0; i < std::size(features); i++) {
    if ((translator::hwcap() >> i & 1) != 0) names += std::string(" ") + features[i];
  }
  for (size_t i = 0; i < std::size(features2); i++) {
    if ((translator::hwcap2() >> i & 1) != 0) names += std::string(" ") + features2[i];
  }
  std::string text;
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  for (long cpu = 0; cpu < count; cpu++) {
    // Implementer 0 is reserved for software: no real processor's errata or tunings apply.
    text +=
        "processor\t: " + std::to_string(cpu) + "\nBogoMIPS\t: 100.00\nFeatures\t:" + names +
        "\nCPU implementer\t: 0x00\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x000\nCPU revision\t: 0\n\n";
  }
  return text;
}

}  // namespace

void set_program_image(ProgramImage program) {
  image() = std::move(program);
  strace_started(image().executable.c_str(), image().arguments_begin, image().arguments_end, image().environment_begin,
                 image().environment_end);
  size_t slash = image().executable.rfind('/');
  prctl(PR_SET_NAME,
        image().executable.c_str() + (slash == std::string::npos ? 0 : slash + 1));  // comm, here and for ps
}
const ProgramImage& program_image() { return image(); }

Result<int> open_proc_file(const char* path, int flags, bool& handled) {
  handled = true;
  const ProgramImage& program = image();
  if (strcmp(path, "/proc/cpuinfo") == 0) return make_snapshot(cpu_info(), flags);
  std::string_view name = own_proc_name(path);
  if (name == "maps") return make_snapshot(guest_maps(), flags);
  if (name == "auxv" && raw(program.auxv_end) != 0)
    return make_snapshot(guest_bytes(program.auxv_begin, program.auxv_end), flags);
  if (name == "cmdline" && raw(program.arguments_end) != 0)
    return make_snapshot(guest_bytes(program.arguments_begin, program.arguments_end), flags);
  if (name == "environ" && raw(program.environment_end) != 0)
    return make_snapshot(guest_bytes(program.environment_begin, program.environment_end), flags);
  if (name == "stat") return make_snapshot(guest_stat(), flags);
  handled = false;
  return fail(ENOENT);
}

const char* proc_link_target(const char* path) {
  return own_proc_name(path) == "exe" && !image().executable.empty() ? image().executable.c_str() : nullptr;
}

}  // namespace ferry::syscalls
