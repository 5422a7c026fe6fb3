// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors_stream.h"

#include <iomanip>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/output_file.h"
#include "formats/safetensors_layout.h"

namespace afina::formats {
namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";

std::string shard_name(size_t i, size_t count) {
  if (count == 1) return "model.safetensors";
  std::ostringstream name;
  name << "model-" << std::setfill('0') << std::setw(5) << i + 1 << "-of-" << std::setw(5) << count << ".safetensors";
  return name.str();
}

// As huggingface_hub splits: in order, each shard filled up, an oversized tensor alone.
std::vector<std::vector<TensorPlan>> split(std::vector<TensorPlan> plans, uint64_t max_bytes) {
  std::vector<std::vector<TensorPlan>> shards;
  std::vector<TensorPlan> current;
  uint64_t current_bytes = 0;
  for (TensorPlan& plan : plans) {
    const uint64_t bytes = plan.bytes();
    if (bytes > max_bytes) {
      shards.push_back({std::move(plan)});
      continue;
    }
    if (current_bytes + bytes > max_bytes) {
      shards.push_back(std::exchange(current, {}));
      current_bytes = 0;
    }
    current_bytes += bytes;
    current.push_back(std::move(plan));
  }
  if (!current.empty() || shards.empty()) shards.push_back(std::move(current));
  return shards;
}

}  // namespace

struct SafetensorsStream::State {
  struct Placed {
    uint64_t begin = 0, bytes = 0;
    bool written = false;
  };
  OutputFile file;
  std::unordered_map<std::string, Placed> placed;
};

SafetensorsStream::SafetensorsStream(std::filesystem::path path, std::vector<TensorPlan> plans,
                                     const std::map<std::string, std::string>& metadata) {
  const SafetensorsLayout layout = safetensors_layout(plans, metadata);
  state_ = std::make_unique<State>(State{OutputFile(std::move(path), layout.file_bytes), {}});
  for (size_t i = 0; i < plans.size(); ++i)
    state_->placed[std::move(plans[i].name)] = {layout.begin[i], layout.bytes[i]};
  state_->file.write_at(0, std::as_bytes(std::span(layout.header)));
}

SafetensorsStream::~SafetensorsStream() = default;
SafetensorsStream::SafetensorsStream(SafetensorsStream&&) noexcept = default;
SafetensorsStream& SafetensorsStream::operator=(SafetensorsStream&&) noexcept = default;

void SafetensorsStream::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = state_->placed.find(std::string(name));
  AFINA_CHECK(found != state_->placed.end(), "not planned: ", name);
  State::Placed& placed = found->second;
  AFINA_CHECK(!placed.written, "written twice: ", name);
  if (bytes.size() != placed.bytes) {
    throw DataError(cat("[formats.safetensors] must write tensors whose bytes fit their shape, but \"", name, "\" has ",
                        bytes.size(), " bytes for ", placed.bytes, "."));
  }
  state_->file.write_at(placed.begin, bytes);
  placed.written = true;
}

void SafetensorsStream::finish() {
  for (const auto& [name, placed] : state_->placed)
    AFINA_CHECK(placed.written, "not written: ", name);
  state_->file.commit();
}

ShardedSafetensors::ShardedSafetensors(std::filesystem::path folder, std::vector<TensorPlan> plans,
                                       uint64_t max_shard_bytes, const std::map<std::string, std::string>& metadata)
    : folder_(std::move(folder)) {
  safetensors_layout(plans, metadata);  // every check over all shards together, before anything is written
  std::vector<std::vector<TensorPlan>> shards = split(std::move(plans), max_shard_bytes);
  std::error_code ignored;
  std::filesystem::create_directories(folder_, ignored);
  for (size_t i = 0; i < shards.size(); ++i) {
    files_.push_back(shard_name(i, shards.size()));
    for (const TensorPlan& plan : shards[i]) {
      shard_of_[plan.name] = i;
      total_bytes_ += plan.bytes();
    }
    shards_.emplace_back(folder_ / files_.back(), std::move(shards[i]), metadata);
  }
}

void ShardedSafetensors::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = shard_of_.find(std::string(name));
  AFINA_CHECK(found != shard_of_.end(), "not planned: ", name);
  shards_[found->second].write(name, bytes);
}

void ShardedSafetensors::finish() {
  for (SafetensorsStream& shard : shards_)
    shard.finish();
  if (shards_.size() == 1) return;
  Json index = {{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", Json::object()}};
  for (const auto& [name, shard] : shard_of_)
    index["weight_map"][name] = files_[shard];
  write_file_atomic(folder_ / kIndexName, dump_json(index, 2) + "\n");
}

}  // namespace afina::formats
