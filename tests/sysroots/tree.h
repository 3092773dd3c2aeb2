// A temporary directory for a test, removed at its end.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace ferry::test {

class Tree {
 public:
  Tree() {
    std::string name = "/var/tmp/ferry-test-XXXXXX";
    root_ = std::filesystem::canonical(mkdtemp(name.data()));
  }
  ~Tree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  std::string path(const std::string& below = "") const { return root_.string() + below; }
  void directory(const std::string& below) { std::filesystem::create_directories(path(below)); }
  void file(const std::string& below, const std::string& text = "") {
    std::filesystem::create_directories(std::filesystem::path(path(below)).parent_path());
    std::ofstream(path(below)) << text;
  }
  void link(const std::string& target, const std::string& below) {
    std::filesystem::create_directories(std::filesystem::path(path(below)).parent_path());
    std::filesystem::create_symlink(target, path(below));
  }

 private:
  std::filesystem::path root_;
};

}  // namespace ferry::test
