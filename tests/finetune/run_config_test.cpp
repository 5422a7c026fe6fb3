// SPDX-License-Identifier: Apache-2.0
#include "finetune/config/run_config.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

template <typename Function>
std::string message_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RunConfig, DefaultsOfBothKindsCanRun) {
  EXPECT_TRUE(problems(RunKind::sft, default_config(RunKind::sft)).empty());
  EXPECT_TRUE(problems(RunKind::dpo, default_config(RunKind::dpo)).empty());
  EXPECT_LT(default_config(RunKind::dpo).learning_rate, default_config(RunKind::sft).learning_rate);
}

TEST(RunConfig, HasThePeersKeys) {
  const auto names = field_names<RunConfig>();
  for (const char* key : {"learning_rate",
                          "lr_scheduler_type",
                          "warmup_steps",
                          "warmup_ratio",
                          "max_steps",
                          "num_train_epochs",
                          "per_device_train_batch_size",
                          "gradient_accumulation_steps",
                          "weight_decay",
                          "max_grad_norm",
                          "adam_beta1",
                          "adam_beta2",
                          "adam_epsilon",
                          "r",
                          "lora_alpha",
                          "lora_dropout",
                          "target_modules",
                          "use_rslora",
                          "use_dora",
                          "lora_bias",
                          "init_lora_weights",
                          "layers_to_transform",
                          "rank_pattern",
                          "alpha_pattern",
                          "load_in_4bit",
                          "bnb_4bit_use_double_quant",
                          "max_length",
                          "beta",
                          "seed",
                          "dtype",
                          "logging_steps",
                          "save_steps",
                          "eval_steps",
                          "save_total_limit",
                          "shuffle",
                          "packing",
                          "reference",
                          "label_mode"}) {
    EXPECT_THAT(names, ::testing::Contains(key));
  }
}

TEST(RunConfig, TakesPeftsSpellingsAndNamesWhatCannotRun) {
  const TempFolder folder;
  const auto file = folder.path() / "run.json";
  write_file_atomic(file, R"({"init_lora_weights": false, "layers_to_transform": [0, 2], "use_dora": true,
    "rank_pattern": {"q_proj": 8}, "alpha_pattern": {"q_proj": 16.5}})");
  RunConfig config = read_run_config(RunKind::sft, file, {"rank_pattern=k_proj=4,v_proj=2"});
  EXPECT_EQ(config.init_lora_weights, "false");
  EXPECT_EQ(config.layers_to_transform, (std::vector<std::string>{"0", "2"}));
  EXPECT_EQ(config.rank_pattern, (std::vector<std::string>{"k_proj=4", "v_proj=2"}));
  EXPECT_EQ(pattern_entry("alpha_pattern", config.alpha_pattern.at(0)), std::pair(std::string("q_proj"), 16.5));
  EXPECT_TRUE(problems(RunKind::sft, config).empty());
  config.lora_dropout = 0.1;
  config.lora_bias = true;
  config.init_lora_weights = "olora";
  config.layers_to_transform = {"first"};
  config.rank_pattern = {"q_proj", "k_proj=0", "v_proj=1.5"};
  EXPECT_EQ(problems(RunKind::sft, config).size(), 7U);
}

TEST(RunConfig, TheHashOfAPlainAdapterStaysThatOfOlderRuns) {
  RunConfig config;
  const std::string plain = config_hash(RunKind::sft, config);
  config.use_dora = true;
  EXPECT_NE(config_hash(RunKind::sft, config), plain);
}

