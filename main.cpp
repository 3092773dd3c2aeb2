// ferry's entry: who started it, and what is wanted. The rest is in command/.
#include <linux/binfmts.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <span>
#include <string_view>

#include "binfmt/binfmt.h"
#include "command/cache_command.h"
#include "command/options.h"
#include "command/run.h"
#include "command/sysroot_command.h"
#include "guest/check.h"
#include "translator/optimizer/image.h"

int main(int argc, char** argv) {
  using namespace ferry;
  size_t variables = 0;
  while (environ[variables] != nullptr) ++variables;
  std::span<char* const> environment{environ, variables};
  std::span<char* const> arguments{argv + (argc > 0), static_cast<size_t>(argc > 0 ? argc - 1 : 0)};

  if (auto handover = syscalls::parse_handover(argc, argv)) command::run_handed_over(std::move(*handover), environment);
  if (getauxval(AT_FLAGS) & AT_FLAGS_PRESERVE_ARGV0) command::run_registered(arguments, environment);
  if (argc > 1 && std::string_view{argv[1]} == optimizer::image_argument) optimizer::enter_image(argv);

  std::string_view first = arguments.empty() ? "" : arguments[0];
  if (first == "sysroot") return command::run_sysroot_command(arguments.subspan(1));
  if (first == "cache") return command::run_cache_command(arguments.subspan(1));
  if (first == "binfmt") return binfmt::run_command(arguments.subspan(1));

  auto options = command::parse_options(arguments, environment);
  if (!options) fatal(options.error(), "`ferry --help` lists the options", 2);
  if (options->help) return command::print_help(), 0;
  if (options->version) return command::print_version(), 0;
  if (options->program.empty())
    fatal("no program is named", "`ferry [options] program [arguments...]`; `ferry --help` says more", 2);
  command::run_program(*options, environment);
}
