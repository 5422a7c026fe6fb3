// SPDX-License-Identifier: Apache-2.0
// MB/s of encoding one text on one thread, and of loading the tokenizer. bench_tokenize MODEL TEXT [FOLDER]: MODEL is a
// tokenizer.json or a GGUF vocabulary, which FOLDER then gets as tokenizer.json, so that a peer reads the same. The
// last line is the number of ids and the hash of them as text, which must equal the peer's.
#include <chrono>
#include <functional>
#include <iostream>

#include "base/cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "bench/bench_report.h"
#include "formats/gguf.h"
#include "text/convert/hf_tokenizer_files.h"
#include "text/tokenizer.h"

namespace {

constexpr int kRounds = 7;
constexpr int64_t kMaxPositions = 8192;  // a field of tokenizer_config.json that nothing here reads

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

afina::text::Tokenizer load(const std::filesystem::path& model) {
  if (model.extension() == ".json") return afina::text::load_tokenizer_json(model);
  return afina::text::load_gguf_tokenizer(afina::formats::GgufFile(model));
}

void run(const std::filesystem::path& model, const std::filesystem::path& text_path, const std::string& folder) {
  if (!folder.empty()) {
    for (const auto& [name, content] : afina::text::hf_tokenizer_files(afina::formats::GgufFile(model), kMaxPositions))
      afina::write_file_atomic(std::filesystem::path(folder) / name, content);
  }
  const std::string text = afina::read_file(text_path);
  std::cout << afina::bench::machine_line(1) << "\n";
  const double load_s = seconds_of([&] { load(model); });
  const afina::text::Tokenizer tokenizer = load(model);
  std::vector<int32_t> ids;
  std::vector<double> speeds;
  for (int round = 0; round < kRounds; ++round)
    speeds.push_back(static_cast<double>(text.size()) / 1e6 / seconds_of([&] { ids = tokenizer.encode(text); }));
  const auto speed = afina::bench::spread(speeds);
  std::string shown;
  for (const int32_t id : ids)
    shown += std::to_string(id) + " ";
  std::cout << "afina: load " << load_s << " s, encode " << speed.median << " MB/s (" << speed.low << " to "
            << speed.high << ", " << kRounds << " rounds)\n"
            << "ids " << ids.size() << " " << afina::sha256_hex(shown) << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) throw afina::UsageError("[bench_tokenize] must be given MODEL and TEXT, but is not");
    run(argv[1], argv[2], argc > 3 ? argv[3] : "");
    return 0;
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
