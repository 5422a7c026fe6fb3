// SPDX-License-Identifier: Apache-2.0
#include "app/demo/demo.h"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>

#include "app/demo/campaign.h"
#include "app/demo/child_process.h"
#include "app/demo/results.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "datasets/splits.h"
#include "embedded/demo_files.h"
#include "http/client.h"
#include "storage/adapters.h"
#include "storage/snapshots.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarker = ".afina-demo";
constexpr const char* kBaseName = "base";
constexpr datasets::SplitOptions kSplit{.seed = 22, .eval_prompts = 0.33};
constexpr int kParallel = 8;
constexpr int kRounds = 2;  // how often each prompt is asked: two samples a round
constexpr auto kStartDeadline = std::chrono::seconds(60);

std::string embedded(const std::string& name) {
  for (const auto& file : demo_files()) {
    if (file.name == name) return std::string(file.bytes);
  }
  throw InternalError(cat("[app.demo] ", name, " must be in the program, but is not."));
}

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

std::string fixed(double value, int digits) {
  char out[48];
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

class Demo {
 public:
  Demo(DemoOptions options, std::stop_token stop) : options_(std::move(options)), stop_(std::move(stop)) {}
  int run();

 private:
  void prepare_folder();
  void start_servers();
  void start_collector(bool with_adapter);
  void collect();
  void judge(const std::string& what);
  void snapshot();
  void train();
  void arena();
  void pictures();
  int verdict();

  void step(const std::string& title) { say(cat("\n", ++step_, "/9  ", title)); }
  void detail(const std::string& line) { say("     " + line); }
  std::string program(const char* name) const { return (options_.programs / name).string(); }
  fs::path log(const std::string& name) const { return options_.out / "logs" / (name + ".log"); }
  std::string run_program(const std::string& name, const std::vector<std::string>& arguments);

  DemoOptions options_;
  std::stop_token stop_;
  int step_ = 0;
  Stopwatch watch_;
  std::unique_ptr<storage::Database> database_;
  std::optional<ChildProcess> serve_, collector_;
  std::string serve_url_, collector_url_;
  std::vector<DemoPrompt> prompts_, heldout_;
  AnnotatorPanel panel_;
  std::vector<std::string> arena_conversations_;
  std::map<std::string, double> metrics_;
  std::optional<quality::Interval> arena_;
  std::vector<std::string> pictures_;
};

void Demo::prepare_folder() {
  const fs::path& out = options_.out;
  if (fs::exists(out) && !fs::is_empty(out) && !fs::exists(out / kMarker)) {
    throw Conflict(
        cat("[app.demo] must write into a new folder or an earlier demo's, but ", out.string(), " is neither."),
        "choose another with --out");
  }
  fs::remove_all(out);
  fs::create_directories(out / "logs");
  write_file_atomic(out / kMarker, "Made by afina demo; replaced by the next one.\n");
  // The programs started below inherit it, as a user's shell would hand it on.
  setenv("AFINA_HOME", fs::absolute(out / "home").c_str(), 1);
  unsetenv("DATABASE_URL");
}

std::string Demo::run_program(const std::string& name, const std::vector<std::string>& arguments) {
  if (stop_.stop_requested()) throw Cancelled("[app.demo] must finish, but was stopped.");
  ChildProcess child(arguments, log(name));
  const int code = child.wait();
  if (code != 0) {
    throw ModelError(cat("[app.demo] ", name, " must end well, but ended with code ", code, ". Its last lines:\n",
                         last_lines(log(name), 8)));
  }
  return read_file(log(name));
}

void Demo::start_servers() {
  step("A private PostgreSQL and the local model behind an OpenAI-compatible server");
  database_ = storage::Database::open(
      {.kind = storage::DatabaseTarget::Kind::home, .home = fs::absolute(options_.out / "home")}, {.announce = false});
  detail(cat("database   ", database_->describe(), ", schema ", database_->schema_version()));
  serve_.emplace(std::vector<std::string>{program("afina"), "serve", "--model", options_.model.string(), "--port", "0"},
                 log("serve"));
  serve_url_ = serve_->wait_for_address(kStartDeadline);
  detail(cat("afina serve ", serve_url_, " (", options_.model.filename().string(), ")"));
  start_collector(false);
  detail(cat("collector  ", collector_url_, "  open it in a browser to take part"));
}

// The collector reads its upstreams at its start: the adapter joins with a new start, as an operator would do it.
void Demo::start_collector(bool with_adapter) {
  collector_.reset();
  Json upstream = {
      {"name", kBaseName}, {"base_url", serve_url_}, {"temperature", 0.9}, {"top_p", 0.95}, {"max_tokens", 80}};
  const auto models = http::Client({.base_url = serve_url_}).get_json("/v1/models");
  upstream["model"] = models.at("data").at(0).at("id");
  Json config = {{"port", 0},
                 {"acts_per_minute", 0},
                 {"messages_per_minute", 0},
                 {"operator_name", "Afina demo"},
                 {"contact", "demo@localhost"},
                 {"pairing", with_adapter ? "base_vs_adapter" : "self"},
                 {"upstreams", {upstream}}};
  if (with_adapter) {
    Json adapter = upstream;
    adapter["name"] = adapter["model"] = "demo-dpo";
    config["upstreams"].push_back(adapter);
    config["base"] = kBaseName;
    config["adapter"] = "demo-dpo";
  }
  const fs::path file = options_.out / "collector.json";
  write_file_atomic(file, dump_json(config, 2) + "\n");
  collector_.emplace(std::vector<std::string>{program("afina-collector"), "--config", file.string()}, log("collector"));
  collector_url_ = collector_->wait_for_address(kStartDeadline);
}

void Demo::collect() {
  prompts_ = read_prompts(embedded("demo/prompts.json"));
  panel_ = read_annotators(embedded("demo/annotators.json"));
  std::map<std::string, int> languages;
  const auto asked_once = prompts_;
  for (const auto& prompt : asked_once) {
    ++languages[prompt.locale];
    if (datasets::prompt_is_held_out(prompt.text, kSplit)) heldout_.push_back(prompt);
  }
  step("Conversations: each prompt is asked through the collector, which samples two answers");
  const auto heldout_once = heldout_;
  for (int round = 1; round < kRounds; ++round) {
    prompts_.insert(prompts_.end(), asked_once.begin(), asked_once.end());
    heldout_.insert(heldout_.end(), heldout_once.begin(), heldout_once.end());
  }
  detail(cat(asked_once.size(), " prompts (", languages["es"], " Spanish, ", languages["pt"], " Portuguese, ",
             languages["en"], " English), each asked ", kRounds, " times; ", heldout_once.size(),
             " of them held out from training"));
  const Collected collected = collect_pairs(collector_url_, prompts_, "self", kParallel, "     asking", stop_);
  const TokenCounts counts = count_tokens(*database_, collected.conversation_ids);
  detail(cat(collected.pairs, " pairs, ", counts.tokens, " tokens in ", fixed(collected.seconds, 0), " s (",
             fixed(static_cast<double>(counts.tokens) / collected.seconds, 0), " tokens/s)"));
}

void Demo::judge(const std::string& what) {
  const auto outcomes = judge_pairs(collector_url_, panel_, stop_);
  int votes = 0;
  std::string spread;
  for (const char* outcome : {"-3", "-2", "-1", "0", "1", "2", "3", "both_good", "both_bad"}) {
    const auto found = outcomes.find(outcome);
    if (found == outcomes.end()) continue;
    votes += found->second;
    spread += cat(spread.empty() ? "" : ", ", outcome, ": ", found->second);
  }
  detail(cat(votes, " votes ", what, " (left -3 … right 3 as each saw them: ", spread, ")"));
  if (votes == 0) throw DataError("[app.demo] annotators must find pairs to judge, but found none.");
}

void Demo::snapshot() {
  step("Snapshot: an immutable, hashed set of what may be trained on");
  run_program("snapshot", {program("afina"), "snapshot", "create", "--name", "demo", "--seed",
                           std::to_string(kSplit.seed), "--eval-prompts", cat(kSplit.eval_prompts),
                           // Its judges are programs, and few: they are all there is to learn from.
                           "--annotator-cap", "none"});
  const auto made = database_->read([](storage::Transaction& t) { return storage::get_snapshot(t, "demo"); });
  detail(cat("demo, sha256 ", made.sha256.substr(0, 16), "…: ", made.members, " members, ", made.train_members,
             " to train on"));
}

void Demo::train() {
  const std::string model = options_.model.string();
  step("SFT: LoRA on the answers people preferred");
  Stopwatch watch;
  run_program("sft", {program("afina"), "sft",
                      "--model",        model,
                      "--snapshot",     "demo",
                      "--out",          (options_.out / "sft").string(),
                      "--name",         "demo-sft",
                      "--set",          "num_train_epochs=1",
                      "--set",          "learning_rate=2e-4",
                      "--set",          "per_device_train_batch_size=8",
                      "--set",          "lr_scheduler_type=cosine",
                      "--set",          "warmup_ratio=0.1"});
  const auto sft = last_metrics(options_.out / "sft" / "metrics.jsonl");
  detail(cat("loss ", fixed(sft.at("loss"), 3), " nats a token in the last step, held-out ",
             fixed(sft.at("eval_loss"), 3), ", ", fixed(watch.seconds(), 0), " s"));
  step("DPO: every vote as a soft label, from the SFT adapter, against the policy at step 0");
  watch = Stopwatch();
  run_program("dpo", {program("afina"),  "dpo",
                      "--model",         model,
                      "--snapshot",      "demo",
                      "--start-adapter", (options_.out / "sft" / "adapter").string(),
                      "--out",           (options_.out / "dpo").string(),
                      "--name",          "demo-dpo",
                      "--set",           "num_train_epochs=2",
                      "--set",           "learning_rate=1e-4",
                      "--set",           "per_device_train_batch_size=8",
                      "--set",           "lr_scheduler_type=cosine",
                      "--set",           "warmup_ratio=0.1",
                      "--set",           "beta=0.1"});
  metrics_ = last_metrics(options_.out / "dpo" / "metrics.jsonl");
  detail(cat("loss ", fixed(metrics_.at("loss"), 4), " in the last step (ln 2 = 0.6931 at the first), ",
             fixed(watch.seconds(), 0), " s"));
  detail(cat("held-out pairs: accuracy ", fixed(100 * metrics_.at("eval_rewards/accuracies"), 1), " %, reward margin ",
             fixed(metrics_.at("eval_rewards/margins"), 4)));
}

void Demo::arena() {
  step("Arena: base and adapter answer the held-out prompts, blind");
  start_collector(true);
  const Collected collected =
      collect_pairs(collector_url_, heldout_, "base_vs_adapter", kParallel, "     asking", stop_);
  arena_conversations_ = collected.conversation_ids;
  detail(cat(collected.pairs, " pairs in ", fixed(collected.seconds, 0), " s"));
  judge("by the same annotators");
  arena_ = win_rate(*database_, arena_conversations_);
  detail(cat("adapter wins ", fixed(100 * arena_->mean, 1), " %, 95 % interval ", fixed(100 * arena_->low, 1), " to ",
             fixed(100 * arena_->high, 1), " % (", arena_->observations, " votes, clustered by ", arena_->clusters,
             " prompts)"));
}

void Demo::pictures() {
  step("Pictures of the workbench, rendered without a display");
  for (const char* panel : {"loop", "conversations", "runs"}) {
    const fs::path file = options_.out / cat("workbench-", panel, ".png");
    run_program(cat("workbench-", panel),
                {program("afina-workbench"), "--screenshot", file.string(), "--panel", panel});
    detail(file.string());
  }
}

int Demo::verdict() {
  step("What was made");
  const fs::path adapter = options_.out / "dpo" / "adapter";
  const double margin = metrics_.at("eval_rewards/margins");
  const bool margin_good = margin > 0, arena_good = arena_->high >= 0.5;
  detail(cat("adapter   ", adapter.string(), " (PEFT: adapter_config.json, adapter_model.safetensors)"));
  detail(cat("records   ", (options_.out / "dpo").string(), " (metrics.jsonl, TensorBoard events), and the database"));
  detail(cat("pictures  ", (options_.out / "workbench-loop.png").string(), " and two more"));
  detail(cat("time      ", fixed(watch_.seconds(), 0), " s"));
  const std::string home = cat("AFINA_HOME=", (options_.out / "home").string(), " ");
  say("\nTry next:");
  detail(cat(home, program("afina"), " generate --model ", options_.model.string(), " --adapter ", adapter.string(),
             " --prompt \"¿Qué se come en Quito?\""));
  detail(cat(home, program("afina"), " runs list"));
  detail(cat(home, program("afina-workbench")));
  say(cat("\nHeld-out preference accuracy ", fixed(100 * metrics_.at("eval_rewards/accuracies"), 1),
          " %, reward margin ", fixed(margin, 4), margin_good ? " (above zero)" : " (NOT above zero)"));
  say(cat("Blind win rate of the adapter ", fixed(100 * arena_->mean, 1), " % [", fixed(100 * arena_->low, 1), ", ",
          fixed(100 * arena_->high, 1), "]", arena_good ? "" : " (the interval lies BELOW one half)"));
  return margin_good && arena_good ? 0 : 1;
}

int Demo::run() {
  say(cat("Afina demo: people compare, votes become an adapter, the adapter goes back into the arena. Files: ",
          options_.out.string()));
  prepare_folder();
  start_servers();
  collect();
  step("Votes: three scripted annotators, each on a visit of their own");
  for (const auto& rules : panel_.annotators)
    detail(cat(rules.name, " (", rules.locale, ") prefers ", rules.prefers));
  judge("committed before they were acknowledged");
  snapshot();
  train();
  arena();
  pictures();
  const int code = verdict();
  if (options_.keep) {
    say(cat("\nRunning until Ctrl-C: collector ", collector_url_, ", model ", serve_url_));
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait(lock, stop_, [] { return false; });
  }
  return code;
}

}  // namespace

int run_demo(const DemoOptions& options, std::stop_token stop) {
  return Demo(options, std::move(stop)).run();
}

}  // namespace afina::app
