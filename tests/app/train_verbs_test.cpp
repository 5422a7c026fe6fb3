// SPDX-License-Identifier: Apache-2.0
// The training verbs as people run them: every kind of run, loss, optimiser and way of computing trains a tiny model
// for a few steps on rows of its form, and what must not depend on a setting does not.
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "tests/app/verb_runner.h"

namespace afina::app {
namespace {

using ::testing::HasSubstr;

class TrainVerbs : public VerbTest {
 protected:
  struct Run {
    int code = -1;
    Json report;
    std::vector<Json> records;
    std::string err;
    double loss(size_t step) const { return records.at(step).value("loss", NAN); }
  };

  static Json ids(std::mt19937& random, int n) {
    Json out = Json::array();
    for (int i = 0; i < n; ++i)
      out.push_back(3 + static_cast<int>(random() % 300));
    return out;
  }

  std::string write(const std::string& name, const std::vector<Json>& rows) {
    std::string text;
    for (const auto& row : rows)
      text += dump_json(row) + "\n";
    const auto path = folder_.path() / name;
    write_file_atomic(path, text);
    return path.string();
  }

  /// Twelve rows of the form that the kind trains on.
  std::string rows_of(const std::string& kind) {
    std::mt19937 random(7);
    std::vector<Json> rows;
    for (int i = 0; i < 12; ++i) {
      const Json prompt = ids(random, 4), a = ids(random, 5 + i % 4), b = ids(random, 7), c = ids(random, 3);
      if (kind == "sft") {
        rows.push_back({{"input_ids", a}, {"labels", a}});
      } else if (kind == "kto" || kind == "bco") {
        rows.push_back({{"prompt_ids", prompt}, {"completion_ids", a}, {"label", i % 2 == 0}});
      } else if (kind == "ranking") {
        rows.push_back({{"prompt_ids", prompt}, {"completions_ids", {a, b, c}}});
      } else {
        rows.push_back({{"prompt_ids", prompt}, {"chosen_ids", a}, {"rejected_ids", b}, {"tie", 0.0}});
      }
    }
    return write(kind + ".jsonl", rows);
  }

  Run train(const std::string& kind, const std::string& data, const std::string& settings) {
    const auto out = folder_.path() / cat("run", ++runs_);
    std::string command = cat("--database none ", kind, " --json --threads 2 --model ",
                              golden_path("tiny/llama31").string(), " --data ", data, " --out ", out.string(),
                              " --set max_steps=3 --set per_device_train_batch_size=4 --set r=4 --set lora_alpha=8 "
                              "--set learning_rate=1e-3");
    std::istringstream words(settings);
    for (std::string word; words >> word;)
      command += cat(" --set '", word, "'");
    Run run;
    const Answer answer = this->run(command, "");
    run.code = answer.code;
    run.err = read_file(folder_.path() / "err");
    if (answer.lines.size() == 1) run.report = answer.lines[0];
    std::ifstream metrics(out / "metrics.jsonl");
    for (std::string line; std::getline(metrics, line);)
      run.records.push_back(parse_json(line, "metrics"));
    EXPECT_EQ(run.code, 0) << command << "\n" << run.err;
    for (const auto& record : run.records)
      EXPECT_TRUE(std::isfinite(record.value("loss", NAN)) && record.value("grad_norm", 0.0) > 0) << command;
    return run;
  }

