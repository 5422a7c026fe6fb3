// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_writer.h"

#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/gguf_parser.h"
#include "formats/output_file.h"

namespace afina::formats {
namespace {

constexpr const char* kWhere = "[formats.gguf]";

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append(out, static_cast<uint64_t>(text.size()));
  out += text;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Entry {
  std::string key;
  GgufValueType type = GgufValueType::u8;
  bool is_array = false;
  uint64_t count = 1;
  std::string bytes;
};

struct Placed {
  uint64_t offset = 0, bytes = 0;  // offset from the start of the file
  bool written = false;
};

void check_name(const std::string& name) {
  if (name.empty() || name.size() > 63 || !is_valid_utf8(name)) {
    throw DataError(
        cat(kWhere, " must write tensors under names of 1 to 63 bytes of UTF-8, but got \"", repair_utf8(name), "\"."));
  }
}

void check_plan(const GgufTensorPlan& plan) {
  check_name(plan.name);
  const std::string what = cat(kWhere, " must write tensor \"", plan.name, "\"");
  if (plan.shape.empty() || plan.shape.size() > 4)
    throw DataError(cat(what, " with 1 to 4 dimensions, but got ", plan.shape.size(), "."));
  int64_t elements = 1;
  for (const int64_t dimension : plan.shape) {
    if (dimension < 1 || __builtin_mul_overflow(elements, dimension, &elements) || elements > int64_t{1} << 60)
      throw DataError(cat(what, " with a shape that fits memory, but a dimension is ", dimension, "."));
  }
  const GgmlTypeInfo* info = ggml_type_info(static_cast<uint32_t>(plan.type));
  if (info == nullptr || info->block_elements == 0)
    throw DataError(cat(what, " in a type that files hold, but got ", ggml_type_name(plan.type), "."));
  if (plan.shape.back() % info->block_elements != 0) {
    throw DataError(
        cat(what, " with rows of whole blocks, but rows of ", plan.shape.back(), " are not in ", info->name, "."),
        "write it as F16, which any row fits");
  }
}

}  // namespace

struct GgufWriter::State {
  std::filesystem::path path;
  std::vector<Entry> entries;
  std::vector<GgufTensorPlan> plans;
  std::unordered_map<std::string, Placed> placed;
  std::optional<OutputFile> file;
  uint64_t file_bytes = 0;

  Entry* find(std::string_view key) {
    for (Entry& entry : entries)
      if (entry.key == key) return &entry;
    return nullptr;
  }

