// A guest process's connection to the optimiser: sends what is hot and takes what has been compiled, without ever waiting for either.
// There is one optimiser a user, found by an abstract socket's name and started out of ferry's own file when nobody listens
// there. Whatever fails (no optimiser can be had, its queue is full, it dies, the socket is not ours any more), the guest goes on
// in the baseline; that is said once in the log.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/region.h"
#include "translator/optimizer/report.h"

namespace ferry::optimizer {

struct ClientOptions {
  std::span<const u8> image;  // the optimiser's executable; empty: only one that runs already is used
  std::string
      self_argument;     // not empty: with this first argument this process's own executable becomes the image, cheaper
  std::string identity;  // store_identity(): client and optimiser must have the same
  std::string directory;    // of the store, for an optimiser that is started; empty: it keeps none
  u64 store_limit = 0;      // StoreOptions::limit; 0: the default one
  std::string socket_name;  // empty: made from the user's id, the identity and the directory
  u32 idle_seconds = 60;    // an optimiser that is started ends after this long with nothing to do
  u32 cores = 0;            // how many compile at a time; 0: half of the machine's
  // Keep a descriptor out of the guest's way and out of its hands, and give it back: numbers are shared with the guest. The first
  // returns the descriptor's new number; null where there is no guest.
  int (*take_descriptor)(int fd) = nullptr;
  void (*release_descriptor)(int fd) = nullptr;
};

// What became of a request.
struct Answer {
  enum class Kind : u8 {
    region,   // compiled
    refused,  // nothing can be made of it: do not ask again
    lost,     // it was dropped, or the optimiser died: may be asked for again, later
  };
  u64 id;  // what submit() returned
  Kind kind;
  Region region;
  std::optional<Listing> listing{};  // where one was wanted, with a region
};

// Heat that samples of ended processes must add up to before the optimiser compiles something nobody waits for.
inline constexpr u64 accumulated_heat = 32;

class Client {
 public:
  // Costs nothing: no system call until something is submitted.
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // All of these: any thread, none blocks; two at a time and the second does nothing. The process's first submit() may start an
  // optimiser, about 0.2 ms. Not in a signal handler.

  // The request's id, or 0: it was dropped (no optimiser, too much outstanding, another thread is at it). `listed`: it is compiled
  // even if it has been before, and the answer has a listing.
  u64 submit(const Request& request, bool listed = false);

  // No optimiser can be had, for good; the log says why.
  bool given_up() const { return given_up_.load(std::memory_order_relaxed); }

  // Whether take() may have something to give: one load.
  bool outstanding() const { return outstanding_.load(std::memory_order_relaxed) != 0; }

  // Whether that is worth a look: no thread has taken one within half a millisecond. A load more often than not, else a clock's time.
  bool due() const;

  // What has come since; mostly nothing.
  std::vector<Answer> take();

  // At a process's end: what got warm and not hot, with its heat, so that it adds up over many short processes. One system call where
  // there is a connection, five where an optimiser listens; starts one only for a process that used some 50 ms of the processor.
  void hand_in(std::span<const Request> samples);

  // Likewise: what page_notes.h reads. `write` writes it to a descriptor, when there is somebody to take it. `much`: worth starting one.
  void hand_in_pages(const std::function<void(int fd)>& write, bool much);

  // After fork() (own memory) in the child: the connection stays the parent's, what was outstanding is lost without an answer.
  void after_fork_in_child();

 private:
  struct State;
  class Turn;

  std::unique_ptr<State> state_;
  std::atomic<u32> outstanding_ = 0;
  std::atomic<u64> looked_at_ = 0;  // by take(): CLOCK_MONOTONIC, ns
  std::atomic<bool> given_up_ = false;
  std::atomic<bool> busy_ = false;  // a thread is in one of the functions above
};

}  // namespace ferry::optimizer
