#include "command/cache_warm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <unordered_map>

#include "command/options.h"
#include "command/words.h"
#include "loader/functions.h"
#include "sysroots/home.h"
#include "sysroots/progress.h"
#include "sysroots/subprocess.h"
#include "translator/optimizer/client.h"
#include "translator/optimizer/file_code.h"
#include "translator/optimizer/image.h"
#include "translator/optimizer/store.h"
#include "translator/optimizer/store_check.h"

namespace ferry::command {

namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr Isa guest_isa = Isa::aarch64;
constexpr u64 largest_file = u64{1} << 30;
constexpr size_t window = 16;       // requests under way: enough to keep the optimiser busy, few enough for any queue
constexpr u64 silence_limit = 120;  // seconds without an answer
constexpr u64 largest_function = 64 * 1024, small_function = 1000;  // bytes
constexpr u32 max_lost = 100;                                       // in a row

u64 seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec);
}

int report(const std::string& what) {
  fprintf(stderr, "ferry: %s\n", what.c_str());
  return 1;
}

std::vector<u8> read_file(const std::string& path) {
  std::vector<u8> bytes;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return bytes;
  struct stat status;
  char magic[4];
  bool wanted = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                static_cast<u64>(status.st_size) <= largest_file && pread(fd, magic, sizeof magic, 0) == sizeof magic &&
                memcmp(magic, "\177ELF", 4) == 0;
  if (wanted) {
    bytes.resize(static_cast<size_t>(status.st_size));
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t count = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
      if (count <= 0) break;
      done += static_cast<size_t>(count);
    }
    bytes.resize(done);
  }
  close(fd);
  return bytes;
}

struct Target {
  std::string path;
  size_t functions;
};

// The files with guest code under the paths, each once.
class Search {
 public:
  std::expected<std::vector<Target>, std::string> run(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      std::error_code error;
      std::string place = path;
      if (!fs::exists(place, error) && path.find('/') == path.npos)
        if (auto sysroot = sysroots::find_sysroot(path)) place = *sysroot;
      if (!fs::exists(place, error)) return std::unexpected(path + ": there is no such file, directory or sysroot");
      if (fs::is_directory(place, error))
        add_directory(place);
      else if (!add(place))
        return std::unexpected(path + ": has no code for this ferry's guests");
    }
    return std::move(found_);
  }

 private:
  void add_directory(const std::string& directory) {
    std::error_code error;
    fs::recursive_directory_iterator files(directory, fs::directory_options::skip_permission_denied, error);
    for (; !error && files != fs::recursive_directory_iterator{} && !sysroots::interrupted(); files.increment(error))
      if (files->symlink_status(error).type() == fs::file_type::regular) add(files->path());
  }

  bool add(const std::string& path) {
    struct stat status;
    char real[PATH_MAX];
    if (stat(path.c_str(), &status) != 0 || realpath(path.c_str(), real) == nullptr) return false;
    if (!seen_.insert({status.st_dev, status.st_ino}).second) return true;
    std::vector<u8> bytes = read_file(real);
    auto code = loader::find_functions(bytes, guest_isa);
    if (!code) return false;
    found_.push_back({real, code->functions.size()});
    return true;
  }

  std::set<std::pair<u64, u64>> seen_;
  std::vector<Target> found_;
};

// What has been hot, by the names of the files.
class HotSpots {
 public:
  explicit HotSpots(const std::string& directory) : profile_(directory) {
    for (const auto& [key, spot] : profile_.spots())
      if (!spot.file.empty()) by_name_[name_of(spot.file)].push_back(key);
  }

  // The hottest first, with their heat.
  std::vector<std::pair<u64, optimizer::Request>> in(const std::string& path, const optimizer::FileCode& code) const {
    std::vector<std::pair<u64, optimizer::Request>> requests;
    auto keys = by_name_.find(name_of(path));
    if (keys == by_name_.end()) return requests;
    for (u64 key : keys->second)
      if (auto request = code.form_again(key, profile_.spots().at(key)))
        requests.push_back({profile_.spots().at(key).heat, std::move(*request)});
    std::ranges::sort(requests, std::greater<>{}, [](const auto& each) { return each.first; });
    return requests;
  }

