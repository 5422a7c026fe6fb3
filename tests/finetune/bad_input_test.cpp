// SPDX-License-Identifier: Apache-2.0
// Bad input of a training run: a typed error that names the place, and nothing written.
#include <gmock/gmock.h>

#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "finetune/encoded_rows.h"
#include "finetune/run_folder.h"
#include "finetune/train_job.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return cat(to_string(error.kind()), ": ", error.what());
  }
  return "no error";
}

class BadInput : public ::testing::Test {
 protected:
  std::string read(const std::string& content, RunKind kind = RunKind::dpo) {
    write_file_atomic(folder_.path() / "rows.jsonl", content);
    return error_of([&] { read_rows(kind, folder_.path() / "rows.jsonl"); });
  }
  std::string encode(const std::string& content, RunKind kind, const RunConfig& config) {
    write_file_atomic(folder_.path() / "rows.jsonl", content);
    return error_of([&] { encode_rows(read_rows(kind, folder_.path() / "rows.jsonl"), nullptr, config, 100); });
  }
  const std::string good_ = "{\"prompt_ids\":[1,2],\"chosen_ids\":[3],\"rejected_ids\":[4]}\n";
  TempFolder folder_;
};

TEST_F(BadInput, ALineThatIsNotJsonIsNamed) {
  EXPECT_THAT(read(good_ + "{\"prompt_ids\": [1,\n"), AllOf(HasSubstr("data: "), HasSubstr("rows.jsonl:2")));
}

TEST_F(BadInput, ALineThatIsTooLongIsNamed) {
  EXPECT_THAT(read(good_ + "{\"prompt\":\"" + std::string(2 << 20, 'a') + "\"}\n"),
              AllOf(HasSubstr("data: "), HasSubstr("rows.jsonl:2")));
}

TEST_F(BadInput, ALineThatIsNotUtf8IsNamed) {
  EXPECT_THAT(read(good_ + "{\"prompt\":\"\xff\xfe\",\"chosen\":\"a\",\"rejected\":\"b\"}\n"),
              AllOf(HasSubstr("data: "), HasSubstr("rows.jsonl:2")));
}

TEST_F(BadInput, NoRowsAndNoFileAreTold) {
  EXPECT_THAT(read("\n"), AllOf(HasSubstr("data: "), HasSubstr("rows.jsonl")));
  EXPECT_THAT(error_of([] { read_rows(RunKind::sft, "/no/such/rows.jsonl"); }), HasSubstr("not_found: "));
}

TEST_F(BadInput, APromptThatAloneFillsMaxLengthIsNamedOrDropped) {
  const std::string rows = good_ + "{\"prompt_ids\":[1,2,3,4,5,6,7,8,9],\"chosen_ids\":[3],\"rejected_ids\":[4]}\n";
  RunConfig config;
  config.max_length = 8;
  EXPECT_THAT(encode(rows, RunKind::dpo, config), AllOf(HasSubstr("data: "), HasSubstr("rows.jsonl:2")));
  config.bad_rows = BadRows::drop;
  EXPECT_EQ(encode(rows, RunKind::dpo, config), "no error");
}

TEST_F(BadInput, AnIdBeyondTheVocabularyIsNamed) {
  EXPECT_THAT(encode("{\"input_ids\":[1,2,100],\"labels\":[-100,2,100]}\n", RunKind::sft, RunConfig()),
              AllOf(HasSubstr("data: "), HasSubstr("rows.jsonl:1")));
}

TEST_F(BadInput, AnOutFolderWithFilesIsRefusedWithoutResume) {
  write_file_atomic(folder_.path() / "notes.txt", "mine");
  EXPECT_THAT(error_of([&] { check_run_folder(folder_.path(), false); }),
              AllOf(HasSubstr("conflict: "), HasSubstr("--resume")));
  EXPECT_THAT(error_of([&] { check_run_folder(folder_.path(), true); }), HasSubstr("not_found: "));
  EXPECT_EQ(error_of([&] { check_run_folder(folder_.path() / "new" / "run", false); }), "no error");
  EXPECT_FALSE(fs::exists(folder_.path() / "new"));
}

TEST_F(BadInput, AnOutFolderThatCannotBeWrittenIsAStorageError) {
  write_file_atomic(folder_.path() / "file", "x");
  EXPECT_THAT(error_of([&] { check_run_folder(folder_.path() / "file" / "run", false); }), HasSubstr("storage: "));
  EXPECT_THAT(error_of([] { RunFolder("/proc/afina-run", false, OrderedJson::object()); }), HasSubstr("storage: "));
}

TEST_F(BadInput, TwoProcessesDoNotShareARunFolder) {
  const OrderedJson record = {{"run_id", "r"}};
  const fs::path out = folder_.path() / "run";
  const RunFolder first(out, false, record);
  EXPECT_THAT(error_of([&] { RunFolder(out, true, {}); }), HasSubstr("conflict: "));
}

TEST_F(BadInput, AConfigThatCannotRunStopsBeforeAnythingIsLoadedOrWritten) {
  TrainRequest request;
  request.config.r = 0;
  request.model = "/no/such/model.gguf";
  request.out = folder_.path() / "run";
  EXPECT_THAT(error_of([&] { TrainJob job(request); }), AllOf(HasSubstr("usage: "), HasSubstr("r must be at least 1")));
  request.config.r = 8;
  EXPECT_THAT(error_of([&] { TrainJob job(request); }), AllOf(HasSubstr("not_found: "), HasSubstr("model.gguf")));
  EXPECT_FALSE(fs::exists(request.out));
}

}  // namespace
}  // namespace afina::finetune
