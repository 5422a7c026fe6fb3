// SPDX-License-Identifier: Apache-2.0
// The commands on models as a program meets them: golden numbers through stdin and stdout, files written and read
// again.
#include <cmath>
#include <filesystem>

#include "tests/app/verb_runner.h"

namespace afina::app {
namespace {

namespace fs = std::filesystem;

class ModelVerbs : public VerbTest {
 protected:
  static std::string tiny(const std::string& name) { return golden_path("tiny/" + name).string(); }
  std::string out(const std::string& name) const { return (folder_.path() / name).string(); }

  /// Largest difference of the log-probabilities that two commands give for the same ids.
  double gap(const std::string& a, const std::string& b) {
    const std::string ids = "{\"ids\":[5,9,200,31,77,301,4,18]}\n";
    const Answer one = run("score --model " + a, ids), two = run("score --model " + b, ids);
    EXPECT_EQ(one.code + two.code, 0);
    if (one.lines.size() != 1 || two.lines.size() != 1) return INFINITY;
    double most = one.lines[0]["logprobs"].size() == 7 ? 0 : INFINITY;
    for (size_t i = 0; i < 7; ++i)
      most = std::max(most,
                      std::abs(one.lines[0]["logprobs"][i].get<double>() - two.lines[0]["logprobs"][i].get<double>()));
    return most;
  }
};

TEST_F(ModelVerbs, ScoreNeedsNoTokenizerAndAnswersBadLinesWithoutStopping) {
  const Answer answer =
      run(cat("score --top 2 --jsonl --model ", tiny("qwen3")),
          "{\"ids\":[1,2,3]}\n{\"ids\":[320]}\n{\"ids\":[]}\n{}\nnot json\n{\"messages\":[]}\n{\"ids\":[1]}\n");
  EXPECT_EQ(answer.code, 0);
  ASSERT_EQ(answer.lines.size(), 7U);
  EXPECT_EQ(answer.lines[0]["logprobs"].size(), 2U);
  EXPECT_EQ(answer.lines[0]["top"].size(), 2U);
  for (const size_t bad : {1, 2, 3, 4, 5})
    EXPECT_TRUE(answer.lines[bad].contains("error")) << bad;
  EXPECT_EQ(answer.lines[1]["error"]["kind"], "data");
  EXPECT_EQ(answer.lines[6]["logprobs"].size(), 0U);
}

TEST_F(ModelVerbs, GenerateGivesThePeersGreedyIdsLineByLine) {
  const Json golden_runs = golden("smollm2/greedy.json")["runs"];
  std::string input;
  for (const Json& item : golden_runs)
    input += dump_json(Json{{"messages", {{{"role", "user"}, {"content", item["user"]}}}}}) + "\n";
  const Answer answer = run(cat("generate --greedy --max-new-tokens 64 --model ", smollm2_gguf().string()), input);
  ASSERT_EQ(answer.lines.size(), golden_runs.size());
  for (size_t i = 0; i < answer.lines.size(); ++i)
    EXPECT_EQ(answer.lines[i]["ids"], golden_runs[i]["new_ids"]) << i;
}

TEST_F(ModelVerbs, MergedWeightsScoreAsBaseAndAdapter) {
  const std::string base = tiny("llama31"), adapter = tiny("llama31/variants/patterns");
  ASSERT_EQ(run(cat("merge --model ", base, " --adapter ", adapter, " --out ", out("merged")), "").code, 0);
  EXPECT_LE(gap(out("merged"), cat(base, " --adapter ", adapter)), 1e-5);
  EXPECT_GT(gap(out("merged"), base), 1e-3) << "control: the adapter changes something";
  EXPECT_EQ(run(cat("merge --model ", base, " --adapter ", adapter, " --out ", out("merged")), "").code, 1);
}

TEST_F(ModelVerbs, ComposingOneAdapterWithWeightOneChangesNothing) {
  const std::string base = tiny("llama31"), a = tiny("llama31/compose/a"), b = tiny("llama31/compose/b");
  ASSERT_EQ(
      run(cat("compose --model ", base, " --adapter ", a, " --adapter ", b, " --weights 1,0 --out ", out("c")), "")
          .code,
      0);
  EXPECT_LE(gap(cat(base, " --adapter ", out("c")), cat(base, " --adapter ", a)), 1e-5);
  EXPECT_EQ(
      run(cat("compose --model ", base, " --adapter ", a, " --method ties --out ", out("d"), " --weights 1,2"), "")
          .code,
      2);
  EXPECT_EQ(run(cat("compose --model ", base, " --adapter ", a, " --method none --out ", out("d")), "").code, 2);
  EXPECT_FALSE(fs::exists(out("d")));
}

TEST_F(ModelVerbs, ExportedAdaptersScoreAsTheirSource) {
  const std::string base = tiny("llama31"), adapter = tiny("llama31/variants/rslora");
  for (const char* format : {"peft", "gguf-adapter"}) {
    const Answer exported = run(cat("export --json --model ", base, " --adapter ", adapter, " --format ", format,
                                    " --name toy --license mit --out ", out(format)),
                                "");
    ASSERT_EQ(exported.code, 0) << format;
    EXPECT_TRUE(exported.lines.at(0)["gate"]["passed"].get<bool>());
    const std::string written = std::string(format) == "peft" ? out(format) : out("gguf-adapter/toy.gguf");
    EXPECT_LE(gap(cat(base, " --adapter ", written), cat(base, " --adapter ", adapter)), 1e-5) << format;
  }
}

TEST_F(ModelVerbs, QuantizeWritesNf4FoldersAndRefusesATypeItCannotWrite) {
  const std::string base = tiny("llama31");
  ASSERT_EQ(run(cat("quantize --model ", base, " --type nf4 --out ", out("nf4")), "").code, 0);
  EXPECT_LE(gap(out("nf4"), tiny("llama31/nf4_dq")), 1e-6);
  EXPECT_EQ(run(cat("quantize --model ", base, " --type q4_k --out ", out("x.gguf")), "").code, 2);
  EXPECT_FALSE(fs::exists(out("x.gguf")));
}

TEST_F(ModelVerbs, InspectShowsFilesFoldersAndAdapters) {
  const Answer adapter = run(cat("inspect --json ", tiny("llama31/variants/rslora")), "");
  const Json shown = parse_json(adapter.out, "adapter");
  EXPECT_EQ(shown["kind"], "peft adapter");
  EXPECT_EQ(shown["adapter"]["r"], 4);
  EXPECT_EQ(shown["adapter"]["scale"], 4.0);
  EXPECT_EQ(shown["adapter"]["base_model"], "tiny");
  const Json folder = parse_json(run(cat("inspect --json ", tiny("llama31/nf4")), "").out, "folder");
  EXPECT_EQ(folder["config"]["model_type"], "llama");
  bool nf4 = false;
  for (const Json& tensor : folder["tensors"])
    nf4 = nf4 || tensor["dtype"] == "NF4";
  EXPECT_TRUE(nf4);
  const Json gguf = parse_json(run(cat("inspect --json ", smollm2_gguf().string()), "").out, "gguf");
  EXPECT_EQ(gguf["tensor_count"], 272);
  EXPECT_EQ(gguf["metadata"]["tokenizer.ggml.tokens"]["count"], 49152);
  EXPECT_EQ(run("inspect /nowhere", "").code, 1);
  EXPECT_EQ(run(cat("inspect ", golden_path("README.md").string()), "").code, 2);
}

}  // namespace
}  // namespace afina::app