  void set(std::string_view key, GgufValueType type, bool is_array, uint64_t count, std::string bytes) {
    AFINA_CHECK(!file, "metadata after begin_data()");
    if (key.empty() || key.size() > 65'535 || !is_valid_utf8(key))
      throw DataError(
          cat(kWhere, " must write metadata keys of 1 to 65535 bytes of UTF-8, but got \"", repair_utf8(key), "\"."));
    Entry* entry = find(key);
    if (entry == nullptr) entry = &entries.emplace_back();
    *entry = {std::string(key), type, is_array, count, std::move(bytes)};
  }

  template <typename T>
  void set_scalar(std::string_view key, GgufValueType type, T value) {
    std::string bytes;
    append(bytes, value);
    set(key, type, false, 1, std::move(bytes));
  }

  template <typename T>
  void set_array(std::string_view key, GgufValueType type, std::span<const T> values) {
    set(key, type, true, values.size(), std::string(as_text(std::as_bytes(values))));
  }

  uint64_t alignment() {
    const Entry* entry = find("general.alignment");
    if (entry == nullptr) return 32;
    uint64_t value = 0;
    const bool integer = !entry->is_array && gguf_value_bytes(static_cast<uint32_t>(entry->type)) > 0 &&
                         entry->type != GgufValueType::f32 && entry->type != GgufValueType::f64 &&
                         entry->type != GgufValueType::boolean;
    if (integer) std::memcpy(&value, entry->bytes.data(), entry->bytes.size());
    if (value < 8 || value > 4096 || !std::has_single_bit(value))
      throw DataError(
          cat(kWhere, " must write general.alignment as a power of two from 8 to 4096, but got ", value, "."));
    return value;
  }

  std::string header() {
    if (entries.size() > 65'536 || plans.size() > 65'536)
      throw DataError(cat(kWhere, " must write at most 65536 keys and tensors, but got ", entries.size(), " and ",
                          plans.size(), "."));
    std::string out = "GGUF";
    append(out, uint32_t{3});
    append(out, static_cast<uint64_t>(plans.size()));
    append(out, static_cast<uint64_t>(entries.size()));
    for (const Entry& entry : entries) {
      append_text(out, entry.key);
      if (entry.is_array) append(out, static_cast<uint32_t>(GgufValueType::array));
      append(out, static_cast<uint32_t>(entry.type));
      if (entry.is_array) append(out, entry.count);
      out += entry.bytes;
    }
    return out;
  }
};

GgufWriter::GgufWriter(std::filesystem::path path) : state_(std::make_unique<State>()) {
  state_->path = std::move(path);
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::copy_metadata(const GgufFile& from, const std::function<bool(std::string_view key)>& keep) {
  for (const std::string& key : from.keys()) {
    if (from.files().size() > 1 && key.starts_with("split.")) continue;
    if (!keep || keep(key)) set_raw(key, *from.find_raw(key));
  }
}

void GgufWriter::set_string(std::string_view key, std::string_view value) {
  std::string bytes;
  append_text(bytes, value);
  state_->set(key, GgufValueType::string, false, 1, std::move(bytes));
}

void GgufWriter::set_u32(std::string_view key, uint32_t value) {
  state_->set_scalar(key, GgufValueType::u32, value);
}

void GgufWriter::set_u64(std::string_view key, uint64_t value) {
  state_->set_scalar(key, GgufValueType::u64, value);
}

void GgufWriter::set_i32(std::string_view key, int32_t value) {
  state_->set_scalar(key, GgufValueType::i32, value);
}

void GgufWriter::set_f32(std::string_view key, float value) {
  state_->set_scalar(key, GgufValueType::f32, value);
}

void GgufWriter::set_bool(std::string_view key, bool value) {
  state_->set_scalar(key, GgufValueType::boolean, static_cast<uint8_t>(value ? 1 : 0));
}

void GgufWriter::set_strings(std::string_view key, const std::vector<std::string>& values) {
  std::string bytes;
  for (const std::string& value : values)
    append_text(bytes, value);
  state_->set(key, GgufValueType::string, true, values.size(), std::move(bytes));
}

void GgufWriter::set_u32s(std::string_view key, std::span<const uint32_t> values) {
  state_->set_array(key, GgufValueType::u32, values);
}

void GgufWriter::set_i32s(std::string_view key, std::span<const int32_t> values) {
  state_->set_array(key, GgufValueType::i32, values);
}

void GgufWriter::set_f32s(std::string_view key, std::span<const float> values) {
  state_->set_array(key, GgufValueType::f32, values);
}

void GgufWriter::set_raw(std::string_view key, const GgufValue& value) {
  state_->set(key, value.type, value.is_array, value.count, std::string(as_text(value.bytes)));
}

void GgufWriter::remove(std::string_view key) {
  AFINA_CHECK(!state_->file, "metadata after begin_data()");
  std::erase_if(state_->entries, [&](const Entry& entry) { return entry.key == key; });
}

void GgufWriter::add_tensor(GgufTensorPlan plan) {
  AFINA_CHECK(!state_->file, plan.name);
  state_->plans.push_back(std::move(plan));
}

void GgufWriter::begin_data() {
  State& state = *state_;
  AFINA_CHECK(!state.file, "begin_data() twice");
  const uint64_t alignment = state.alignment();
  const auto padded = [&](uint64_t size) { return (size + alignment - 1) / alignment * alignment; };
  std::string header = state.header();
  uint64_t offset = 0;
  for (const GgufTensorPlan& plan : state.plans) {
    check_plan(plan);
    int64_t elements = 1;
    append_text(header, plan.name);
    append(header, static_cast<uint32_t>(plan.shape.size()));
    for (auto dimension = plan.shape.rbegin(); dimension != plan.shape.rend(); ++dimension) {
      append(header, *dimension);
      elements *= *dimension;
    }
    append(header, static_cast<uint32_t>(plan.type));
    append(header, offset);
    const auto bytes = static_cast<uint64_t>(ggml_bytes(plan.type, elements));
    if (!state.placed.emplace(plan.name, Placed{offset, bytes}).second)
      throw DataError(cat(kWhere, " must write each tensor once, but \"", plan.name, "\" comes twice."));
    offset = padded(offset + bytes);
  }
  header.resize(padded(header.size()), '\0');
  for (auto& [name, placed] : state.placed)
    placed.offset += header.size();
  state.file_bytes = header.size() + offset;
  state.file.emplace(state.path, state.file_bytes);
  state.file->write_at(0, std::as_bytes(std::span(header)));
}

void GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = state_->placed.find(std::string(name));
  AFINA_CHECK(state_->file && found != state_->placed.end(), "not planned: ", name);
  Placed& placed = found->second;
  AFINA_CHECK(!placed.written, "written twice: ", name);
  if (bytes.size() != placed.bytes) {
    throw DataError(
        cat(kWhere, " must write ", placed.bytes, " bytes for tensor \"", name, "\", but got ", bytes.size(), "."));
  }
  state_->file->write_at(placed.offset, bytes);
  placed.written = true;
}

void GgufWriter::finish() {
  AFINA_CHECK(state_->file, "finish() before begin_data()");
  for (const auto& [name, placed] : state_->placed)
    AFINA_CHECK(placed.written, "not written: ", name);
  state_->file->commit();
}

uint64_t GgufWriter::file_bytes() const {
  return state_->file_bytes;
}

std::optional<uint32_t> gguf_file_type(GgmlType type) {
  switch (type) {
    case GgmlType::f32:
      return 0;
    case GgmlType::f16:
      return 1;
    case GgmlType::q4_0:
      return 2;
    case GgmlType::q4_1:
      return 3;
    case GgmlType::q8_0:
      return 7;
    case GgmlType::q5_0:
      return 8;
    case GgmlType::q5_1:
      return 9;
    case GgmlType::bf16:
      return 32;
    default:
      return std::nullopt;
  }
}

GgmlType fitting_type(GgmlType wanted, int64_t row_length) {
  return row_length % ggml_type_info(static_cast<uint32_t>(wanted))->block_elements == 0 ? wanted : GgmlType::f16;
}

}  // namespace afina::formats
