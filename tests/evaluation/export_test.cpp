// SPDX-License-Identifier: Apache-2.0
// Exports of the tiny models, proven and refused.
#include "evaluation/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::evaluation {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

ExportRequest request(const TempFolder& temp, ExportFormat format, const std::string& type) {
  ExportRequest r;
  r.format = format;
  r.base = golden_path("tiny/llama31");
  r.adapter = golden_path("tiny/llama31/adapter");
  r.out = temp.path() / "out";
  r.type = type;
  r.name = "toy";
  r.license = "apache-2.0";
  return r;
}

TEST(Export, WritesEveryFormatThatNeedsNoTokenizerAndProvesIt) {
  for (const auto& [format, type] : {std::pair{ExportFormat::peft, "f32"},
                                     {ExportFormat::hf, "f32"},
                                     {ExportFormat::hf, "f16"},
                                     {ExportFormat::gguf_adapter, "f32"}}) {
    const TempFolder temp;
    const ExportReport report = export_model(request(temp, format, type));
    EXPECT_TRUE(report.gate.passed) << to_string(format);
    EXPECT_GT(report.gate.effect, 1e-3) << to_string(format);
    EXPECT_THAT(report.files, Contains("README.md"));
    EXPECT_THAT(report.files, Contains("publish.json"));
    EXPECT_THAT(read_file(temp.path() / "out" / "README.md"), HasSubstr("Publish gate"));
  }
}

TEST(Export, RefusesATypeThatWouldLoseWhatWasTrainedAndLeavesNothing) {
  const TempFolder temp;
  ExportRequest weak = request(temp, ExportFormat::hf, "bf16");
  weak.adapter = temp.path() / "weak";
  fs::copy(golden_path("tiny/llama31/adapter"), weak.adapter);
  fs::permissions(weak.adapter / "adapter_config.json", fs::perms::owner_all);
  Json config = parse_json(read_file(weak.adapter / "adapter_config.json"), "config");
  config["lora_alpha"] = 0.004;  // an effect far below the rounding of bf16
  write_file_atomic(weak.adapter / "adapter_config.json", dump_json(config));
  EXPECT_THAT([&] { export_model(weak); }, testing::ThrowsMessage<ModelError>(HasSubstr("would be lost")));
  EXPECT_FALSE(fs::exists(weak.out));
  EXPECT_EQ(std::distance(fs::directory_iterator(temp.path()), fs::directory_iterator()), 1);
}

TEST(Export, OfALlamaBaseCarriesNoticeAgreementAndName) {
  const TempFolder temp;
  ExportRequest r = request(temp, ExportFormat::peft, "");
  r.license = "llama3.1";
  EXPECT_THROW(export_model(r), UsageError) << "a name without the prefix";
  r.name = "Llama-toy";
  EXPECT_THAT([&] { export_model(r); }, testing::ThrowsMessage<ModelError>(HasSubstr("--license-file")));
  write_file_atomic(temp.path() / "LICENSE", "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\n…");
  r.licence_files = {temp.path() / "LICENSE"};
  const ExportReport report = export_model(r);
  EXPECT_THAT(report.files, Contains("NOTICE"));
  EXPECT_THAT(report.files, Contains("LICENSE"));
  EXPECT_THAT(read_file(r.out / "README.md"), HasSubstr("Built with Llama"));
}

TEST(Export, RefusesRequestsThatMakeNoSense) {
  const TempFolder temp;
  ExportRequest r = request(temp, ExportFormat::peft, "q8_0");
  EXPECT_THROW(export_model(r), UsageError);
  r = request(temp, ExportFormat::peft, "");
  r.adapter.clear();
  EXPECT_THROW(export_model(r), UsageError);
  r = request(temp, ExportFormat::peft, "");
  r.out = temp.path();
  EXPECT_THROW(export_model(r), Conflict);
  r = request(temp, ExportFormat::peft, "");
  r.adapter = temp.path() / "missing";
  EXPECT_THROW(export_model(r), NotFound);
  r = request(temp, ExportFormat::hf, "");
  r.name = "../evil";
  EXPECT_THROW(export_model(r), UsageError);
}

TEST(Export, DryRunProvesAndKeepsNothing) {
  const TempFolder temp;
  ExportRequest r = request(temp, ExportFormat::hf, "f32");
  r.dry_run = true;
  EXPECT_TRUE(export_model(r).gate.passed);
  EXPECT_TRUE(fs::is_empty(temp.path()));
}

}  // namespace
}  // namespace afina::evaluation