  int runs_ = 0;
};

TEST_F(TrainVerbs, EveryLossOfDpoBeginsWhereItsFormulaSays) {
  const std::string data = rows_of("dpo");
  const double ln2 = std::log(2.0);
  for (const auto& [loss, first] : std::vector<std::pair<std::string, double>>{{"sigmoid", ln2},
                                                                               {"hinge", 1.0},
                                                                               {"ipo", 25.0},
                                                                               {"nca_pair", 2 * ln2},
                                                                               {"bco_pair", 2 * ln2},
                                                                               {"sppo_hard", 50.0},
                                                                               {"aot", ln2},
                                                                               {"aot_unpaired", ln2},
                                                                               {"apo_zero", 1.0},
                                                                               {"apo_down", 1.0},
                                                                               {"sigmoid_norm", ln2}}) {
    const Run run = train("dpo", data, cat("loss_type=", loss, " beta=0.1"));
    ASSERT_EQ(run.records.size(), 3U) << loss;
    EXPECT_NEAR(run.loss(0), first, 1e-6) << loss;
    EXPECT_NE(run.loss(2), run.loss(0)) << loss;
  }
}

TEST_F(TrainVerbs, LossesOfDpoJoinAndTakeTheirOptions) {
  const std::string data = rows_of("dpo");
  for (const std::string settings :
       {"loss_type=sigmoid,sft loss_weights=1,0.5", "loss_type=robust label_smoothing=0.1",
        "loss_type=exo_pair label_smoothing=0.001", "loss_type=discopop", "use_weighting=true", "ld_alpha=0.5",
        "f_divergence_type=js_divergence", "loss_type=davidson", "loss_type=rao_kupper tie_parameter=2",
        "reference=base label_mode=hard"})
    EXPECT_EQ(train("dpo", data, settings).records.size(), 3U) << settings;
  EXPECT_NEAR(train("dpo", rows_of("ranking"), "loss_type=plackett_luce").loss(0), std::log(6.0), 1e-6)
      << "K answers, all equal: log K!";
}

TEST_F(TrainVerbs, EveryOtherKindTrains) {
  EXPECT_NEAR(train("kto", rows_of("kto"), "").loss(0), 0.5, 1e-6);
  EXPECT_EQ(train("kto", rows_of("kto"), "loss_type=apo_zero_unpaired").records.size(), 3U);
  EXPECT_NEAR(train("bco", rows_of("bco"), "").loss(0), std::log(2.0), 1e-6);
  EXPECT_EQ(train("cpo", rows_of("cpo"), "").records.size(), 3U);
  EXPECT_EQ(train("cpo", rows_of("cpo"), "loss_type=simpo cpo_alpha=0").records.size(), 3U);
  EXPECT_EQ(train("orpo", rows_of("orpo"), "").records.size(), 3U);
  EXPECT_EQ(train("reward", rows_of("reward"), "center_rewards_coefficient=0.01").records.size(), 3U);
  EXPECT_EQ(train("sft", rows_of("sft"), "neftune_noise_alpha=5").records.size(), 3U);
}

TEST_F(TrainVerbs, EveryOptimiserAndScheduleTrains) {
  const std::string data = rows_of("sft");
  for (const char* optim : {"adamw_torch", "adamw_8bit", "lion_32bit", "adafactor", "sgd", "muon"})
    EXPECT_LT(train("sft", data, cat("optim=", optim)).loss(2), 7.0) << optim;
  for (const char* schedule : {"cosine_with_restarts", "polynomial", "inverse_sqrt", "warmup_stable_decay"})
    EXPECT_EQ(train("sft", data,
                    cat("lr_scheduler_type=", schedule,
                        std::string(schedule) == "warmup_stable_decay" ? " lr_scheduler_kwargs=num_decay_steps=1" : ""))
                  .records.size(),
              3U)
        << schedule;
  EXPECT_EQ(train("sft", data, "loraplus_lr_ratio=16 learning_rate_pattern=down_proj=1e-4").records.size(), 3U);
}

TEST_F(TrainVerbs, RecomputeChangesNoBitOfTheAdapter) {
  const std::string data = rows_of("dpo");
  const Run kept = train("dpo", data, "recompute=none lora_dropout=0.1");
  for (const char* recompute : {"gate_up", "layer"}) {
    const Run run = train("dpo", data, cat("lora_dropout=0.1 recompute=", recompute));
    EXPECT_EQ(run.report["adapter_sha256"], kept.report["adapter_sha256"]) << recompute;
  }
}

TEST_F(TrainVerbs, RowsFromTheCacheTrainTheSameAdapter) {
  const std::string data = rows_of("dpo");
  const std::string home = (folder_.path() / "home").string();
  setenv("AFINA_HOME", home.c_str(), 1);
  const Run first = train("dpo", data, ""), second = train("dpo", data, ""),
            without = train("dpo", data, "tokenized_cache=false");
  unsetenv("AFINA_HOME");
  EXPECT_THAT(second.err, HasSubstr("ids from the cache"));
  EXPECT_EQ(first.err.find("ids from the cache"), std::string::npos);
  EXPECT_EQ(first.report["adapter_sha256"], second.report["adapter_sha256"]);
  EXPECT_EQ(first.report["adapter_sha256"], without.report["adapter_sha256"]);
}

TEST_F(TrainVerbs, Bfloat16AndNf4StayNearFloat32) {
  const std::string data = rows_of("sft");
  const Run exact = train("sft", data, "");
  for (const char* settings : {"dtype=bfloat16", "load_in_4bit=true", "load_in_4bit=true dtype=bfloat16"}) {
    const Run run = train("sft", data, settings);
    EXPECT_NEAR(run.loss(0), exact.loss(0), std::string(settings) == "dtype=bfloat16" ? 0.02 : 0.2) << settings;
    EXPECT_NE(run.loss(0), exact.loss(0)) << settings;
  }
}

TEST_F(TrainVerbs, TheMemoryPlanIsToldAndARunThatCannotFitIsRefused) {
  const std::string data = rows_of("sft");
  const Run run = train("sft", data, "");
  EXPECT_GT(run.report["planned_memory_bytes"].get<int64_t>(), 0);
  EXPECT_GT(run.report["peak_memory_bytes"].get<int64_t>(), 0);
  EXPECT_THAT(run.err, HasSubstr("memory "));
  const Answer refused = this->run(cat("--database none sft --model ", golden_path("tiny/llama31").string(), " --data ",
                                       data, " --out ", (folder_.path() / "no").string(), " --set max_memory_gb=0.01"),
                                   "");
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(read_file(folder_.path() / "err"), HasSubstr("must fit into 0.01 GB"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "no"));
}

TEST_F(TrainVerbs, SettingsThatCannotBeTogetherAreRefusedBeforeAnythingIsMade) {
  const std::string data = rows_of("dpo");
  for (const auto& [settings, words] : std::vector<std::pair<std::string, std::string>>{
           {"loss_type=aot --set use_weighting=true", "aot"},
           {"loss_type=exo_pair", "exo_pair"},
           {"loss_type=nosuch", "nosuch"},
           {"loss_type=rao_kupper --set tie_parameter=0.5", "tie_parameter"},
           {"lr_scheduler_kwargs=nonsense", "lr_scheduler_kwargs"}}) {
    const Answer answer = run(cat("--database none dpo --model ", golden_path("tiny/llama31").string(), " --data ",
                                  data, " --out ", (folder_.path() / "no").string(), " --set ", settings),
                              "");
    EXPECT_EQ(answer.code, 2) << settings;
    EXPECT_THAT(read_file(folder_.path() / "err"), HasSubstr(words)) << settings;
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "no")) << settings;
  }
}

}  // namespace
}  // namespace afina::app
