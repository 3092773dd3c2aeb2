#include "command/cache_command.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "command/cache_warm.h"
#include "guest/check.h"
#include "translator/optimizer/profile.h"
#include "translator/optimizer/store.h"
#include "translator/optimizer/store_check.h"

namespace ferry::command {

namespace {

using optimizer::StoreCheck;
using optimizer::StoreItem;

constexpr const char* usage =
    "ferry cache is about optimised code that is kept from one run to the next.\n\n"
    "  ferry cache status                 what there is\n"
    "  ferry cache clear                  remove all of it, and what is remembered of where programs spend their time\n"
    "  ferry cache verify                 check every record, and drop those that are damaged\n"
    "  ferry cache warm [--limit N] PATH...   optimise ahead of time: programs and libraries, a directory or a sysroot "
    "with\n"
    "                                     all that is in it; what earlier runs spent their time in first; at most N "
    "regions\n"
    "                                     (10000)\n"
    "  ferry cache identity               for what this ferry makes its own: build and processor\n\n"
    "It is kept in $FERRY_CACHE_DIR, else ~/.cache/ferry: at most $FERRY_CACHE_SIZE (256M) for all builds of ferry and "
    "kinds of\n"
    "processor together. Nothing of it is trusted blindly: code is used only where the guest's memory holds the "
    "instructions\n"
    "that it was made from.\n";

int report(const std::string& text) {
  fprintf(stderr, "ferry: %s\n", text.c_str());
  return 1;
}

std::string size_text(u64 bytes) {
  bool large = bytes >= u64{1} << 20;
  char text[32];
  snprintf(text, sizeof text, "%.1f %s", static_cast<double>(bytes) / (large ? 1 << 20 : 1 << 10),
           large ? "MiB" : "KiB");
  return text;
}

struct Inventory {
  std::string directory, own;  // own: the file that this ferry uses
  std::vector<StoreItem> items;
  bool is_there = false;
};

std::expected<Inventory, std::string> take_inventory() {
  Inventory inventory{optimizer::store_directory(), optimizer::store_file_name(optimizer::store_identity()), {}};
  if (inventory.directory.empty())
    return std::unexpected("no directory for the store is known; FERRY_CACHE_DIR names one");
  auto folder = optimizer::open_store_directory(inventory.directory);
  if (!folder && folder.error().error == ENOENT) return inventory;
  if (!folder) return std::unexpected(folder.error().text);
  inventory.is_there = true;
  inventory.items = optimizer::list_stores(*folder);
  close(*folder);
  return inventory;
}

void print_own(const StoreCheck& found) {
  if (!found.failure.empty()) {
    printf("this ferry      %s%s\n", found.failure.c_str(), found.unusable ? "; `ferry cache verify` removes it" : "");
    return;
  }
  printf("this ferry      %lu regions with %lu entries, %s; %s of %s are filled\n", found.regions, found.entries,
         size_text(found.region_bytes).c_str(), size_text(found.used).c_str(), size_text(found.size).c_str());
  printf("code            %s for %lu guest instructions\n", size_text(found.code_bytes).c_str(), found.instructions);
  printf("translated      %lu pages, %s\n", found.pages, size_text(found.page_bytes).c_str());
  printf("not optimised   %lu requests of which nothing could be made\n", found.bad_requests);
  if (found.damaged != 0) printf("damaged         %lu records; `ferry cache verify` drops them\n", found.damaged);
  // Compiler and processor; the list of its features goes on for lines.
  size_t end = found.description.find(' ', found.description.find(' ') + 1);
  if (!found.description.empty()) printf("made by, for    %s\n", found.description.substr(0, end).c_str());
}

void print_profile(const std::string& directory) {
  optimizer::Profile profile(directory);
  std::set<std::string_view> files;
  u64 heat = 0;
  for (const auto& [key, spot] : profile.spots()) {
    if (!spot.file.empty()) files.insert(spot.file);
    heat += spot.heat;
  }
  printf("profile         %zu hot spots in %zu files, %lu samples\n", profile.spots().size(), files.size(), heat);
}

int status() {
  auto inventory = take_inventory();
  if (!inventory) return report(inventory.error());
  auto limit = optimizer::store_limit();
  if (!limit) return report(limit.error());
  printf("directory       %s%s\n", inventory->directory.c_str(), inventory->is_there ? "" : " (is not there yet)");
  if (!inventory->is_there) return 0;
  u64 total = 0, others = 0, other_bytes = 0;
  bool own = false;
  for (const StoreItem& item : inventory->items) {
    total += item.allocated;
    if (item.name == inventory->own)
      own = true;
    else
      ++others, other_bytes += item.allocated;
  }
  printf("on disk         %s, at most %s\n", size_text(total).c_str(), size_text(*limit).c_str());
  if (own)
    print_own(optimizer::check_store(inventory->directory, inventory->own, {.parse = true}));
  else
    printf("this ferry      nothing yet\n");
  printf("others          %lu stores of other builds and processors, %s\n", others, size_text(other_bytes).c_str());
  print_profile(inventory->directory);
  return 0;
}

int clear() {
  auto inventory = take_inventory();
  if (!inventory) return report(inventory.error());
  u64 removed = 0, bytes = 0;
  if (inventory->is_there) {
    auto folder = optimizer::LockedStoreDirectory::open(inventory->directory, false);
    if (!folder) return report(folder.error().text);
    for (const StoreItem& item : optimizer::list_stores(folder->fd())) {
      if (unlinkat(folder->fd(), item.name.c_str(), 0) != 0)
        return report(inventory->directory + "/" + item.name + ": " + strerror(errno));
      ++removed, bytes += item.allocated;
    }
    for (const std::string& name : optimizer::list_unfinished(folder->fd())) unlinkat(folder->fd(), name.c_str(), 0);
    unlinkat(folder->fd(), "profile", 0);
  }
  printf("removed %lu stores, %s\n", removed, size_text(bytes).c_str());
  return 0;
}

int verify() {
  auto inventory = take_inventory();
  if (!inventory) return report(inventory.error());
  u64 damaged = 0, regions = 0, pages = 0;
  for (const StoreItem& item : inventory->items) {
    // Regions of other builds may be written differently: of those the checksums are all that can be judged.
    StoreCheck found =
        optimizer::check_store(inventory->directory, item.name, {.parse = item.name == inventory->own, .drop = true});
    regions += found.regions;
    pages += found.pages;
    damaged += found.damaged + !found.failure.empty();
    if (!found.failure.empty())
      printf("%s: %s%s\n", item.name.c_str(), found.failure.c_str(),
             found.removed    ? "; removed"
             : found.unusable ? "; in use, not removed: once more when no program has run for a minute"
                              : "");
    else
      printf("%s: %lu regions and %lu pages in order, %lu damaged, %lu dropped\n", item.name.c_str(), found.regions,
             found.pages, found.damaged, found.dropped);
  }
  printf("%zu stores, %lu regions and %lu pages in order%s\n", inventory->items.size(), regions, pages,
         damaged == 0 ? ", nothing damaged" : "");
  return damaged != 0;
}

[[noreturn]] void refuse(const std::string& what) { fatal(what, "`ferry cache help` shows how", 2); }

}  // namespace

int run_cache_command(std::span<char* const> arguments) {
  std::string_view verb = arguments.empty() ? "" : arguments[0];
  if (verb == "help" || verb == "--help") return fputs(usage, stdout), 0;
  bool alone = arguments.size() == 1;
  if (verb == "status" && alone) return status();
  if (verb == "clear" && alone) return clear();
  if (verb == "verify" && alone) return verify();
  if (verb == "identity" && alone) return puts(optimizer::store_identity().c_str()), 0;
  if (verb == "warm") {
    auto request = parse_warm(arguments.subspan(1));
    if (!request) refuse(request.error());
    return warm(*request);
  }
  refuse(verb.empty() ? "`ferry cache` needs a verb" : "`ferry cache " + std::string{verb} + "` is not understood");
}

}  // namespace ferry::command
