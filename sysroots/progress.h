// A progress bar on standard error, when that is a terminal; otherwise nothing, so that logs stay clean.
#pragma once
#include <string>
#include <string_view>

namespace ferry::sysroots {

class Progress {
 public:
  Progress();
  ~Progress();  // clears the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::string_view what, int percent);

 private:
  bool terminal_;
  int shown_ = -1;
  std::string what_;
};

}  // namespace ferry::sysroots
