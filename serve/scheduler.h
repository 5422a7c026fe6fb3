// SPDX-License-Identifier: Apache-2.0
// Continuous batching: one thread owns the generator, lets requests join and leave between steps, and hands each its
// tokens. Whoever waits for tokens does so on a queue of its own; destroying the queue cancels what is left.
#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "serve/sequence_decoder.h"

namespace afina::serve {

struct Job {
  std::vector<int> prompt_ids;
  model::SamplingParams params;
  std::shared_ptr<const model::Adapter> adapter;  ///< null: the bare base
};

struct Token {
  int index = 0;  ///< of the job within its request
  int id = 0;
  double logprob = 0;  ///< nats
  model::FinishReason finish = model::FinishReason::none;
  std::vector<std::pair<int, double>> top = {};  ///< as model::TokenEvent
  std::vector<model::TokenScore> prompt = {};    ///< as model::TokenEvent
};

/// The jobs of one request. One consumer thread at a time; the destructor cancels.
class Completion {
 public:
  ~Completion();
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  /// Waits for the next token of any job; nothing once every job has finished or was cancelled. Throws what a job
  /// failed with, or Cancelled once stop is tripped or the scheduler ends.
  std::optional<Token> next(std::stop_token stop);
  /// Drops one job: no more tokens of it.
  void cancel(int index);

 private:
  friend class Scheduler;
  struct Shared;
  explicit Completion(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;
};

struct SchedulerOptions {
  int max_slots = 16;     ///< sequences decoded together
  int max_waiting = 256;  ///< jobs that wait for a slot; above: 503
};

/// Thread-safe. A free slot goes to the request that has the fewest, the oldest of these first: a request of many jobs
/// does not hold up those of one.
class Scheduler {
 public:
  Scheduler(std::unique_ptr<SequenceDecoder> decoder, SchedulerOptions options);
  /// Ends every request with Cancelled.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Throws http::HttpError 503 ("overloaded") where the queue is full; an empty one takes any request. Faults of a job
  /// itself come from next().
  std::unique_ptr<Completion> submit(std::vector<Job> jobs);

  struct Load {
    int decoding = 0, waiting = 0;
  };
  Load load() const;

 private:
  struct Waiting {
    std::shared_ptr<Completion::Shared> request;
    int index;
    Job job;
  };
  struct Active {
    std::shared_ptr<Completion::Shared> request;
    int index;
  };

  void run(const std::stop_token& stop);
  bool wait_for_work(const std::stop_token& stop);
  std::vector<Waiting> take_admissible();
  void forget_cancelled_locked();
  void join(Waiting waiting);
  void drop_cancelled();
  void advance();
  void fail_all(const std::exception_ptr& error);

  const SchedulerOptions options_;
  std::unique_ptr<SequenceDecoder> decoder_;
  std::map<model::SequenceId, Active> active_;  ///< the scheduler thread's own
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Waiting> waiting_;
  int decoding_ = 0;
  std::jthread thread_;
};

}  // namespace afina::serve
