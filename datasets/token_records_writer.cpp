// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "datasets/token_layout.h"
#include "datasets/token_records.h"

namespace afina::datasets {
namespace {

using layout::FileHead;
using layout::RecordHead;

template <typename T>
void put(std::vector<std::byte>& out, const std::vector<T>& list) {
  const auto bytes = std::as_bytes(std::span(list));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void put(std::vector<std::byte>& out, const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

bool all_trained(const TokenExample& example) {
  return std::all_of(example.sequences.begin(), example.sequences.end(), [](const TokenSequence& sequence) {
    return std::all_of(sequence.weights.begin(), sequence.weights.end(), [](float w) { return w == 1.0F; });
  });
}

void check_size(const TokenExample& example) {
  if (example.rows() > std::numeric_limits<int>::max()) {
    throw DataError(
        cat("[datasets.token_records] must have rows below 2^31 tokens, but got one of ", example.rows(), "."));
  }
  for (const TokenSequence& sequence : example.sequences)
    AFINA_CHECK(sequence.ids.size() == sequence.weights.size(), "a weight for each id");
  AFINA_CHECK(example.prefix_weights.empty() || example.prefix_weights.size() == example.prefix_ids.size(),
              "a weight for each id of the prompt");
}

// The record with its checksum, padded to a multiple of 8.
void serialise(const TokenRecord& record, std::vector<std::byte>& out) {
  const TokenExample& example = record.example;
  const bool plain = all_trained(example);
  const std::string lineage = record.preference_ids.empty() ? std::string() : dump_json(Json(record.preference_ids));
  RecordHead head;
  head.sequences = static_cast<uint32_t>(example.sequences.size());
  head.prefix = static_cast<uint32_t>(example.prefix_ids.size());
  head.flags = (example.score ? layout::kScore : 0U) | (example.prefix_weights.empty() ? 0U : layout::kPromptWeights) |
               (plain ? layout::kAllTrained : 0U);
  head.name_bytes = static_cast<uint32_t>(record.name.size());
  head.lineage_bytes = static_cast<uint32_t>(lineage.size());
  head.soft_label = example.soft_label;
  head.margin = example.margin;
  head.weight = example.weight;
  head.tie = example.tie;
  out.assign(sizeof head, std::byte{});
  std::vector<uint32_t> lengths;
  for (const TokenSequence& sequence : example.sequences)
    lengths.push_back(static_cast<uint32_t>(sequence.ids.size()));
  put(out, lengths);
  put(out, example.prefix_ids);
  for (const TokenSequence& sequence : example.sequences)
    put(out, sequence.ids);
  put(out, example.prefix_weights);
  for (const TokenSequence& sequence : example.sequences) {
    if (!plain) put(out, sequence.weights);
  }
  put(out, record.name);
  put(out, lineage);
  out.resize((out.size() + 7) / 8 * 8);
  std::memcpy(out.data(), &head, sizeof head);
  head.checksum = layout::checksum(out);
  std::memcpy(out.data(), &head.checksum, sizeof head.checksum);
}

layout::Digest digest_of(const std::string& hex_digits) {
  layout::Digest digest{};
  AFINA_CHECK(hex_digits.size() == 2 * digest.size(), "64 hex digits, not ", hex_digits);
  for (size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<uint8_t>(std::stoi(hex_digits.substr(2 * i, 2), nullptr, 16));
  return digest;
}

}  // namespace

struct TokenRecordsWriter::File {
  File(std::filesystem::path target, const std::string& key_sha256)
      : path(std::move(target)), temporary(path), key(digest_of(key_sha256)), key_hex(key_sha256) {
    temporary += ".tmp-" + random_hex(6);
    stream = std::fopen(temporary.c_str(), "wbxe");
    if (stream == nullptr) fail("be a new file");
    std::setvbuf(stream, nullptr, _IOFBF, size_t{1} << 20);
  }
  ~File() {
    if (stream != nullptr) std::fclose(stream);
    if (!renamed) ::unlink(temporary.c_str());
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[noreturn]] void fail(const char* what) const {
    throw StorageError(cat("[", temporary.string(), "] must ", what, ", but got: ", std::strerror(errno), "."));
  }
  void write(const void* data, size_t size) {
    if (size > 0 && std::fwrite(data, 1, size, stream) != size) fail("take the ids of the data set");
  }
  void publish(const FileHead& head) {
    if (std::fseek(stream, 0, SEEK_SET) != 0) fail("take its header");
    write(&head, sizeof head);
    if (std::fflush(stream) != 0 || ::fsync(::fileno(stream)) != 0) fail("reach the disk");
    if (std::rename(temporary.c_str(), path.c_str()) != 0) fail("be renamed");
    renamed = true;
    sync_path(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
  }

  std::filesystem::path path, temporary;
  layout::Digest key;
  std::string key_hex;
  std::FILE* stream = nullptr;
  bool renamed = false;
};

TokenRecordsWriter::TokenRecordsWriter() = default;

TokenRecordsWriter::TokenRecordsWriter(std::filesystem::path path, const std::string& key_sha256)
    : file_(std::make_unique<File>(std::move(path), key_sha256)) {
  const FileHead unfinished{};
  file_->write(&unfinished, sizeof unfinished);
}

TokenRecordsWriter::~TokenRecordsWriter() = default;

int64_t TokenRecordsWriter::size() const {
  return static_cast<int64_t>(index_.size());
}

void TokenRecordsWriter::add(const TokenRecord& record) {
  const TokenExample& example = record.example;
  check_size(example);
  serialise(record, scratch_);
  if (file_) {
    file_->write(scratch_.data(), scratch_.size());
  } else {
    records_.insert(records_.end(), scratch_.begin(), scratch_.end());
  }
  index_.push_back({written_, static_cast<uint32_t>(example.rows()), static_cast<uint32_t>(example.prefix_ids.size()),
                    prompt_key(example.prefix_ids)});
  written_ += scratch_.size();
  data_.update(content_hash(example));
  const double label[] = {example.soft_label, example.margin, example.weight};
  data_.update(label, sizeof label);
  // Left out at 0, so that runs on data without ties keep their data's hash.
  if (example.tie != 0.0) data_.update(&example.tie, sizeof example.tie);
}

std::shared_ptr<const TokenRecords> TokenRecordsWriter::finish(const Json& notes) {
  if (!file_) {
    std::shared_ptr<TokenRecords> out(new TokenRecords());
    out->owned_ = std::move(records_);
    out->owned_index_ = std::move(index_);
    out->records_ = out->owned_;
    out->index_ = std::as_bytes(std::span(out->owned_index_));
    out->rows_ = out->owned_index_.size();
    out->where_ = "rows in memory";
    out->data_hash_ = data_.finish_hex();
    out->notes_ = notes;
    return out;
  }
  const std::string text = dump_json(notes);
  const auto index = std::as_bytes(std::span(index_));
  file_->write(index.data(), index.size());
  file_->write(text.data(), text.size());
  FileHead head;
  head.version = kTokenRecordsVersion;
  head.key = file_->key;
  head.rows = index_.size();
  head.records_bytes = written_;
  head.notes_bytes = text.size();
  head.data_sha256 = data_.finish();
  head.index_sha256 = layout::sha256(index);
  head.notes_sha256 = layout::sha256(std::as_bytes(std::span(text)));
  head.head_sha256 = layout::head_sha256(head);
  file_->publish(head);
  return TokenRecords::open(file_->path, file_->key_hex);
}

}  // namespace afina::datasets
