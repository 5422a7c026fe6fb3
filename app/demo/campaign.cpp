// SPDX-License-Identifier: Apache-2.0
#include "app/demo/campaign.h"

#include <exception>
#include <mutex>
#include <thread>

#include "app/demo/collector_client.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"

namespace afina::app {
namespace {

// Reading time of a person is not imitated: what is recorded is what it took.
int64_t elapsed_ms(const Stopwatch& watch) {
  return static_cast<int64_t>(watch.seconds() * 1000);
}

}  // namespace

std::vector<DemoPrompt> read_prompts(std::string_view text) {
  std::vector<DemoPrompt> prompts;
  try {
    for (const auto& item : parse_json(text, "prompts.json")) {
      prompts.push_back({item.at("id"), item.at("locale"), item.at("text")});
    }
  } catch (const Json::exception& error) {
    throw DataError(cat("[demo.prompts] prompts.json must be a list of {id, locale, text}, but got: ", error.what()));
  }
  return prompts;
}

Collected collect_pairs(const std::string& collector_url, const std::vector<DemoPrompt>& prompts,
                        const std::string& pairing, int parallel, const std::string& title, std::stop_token stop) {
  std::map<std::string, CollectorVisitor> visitors;
  for (const auto& prompt : prompts)
    visitors.try_emplace(prompt.locale, collector_url, prompt.locale, "");
  Collected collected;
  collected.conversation_ids.resize(prompts.size());
  const Stopwatch watch;
  Progress progress(title, static_cast<double>(prompts.size()), "conversations");
  std::mutex mutex;
  std::exception_ptr failure;
  size_t next = 0, done = 0;
  const auto work = [&] {
    while (true) {
      size_t index = 0;
      {
        const std::lock_guard lock(mutex);
        if (next == prompts.size() || failure || stop.stop_requested()) return;
        index = next++;
      }
      try {
        const auto& prompt = prompts[index];
        const AskedPair asked = visitors.at(prompt.locale).ask(prompt.locale, prompt.text, pairing, stop);
        const std::lock_guard lock(mutex);
        collected.conversation_ids[index] = asked.conversation_id;
        collected.pairs += asked.answers == 2 ? 1 : 0;
        progress.update(static_cast<double>(++done));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < parallel; ++i)
      threads.emplace_back(work);
  }
  if (failure) std::rethrow_exception(failure);
  if (stop.stop_requested()) throw Cancelled("[app.demo] must finish collecting, but was stopped.");
  collected.seconds = watch.seconds();
  return collected;
}

std::map<std::string, int> judge_pairs(const std::string& collector_url, const AnnotatorPanel& panel,
                                       std::stop_token stop) {
  std::map<std::string, int> outcomes;
  for (const auto& rules : panel.annotators) {
    const CollectorVisitor visitor(collector_url, rules.locale, rules.name);
    while (!stop.stop_requested()) {
      const auto pair = visitor.next_pair();
      if (!pair) break;
      const Stopwatch watch;
      const std::string outcome = judge(panel, rules, pair->locale, pair->left, pair->right);
      visitor.vote(pair->exposure, outcome, elapsed_ms(watch));
      ++outcomes[outcome];
    }
  }
  if (stop.stop_requested()) throw Cancelled("[app.demo] must finish judging, but was stopped.");
  return outcomes;
}

}  // namespace afina::app
