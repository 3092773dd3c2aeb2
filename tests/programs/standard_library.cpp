// C++ and its library: exceptions through many frames and through the C library, containers, streams, threads, regular
// expressions, local statics.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {
int destroyed = 0;
struct Guard {
  ~Guard() { destroyed++; }
};

__attribute__((noinline)) int descend(int depth) {
  Guard guard;
  if (depth == 0) throw std::out_of_range("bottom");
  return descend(depth - 1) + 1;
}

int compare_or_throw(const void* a, const void* b) {
  int x = *static_cast<const int*>(a), y = *static_cast<const int*>(b);
  if (x == 13) throw std::string("thirteen");
  return x - y;
}

struct Base {
  virtual ~Base() = default;
  virtual int value() const { return 1; }
};
struct Other {
  virtual ~Other() = default;
};
struct Derived : Base, Other {
  int value() const override { return 2; }
};

void exceptions() {
  try {
    descend(40);
  } catch (const std::exception& e) {
    std::cout << "caught " << e.what() << ", destroyed " << destroyed << "\n";
  }
  int numbers[] = {5, 3, 13, 9};
  try {
    qsort(numbers, 4, sizeof numbers[0], compare_or_throw);
  } catch (const std::string& s) {
    std::cout << "caught " << s << "\n";
  }
  int caught = 0;
  for (int i = 0; i < 2000; i++) {
    try {
      if (i % 3 == 0) throw i;
      if (i % 3 == 1) (void)std::vector<int>().at(static_cast<size_t>(i));
    } catch (int) {
      caught++;
    } catch (...) {
      caught += 2;
    }
  }
  std::unique_ptr<Base> base = std::make_unique<Derived>();
  std::cout << "caught " << caught << " value " << base->value() << " cast "
            << (dynamic_cast<Other*>(base.get()) != nullptr) << "\n";
}

void containers() {
  std::mt19937_64 random(7);
  std::map<std::string, int> words;
  std::unordered_map<std::uint64_t, std::uint64_t> counts;
  for (int i = 0; i < 5000; i++) {
    std::uint64_t n = random() % 500;
    words["word" + std::to_string(n)]++;
    counts[n] += n;
  }
  std::vector<double> values(1000);
  std::normal_distribution<double> normal;
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  std::stable_sort(values.begin(), values.end(), std::greater<>());
  std::ostringstream text;
  text.precision(12);
  text << words.size() << " " << words.begin()->second << " " << counts[77] << " " << values.front() << " "
       << std::accumulate(values.begin(), values.end(), 0.0);
  std::cout << text.str() << "\n";
  std::cout << std::regex_replace(std::string("2026-11-20 and 1999-01-02"), std::regex("(\\d+)-(\\d+)-(\\d+)"),
                                  "$3.$2.$1")
            << "\n";
}

void threads() {
  std::atomic<int> sum = 0;
  std::vector<std::thread> pool;
  for (int i = 0; i < 4; i++)
    pool.emplace_back([&sum, i] {
      for (int k = 0; k < 1000; k++) sum += i;
    });
  for (std::thread& t : pool) t.join();
  auto answer = std::async(std::launch::async, [] { return 42; });
  auto failing = std::async(std::launch::async, []() -> int { throw std::runtime_error("in a thread"); });
  std::cout << sum << " " << answer.get() << " ";
  try {
    failing.get();
  } catch (const std::runtime_error& e) {
    std::cout << e.what() << "\n";
  }
}
}  // namespace

int main() {
  exceptions();
  containers();
  threads();
}
