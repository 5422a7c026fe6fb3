// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/emulator.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "formats/dtype.h"

// Bounds of the section that __shared__ variables lie in; absent where a program has none.
extern "C" {
extern char __start_afina_shared[] __attribute__((weak));
extern char __stop_afina_shared[] __attribute__((weak));
}

namespace afina::emulator {
namespace {

constexpr unsigned kLanes = 32;
constexpr size_t kStack = 64 * 1024;

enum class State { ready, at_barrier, at_shuffle, ended };

/// Stacks of a block's threads, mapped once and reused by every block: untouched pages cost nothing.
char* stack_of(unsigned thread) {
  static std::vector<char*> stacks;
  while (stacks.size() <= thread) {
    void* memory = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("[emulator] must map a stack, but mmap failed");
    stacks.push_back(static_cast<char*>(memory));
  }
  return stacks[thread];
}

}  // namespace

struct Machine::Block {
  struct Fiber {
    ucontext_t context{};
    State state = State::ready;
    int line = 0;           // of the barrier it waits at
    unsigned shuffles = 0;  // done so far: their parity picks the slot
    uint64_t slot[2] = {};
  };

  Block(Machine& machine, unsigned threads, const std::function<void()>& kernel)
      : machine_(machine), kernel_(kernel), fibers_(threads) {
    machine_.current_ = this;
    for (unsigned t = 0; t < threads; ++t)
      start(t);
  }
  ~Block() { machine_.current_ = nullptr; }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void run() {
    std::vector<unsigned> turn(fibers_.size());
    std::iota(turn.begin(), turn.end(), 0U);
    std::mt19937 random(7);
    while (std::any_of(fibers_.begin(), fibers_.end(), [](const Fiber& f) { return f.state != State::ended; })) {
      if (machine_.order == Order::reverse) std::sort(turn.begin(), turn.end(), std::greater<>());
      if (machine_.order == Order::shuffled) std::shuffle(turn.begin(), turn.end(), random);
      for (const unsigned t : turn)
        if (fibers_[t].state == State::ready) resume(t);
      if (!release()) throw std::logic_error(deadlock());
    }
  }

  void wait(State state, int line) {
    Fiber& self = fibers_[running_];
    self.state = state;
    self.line = line;
    swapcontext(&self.context, &scheduler_);
  }

  uint64_t exchange(uint64_t value, unsigned source) {
    const unsigned self = running_, parity = fibers_[self].shuffles++ % 2;
    fibers_[self].slot[parity] = value;
    wait(State::at_shuffle, 0);
    return fibers_[self / kLanes * kLanes + source].slot[parity];
  }

 private:
  void start(unsigned thread) {
    Fiber& fiber = fibers_[thread];
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack_of(thread);
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = &scheduler_;
    makecontext(&fiber.context, &Block::enter, 0);
  }

  static void enter() {
    Block& block = *machine().current_;
    block.kernel_();
    block.fibers_[block.running_].state = State::ended;
  }

  void resume(unsigned thread) {
    running_ = thread;
    machine_.thread = {thread, 0, 0};
    swapcontext(&scheduler_, &fibers_[thread].context);
  }

  /// Lets warps go on whose lanes all shuffle, and the block where all of it stands at one barrier.
  bool release() {
    bool any = std::all_of(fibers_.begin(), fibers_.end(), [](const Fiber& f) { return f.state == State::ended; });
    for (size_t first = 0; first < fibers_.size(); first += kLanes)
      any |= go(first, first + kLanes, State::at_shuffle);
    if (go(0, fibers_.size(), State::at_barrier)) {
      ++machine_.barriers_passed_;
      any = true;
    }
    return any;
  }

  bool go(size_t begin, size_t end, State state) {
    for (size_t t = begin; t < end; ++t)
      if (fibers_[t].state != state || fibers_[t].line != fibers_[begin].line) return false;
    for (size_t t = begin; t < end; ++t)
      fibers_[t].state = State::ready;
    return true;
  }

  std::string deadlock() const {
    const auto count = [&](State state) {
      return std::to_string(
          std::count_if(fibers_.begin(), fibers_.end(), [&](const Fiber& f) { return f.state == state; }));
    };
    return "[emulator] every thread must reach each barrier, but " + count(State::at_barrier) + " wait at one, " +
           count(State::at_shuffle) + " at a shuffle, and " + count(State::ended) + " have ended";
  }

  Machine& machine_;
  const std::function<void()>& kernel_;
  std::vector<Fiber> fibers_;
  ucontext_t scheduler_{};
  unsigned running_ = 0;
};

void Machine::run(unsigned blocks, unsigned threads, const std::function<void()>& kernel) {
  if (threads % kLanes != 0) throw std::logic_error("[emulator] threads of a block must be whole warps");
  grid_dim = {blocks, 1, 1};
  block_dim = {threads, 1, 1};
  for (unsigned b = 0; b < blocks; ++b) {
    block = {b, 0, 0};
    // All bits set: NaN as float and double, -1 as int.
    if (__start_afina_shared != nullptr)
      std::memset(__start_afina_shared, 0xFF, static_cast<size_t>(__stop_afina_shared - __start_afina_shared));
    Block(*this, threads, kernel).run();
  }
}

void Machine::barrier(int line) {
  current_->wait(State::at_barrier, line);
}

uint64_t Machine::exchange(uint64_t value, unsigned source) {
  return current_->exchange(value, source);
}

Machine& machine() {
  static Machine one;
  return one;
}

uint16_t bfloat16_bits(float x) {
  return formats::float_to_bfloat16(x);
}

float round_to_half(float x) {
  return formats::half_to_float(formats::float_to_half(x));
}

}  // namespace afina::emulator
