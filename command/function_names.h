// Guest code by name, for profilers and listings: which function of which file a guest pc lies in.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loader/functions.h"
#include "translator/optimizer/mapping.h"

namespace ferry::command {

class FunctionNames {
 public:
  // "memcpy", "memcpy+0x40"; "libc.so.6+0x12340" where the file names no function there; "0xffff00001000" without a file. The
  // file is read when it is first met. One thread at a time.
  std::string name_of(u64 pc);

  // Something else may be mapped there now.
  void forget_mappings() { mappings_.clear(); }

 private:
  struct File {
    std::vector<u8> bytes;  // what the names are in
    std::optional<loader::NamedFunctions> functions;
  };
  const optimizer::Mapping& mapping_of(u64 pc);
  const File& file(const std::string& path);

  std::vector<optimizer::Mapping> mappings_;  // the last ones that were asked for
  std::map<std::string, std::unique_ptr<File>> files_;
};

}  // namespace ferry::command