 private:
  // A library is the same in other trees; whether it really is, its words tell.
  static std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

  optimizer::Profile profile_;
  std::unordered_map<std::string, std::vector<u64>> by_name_;
};

// Keeps a few requests under way and counts what becomes of them.
class Conversation {
 public:
  explicit Conversation(optimizer::ClientOptions options) : client_(std::move(options)) {}

  // False: it is no use to go on.
  bool send(const optimizer::Request& request) {
    while (going_on()) {
      if (waiting_ < window && client_.submit(request) != 0) {
        if (waiting_++ == 0) last_answer_ = seconds();
        return true;
      }
      take();
    }
    return false;
  }
  void finish() {
    while (waiting_ != 0 && going_on()) take();
  }

  std::string failure() const {
    if (client_.given_up()) return "no optimiser can be had; `--log optimizer` with any program says why";
    if (lost_in_a_row_ >= max_lost) return "the optimiser loses what it is asked for";
    if (seconds() - last_answer_ > silence_limit) return "the optimiser does not answer";
    return {};
  }

  u64 regions = 0, refused = 0, lost = 0;

 private:
  bool going_on() const { return !sysroots::interrupted() && failure().empty(); }

  void take() {
    for (const optimizer::Answer& answer : client_.take()) {
      using Kind = optimizer::Answer::Kind;
      --waiting_;
      last_answer_ = seconds();
      lost_in_a_row_ = answer.kind == Kind::lost ? lost_in_a_row_ + 1 : 0;
      ++(answer.kind == Kind::region ? regions : answer.kind == Kind::refused ? refused : lost);
    }
    usleep(1000);
  }

  optimizer::Client client_;
  size_t waiting_ = 0;
  u32 lost_in_a_row_ = 0;
  u64 last_answer_ = seconds();
};

class Warming {
 public:
  Warming(const WarmRequest& request, std::vector<Target> targets, optimizer::ClientOptions options)
      : request_(request),
        targets_(std::move(targets)),
        directory_(options.directory),
        hot_(options.directory),
        conversation_(std::move(options)) {
    for (const Target& target : targets_) functions_ += target.functions;
  }

  int run() {
    u64 begin = seconds();
    {
      sysroots::Progress progress;
      progress_ = &progress;
      for (bool hot : {true, false})
        for (const Target& target : targets_)
          if (!warm_file(target, hot)) break;
      conversation_.finish();
    }
    if (std::string failure = conversation_.failure(); !failure.empty()) return report(failure);
    // The optimiser answers also where it cannot write.
    optimizer::StoreCheck kept =
        optimizer::check_store(directory_, optimizer::store_file_name(optimizer::store_identity()), {});
    if (conversation_.regions != 0 && kept.regions == 0)
      return report(directory_ + ": none of " + std::to_string(conversation_.regions) + " regions was kept there" +
                    (kept.failure.empty() ? "" : ": " + kept.failure) + "; FERRY_CACHE_DIR names another directory");
    printf(
        "%zu files with %zu functions: %lu regions from %lu requests, nothing could be made of %lu, %lu were lost; %lu "
        "are stored now; %lu s%s\n",
        targets_.size(), functions_, conversation_.regions, sent_, conversation_.refused, conversation_.lost,
        kept.regions, seconds() - begin,
        sysroots::interrupted()   ? "; interrupted"
        : sent_ == request_.limit ? "; --limit is reached"
                                  : "");
    return sysroots::interrupted() ? 128 + SIGINT : 0;
  }

 private:
  bool warm_file(const Target& target, bool hot) {
    std::vector<u8> bytes = read_file(target.path);
    auto code = loader::find_functions(bytes, guest_isa);
    if (!code) return true;  // gone since
    std::vector<optimizer::FileCode::Segment> segments;
    for (const loader::CodeSegment& segment : code->segments)
      segments.push_back({segment.address, segment.offset, segment.size});
    optimizer::FileCode file(target.path, bytes, std::move(segments));
    name_ = target.path.substr(target.path.rfind('/') + 1);
    if (!hot) return warm_functions(file, code->functions);
    for (const auto& [heat, request] : hot_.in(target.path, file))
      if (!send(file, request)) return false;
    return true;
  }