TEST(RunConfig, FileThenSetOverDefaults) {
  const TempFolder folder;
  const auto file = folder.path() / "run.json";
  write_file_atomic(file, R"({
    // a comment
    "learning_rate": 5e-5, "target_modules": "all-linear", "lr_scheduler_type": "cosine", "max_steps": 10
  })");
  const RunConfig config =
      read_run_config(RunKind::dpo, file, {"max_steps=20", "target_modules=q_proj,v_proj", "reference=base"});
  EXPECT_EQ(config.learning_rate, 5e-5);
  EXPECT_EQ(config.lr_scheduler_type, SchedulerType::cosine);
  EXPECT_EQ(config.max_steps, 20);
  EXPECT_EQ(config.target_modules, (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(config.reference, ReferencePolicy::base);
  EXPECT_EQ(config.adam_beta2, 0.999);
}

TEST(RunConfig, UnknownKeyNamesTheNearest) {
  EXPECT_THAT(message_of([] { read_run_config(RunKind::sft, "", {"learning_rat=1"}); }),
              HasSubstr("\"learning_rate\""));
  const TempFolder folder;
  write_file_atomic(folder.path() / "run.json", R"({"lora_alfa": 8})");
  const std::string message = message_of([&] { read_run_config(RunKind::sft, folder.path() / "run.json", {}); });
  EXPECT_THAT(message, HasSubstr("\"lora_alpha\""));
  EXPECT_THAT(message, HasSubstr("run.json"));
}

TEST(RunConfig, WrongTypesAndBrokenFilesAreNamed) {
  EXPECT_THAT(message_of([] { read_run_config(RunKind::sft, "", {"max_steps=soon"}); }), HasSubstr("a whole number"));
  EXPECT_THAT(message_of([] { read_run_config(RunKind::sft, "", {"lr_scheduler_type=square"}); }),
              HasSubstr("\"square\""));
  EXPECT_THAT(message_of([] { read_run_config(RunKind::sft, "/no/such/run.json", {}); }),
              HasSubstr("/no/such/run.json"));
  const TempFolder folder;
  write_file_atomic(folder.path() / "run.json", R"({"r": 8)");
  EXPECT_THROW(read_run_config(RunKind::sft, folder.path() / "run.json", {}), DataError);
  write_file_atomic(folder.path() / "run.json", R"([1])");
  EXPECT_THROW(read_run_config(RunKind::sft, folder.path() / "run.json", {}), UsageError);
}

TEST(RunConfig, AllProblemsAreToldAtOnce) {
  RunConfig config;
  config.r = 0;
  config.lora_dropout = 1.5;
  config.load_best_model_at_end = true;
  config.target_modules = {"all-linear", "q_proj"};
  EXPECT_THAT(problems(RunKind::sft, config), SizeIs(4));
  const std::string message = message_of([&] { validate(RunKind::sft, config); });
  EXPECT_THAT(message, HasSubstr("4 problems"));
  EXPECT_THAT(message, HasSubstr("eval_steps must be at least 1 with early_stopping_patience, load_best_model_at_end "
                                 "or reduce_lr_on_plateau"));
}

TEST(RunConfig, DefaultsOfEveryKindCanRun) {
  for (const auto kind : {RunKind::kto, RunKind::cpo, RunKind::orpo, RunKind::bco, RunKind::reward})
    EXPECT_THAT(problems(kind, default_config(kind)), SizeIs(0)) << to_string(kind);
}

TEST(RunConfig, AKeyOfAnotherKindIsAMistake) {
  for (const auto& [kind, key] : {std::pair{RunKind::sft, "loss_type=ipo"}, std::pair{RunKind::dpo, "cpo_alpha=0"},
                                  std::pair{RunKind::kto, "ld_alpha=0.5"}, std::pair{RunKind::orpo, "reference=base"},
                                  std::pair{RunKind::reward, "beta=0.2"}}) {
    const RunConfig config = read_run_config(kind, "", {key});
    const std::string name = std::string(key).substr(0, std::string(key).find('='));
    EXPECT_THAT(message_of([&, k = kind] { validate(k, config); }), HasSubstr(name + " must be left out of"));
  }
}

TEST(RunConfig, PackingIsRefusedWhereTheLossIsAboutTheMicroBatch) {
  for (const auto kind : {RunKind::kto, RunKind::bco}) {
    RunConfig config = default_config(kind);
    config.packing = true;
    EXPECT_THAT(problems(kind, config), ElementsAre(HasSubstr("packing must be off")));
  }
  RunConfig config = default_config(RunKind::dpo);
  config.packing = true;
  EXPECT_THAT(problems(RunKind::dpo, config), SizeIs(0));
  config.loss_type = {"aot_unpaired"};
  EXPECT_THAT(problems(RunKind::dpo, config), ElementsAre(HasSubstr("packing must be off")));
}

TEST(RunConfig, TakesThePeersSpellingsOfLossesAndSchedules) {
  const TempFolder folder;
  write_file_atomic(folder.path() / "run.json", R"({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5],
    "lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}, "optim": "adamw_bnb_8bit"})");
  const RunConfig config = read_run_config(RunKind::dpo, folder.path() / "run.json", {});
  EXPECT_EQ(config.loss_type, (std::vector<std::string>{"sigmoid", "sft"}));
  EXPECT_EQ(config.loss_weights, (std::vector<std::string>{"1.0", "0.5"}));
  EXPECT_EQ(config.lr_scheduler_kwargs, (std::vector<std::string>{"min_lr_rate=0.1"}));
  EXPECT_EQ(config.optim, OptimiserType::adamw_8bit);
  write_file_atomic(folder.path() / "run.json", R"({"loss_type": "hinge"})");
  EXPECT_EQ(read_run_config(RunKind::dpo, folder.path() / "run.json", {}).loss_type, std::vector<std::string>{"hinge"});
}

TEST(RunConfig, WeightsOfLossesAreAsManyNumbersAsLosses) {
  RunConfig config = default_config(RunKind::dpo);
  config.loss_type = {"sigmoid", "sft"};
  config.loss_weights = {"1"};
  EXPECT_THAT(problems(RunKind::dpo, config), ElementsAre(HasSubstr("one number for each loss_type")));
  config.loss_weights = {"1", "much"};
  EXPECT_THAT(problems(RunKind::dpo, config), ElementsAre(HasSubstr("but got 'much'")));
}

TEST(RunConfig, EveryNumberHasARange) {
  for_each_field(static_cast<const RunConfig&>(RunConfig{}),
                 [](const char* name, const auto& field, const FieldInfo& info) {
                   EXPECT_STRNE(info.help, "") << name;
                   if constexpr (config_detail::is_number<std::decay_t<decltype(field)>>()) {
                     EXPECT_GT(info.minimum, -1e299) << name;
                     EXPECT_LT(info.maximum, 1e299) << name;
                   }
                 });
}

TEST(RunConfig, ACudaRunNamesWhatOnlyTheCpuDoes) {
  RunConfig config = default_config(RunKind::sft);
  config.device = DeviceType::cuda;
  config.loss_sum = LossSum::float64;
  EXPECT_THAT(problems(RunKind::sft, config), SizeIs(0));
  config.loss_sum = LossSum::float32;
  config.use_dora = true;
  EXPECT_THAT(problems(RunKind::sft, config),
              UnorderedElementsAre(HasSubstr("loss_sum must be float64"), HasSubstr("use_dora must be false")));
}

TEST(RunConfig, HashSeesWhatDecidesTheNumbersOnly) {
  RunConfig config;
  const std::string hash = config_hash(RunKind::sft, config);
  config.save_steps = 7;
  config.precompute_ref_log_probs = true;
  config.logging_steps = 3;
  EXPECT_EQ(config_hash(RunKind::sft, config), hash);
  EXPECT_NE(config_hash(RunKind::dpo, config), hash);
  config.seed = 43;
  EXPECT_NE(config_hash(RunKind::sft, config), hash);
}

TEST(RunConfig, StoredRecordReadsBack) {
  RunConfig config;
  config.lr_scheduler_type = SchedulerType::constant_with_warmup;
  config.target_modules = {"o_proj"};
  RunConfig back;
  read_config(back, Json::parse(dump_json(config_json(config))), "record");
  EXPECT_EQ(config_hash(RunKind::sft, back), config_hash(RunKind::sft, config));
}

}  // namespace
}  // namespace afina::finetune
