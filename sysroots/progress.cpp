#include "sysroots/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace ferry::sysroots {

Progress::Progress() : terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (terminal_ && shown_ >= 0) dprintf(STDERR_FILENO, "\r\033[K");
}

void Progress::show(std::string_view what, int percent) {
  percent = std::clamp(percent, 0, 100);
  if (!terminal_ || (percent == shown_ && what == what_)) return;
  shown_ = percent;
  what_ = what;
  winsize window{};
  int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
  int width = std::clamp(columns - static_cast<int>(what.size()) - 10, 10, 50);
  int filled = width * percent / 100;
  std::string bar =
      std::string(static_cast<size_t>(filled), '#') + std::string(static_cast<size_t>(width - filled), '.');
  dprintf(STDERR_FILENO, "\r\033[K%.*s [%s] %3d%%", static_cast<int>(what.size()), what.data(), bar.c_str(), percent);
}

}  // namespace ferry::sysroots