  // Those with loops first: there is the most to gain.
  bool warm_functions(optimizer::FileCode& file, const std::vector<u64>& functions) {
    std::vector<u64> straight;
    for (size_t i = 0; i < functions.size(); ++i) {
      u64 begin = functions[i], end = i + 1 < functions.size() ? functions[i + 1] : begin + largest_function;
      std::vector<u64> loops = file.loops_in(begin, std::min(end, begin + largest_function));
      if (loops.empty()) {
        straight.push_back(begin);
        continue;
      }
      // A small function is a region as a whole, with its loops.
      bool small = end - begin <= small_function;
      if (!warm_at(file, {begin}, small ? loops : std::vector<u64>{})) return false;
      if (!small && !warm_at(file, loops)) return false;
    }
    return warm_at(file, straight);
  }

  bool warm_at(optimizer::FileCode& file, const std::vector<u64>& places, const std::vector<u64>& loops = {}) {
    for (u64 pc : places) {
      if (file.is_region_entry(pc)) continue;
      if (auto request = file.form_at(pc, loops); request && !send(file, *request)) return false;
    }
    return true;
  }

  bool send(optimizer::FileCode& file, const optimizer::Request& request) {
    if (sent_ == request_.limit || !conversation_.send(request)) return false;
    ++sent_;
    file.note(request);
    u64 most = std::min<u64>(functions_, request_.limit);
    progress_->show(name_, most == 0 ? 0 : static_cast<int>(std::min<u64>(99, 100 * sent_ / most)));
    return true;
  }

  const WarmRequest& request_;
  std::vector<Target> targets_;
  std::string directory_;
  HotSpots hot_;
  Conversation conversation_;
  sysroots::Progress* progress_ = nullptr;
  std::string name_;
  size_t functions_ = 0;
  u64 sent_ = 0;
};

// As the optimiser's process has another working directory.
std::string absolute(const std::string& path) { return path.empty() ? path : fs::absolute(path).string(); }

}  // namespace

std::expected<WarmRequest, std::string> parse_warm(std::span<char* const> arguments) {
  WarmRequest request;
  po::options_description description;
  description.add_options()("limit", po::value<std::string>())("path", po::value<std::vector<std::string>>());
  po::variables_map values;
  try {
    values = read_words(arguments, description, "path", -1);
  } catch (const po::error& error) {
    return std::unexpected(error.what());
  }
  if (values.count("path") == 0) return std::unexpected("what is to be warmed is missing");
  request.paths = values["path"].as<std::vector<std::string>>();
  if (values.count("limit") == 0) return request;
  std::string text = values["limit"].as<std::string>();
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), request.limit);
  if (error != std::errc{} || end != text.data() + text.size() || request.limit == 0)
    return std::unexpected("--limit " + text + ": a number of regions is meant");
  return request;
}

int warm(const WarmRequest& request) {
  if (optimizer::image().empty())
    return report("this ferry was built without the optimiser; build it where LLVM 19's libraries are");
  size_t variables = 0;
  while (environ[variables] != nullptr) ++variables;
  auto settings = parse_environment({environ, variables});
  if (!settings) return report(settings.error());
  auto limit = optimizer::store_limit();
  if (!limit) return report(limit.error());
  optimizer::ClientOptions options;
  options.image = optimizer::image();
  options.identity = optimizer::store_identity();
  options.directory = absolute(optimizer::store_directory());
  options.store_limit = *limit;
  options.idle_seconds = settings->optimizer_idle;
  options.cores = settings->optimizer_cores;
  if (options.directory.empty()) return report("no directory for the store is known; FERRY_CACHE_DIR names one");
  sysroots::watch_interrupts();
  auto targets = Search{}.run(request.paths);
  if (!targets) return report(targets.error());
  return Warming{request, std::move(*targets), std::move(options)}.run();
}

}  // namespace ferry::command
