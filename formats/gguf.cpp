// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf.h"

#include <cstring>
#include <iomanip>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "formats/gguf_parser.h"

namespace afina::formats {
namespace {

template <typename T>
T element(std::span<const std::byte> bytes, uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

constexpr int64_t kMaxParts = 1000;

bool is_integer(GgufValueType type) {
  return type <= GgufValueType::i32 || type == GgufValueType::u64 || type == GgufValueType::i64;
}

bool is_number(GgufValueType type) {
  return is_integer(type) || type == GgufValueType::f32 || type == GgufValueType::f64;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what, const std::string& hint = "") {
  throw ModelError(cat("[", path.string(), "] must ", what), hint);
}

// "X-00001-of-00003.gguf" of a path, with the number of the part exchanged.
std::string part_name(const std::string& stem, int64_t part, int64_t count) {
  std::ostringstream name;
  name << stem << '-' << std::setfill('0') << std::setw(5) << part + 1 << "-of-" << std::setw(5) << count << ".gguf";
  return name.str();
}

}  // namespace

std::string_view gguf_type_word(GgufValueType type) {
  constexpr const char* kWords[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                    "bool", "string", "array", "u64", "i64", "f64"};
  return kWords[static_cast<size_t>(type)];
}

int64_t GgufTensor::rows() const {
  int64_t product = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    product *= shape[i];
  return product;
}

void dequantize(const GgufTensor& tensor, std::span<float> out) {
  dequantize_rows(tensor, 0, tensor.rows(), out);
}

void dequantize_rows(const GgufTensor& tensor, int64_t first, int64_t count, std::span<float> out) {
  AFINA_CHECK(first >= 0 && count >= 0 && first + count <= tensor.rows(), tensor.name);
  AFINA_CHECK(static_cast<int64_t>(out.size()) == count * tensor.row_length(), tensor.name);
  if (!can_dequantize(tensor.type)) {
    throw ModelError(cat("[tensor \"", tensor.name, "\"] must be of a type whose values Afina reads, but is ",
                         ggml_type_name(tensor.type), "."),
                     cat("readable are ", dequantizable_types(), ": quantise to one of these"));
  }
  const auto row_bytes = tensor.bytes.size() / static_cast<size_t>(tensor.rows());
  dequantize_blocks(
      tensor.type, tensor.bytes.subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(count) * row_bytes),
      out);
}

GgufFile::GgufFile(const std::filesystem::path& path) : GgufFile(path, Part{}) {
  open_parts();
}

GgufFile::GgufFile(const std::filesystem::path& path, Part /*one file*/) : path_(path), files_{path} {
  maps_.emplace_back(path);
  GgufParser(*this, maps_.front().bytes()).parse();
}

GgufFile::GgufFile(std::span<const std::byte> bytes, const std::filesystem::path& name) : path_(name), files_{name} {
  GgufParser(*this, bytes).parse();
  open_parts();
}

// llama-gguf-split: every part names its number and the count; only the first has the model's own keys.
void GgufFile::open_parts() {
  const int64_t count = find_integer("split.count").value_or(1);
  const int64_t number = find_integer("split.no").value_or(0);
  if (count == 1 && number == 0) return;
  if (count < 1 || count > kMaxParts || number < 0 || number >= count)
    refuse(path_, cat("be a part of at most ", kMaxParts, ", but is number ", number, " of ", count, "."));
  const std::string name = path_.filename().string();
  const std::string ending = part_name("", number, count);
  const std::string merge = "\"llama-gguf-split --merge FIRST OUT\" makes one file of all parts";
  if (name.size() <= ending.size() || !name.ends_with(ending))
    refuse(path_, cat("be named X", ending, " beside its other parts, but is not."), merge);
  const std::string stem = name.substr(0, name.size() - ending.size());
  if (number != 0) refuse(path_, cat("be opened by its first part, ", part_name(stem, 0, count), "."), merge);
  for (int64_t i = 1; i < count; ++i) {
    const auto sibling = path_.parent_path() / part_name(stem, i, count);
    if (!std::filesystem::exists(sibling))
      refuse(path_, cat("lie beside ", sibling.filename(), ", but it is missing."));
    add_part(sibling, static_cast<int>(i), count);
  }
  const int64_t tensors = find_integer("split.tensors.count").value_or(static_cast<int64_t>(tensors_.size()));
  if (tensors != static_cast<int64_t>(tensors_.size()))
    refuse(path_, cat("have ", tensors, " tensors in its parts, but they hold ", tensors_.size(), "."));
}

void GgufFile::add_part(const std::filesystem::path& path, int number, int64_t count) {
  GgufFile part(path, Part{});
  if (part.find_integer("split.no") != number || part.find_integer("split.count") != count)
    refuse(path, cat("be part ", number, " of ", count, " by its own keys, but is not."));
  files_.push_back(path);
  maps_.push_back(std::move(part.maps_.front()));
  for (GgufTensor& tensor : part.tensors_) {
    tensor.part = number;
    if (!index_.emplace(tensor.name, tensors_.size()).second)
      refuse(path, cat("have each tensor once, but \"", tensor.name, "\" is in another part too."));
    tensors_.push_back(std::move(tensor));
  }
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const GgufTensor& GgufFile::at(std::string_view name) const {
  if (const GgufTensor* tensor = find(name)) return *tensor;
  std::vector<std::string> names;
  for (const GgufTensor& tensor : tensors_)
    names.push_back(tensor.name);
  const std::string nearest = nearest_name(name, names);
  throw ModelError(cat("[", path_.string(), "] must hold the tensor \"", name, "\", but has none of that name."),
                   nearest.empty() ? "" : cat("the nearest is \"", nearest, "\""));
}

const GgufValue* GgufFile::find_raw(std::string_view key) const {
  const auto found = values_.find(std::string(key));
  return found == values_.end() ? nullptr : &found->second;
}

void GgufFile::throw_missing(std::string_view key) const {
  const std::string nearest = nearest_name(key, keys_);
  throw ModelError(cat("[", path_.string(), "] must have the metadata key \"", key, "\", but has not."),
                   nearest.empty() ? "" : cat("the nearest is \"", nearest, "\""));
}

void GgufFile::throw_type(std::string_view key, const char* wanted, const GgufValue& value) const {
  throw ModelError(cat("[", path_.string(), "] must have ", wanted, " under \"", key, "\", but has ",
                       value.is_array ? "an array of " : "", gguf_type_word(value.type), "."));
}

int64_t GgufFile::read_integer(std::string_view key, const GgufValue& value, uint64_t index) const {
  switch (value.type) {
    case GgufValueType::u8:
      return element<uint8_t>(value.bytes, index);
    case GgufValueType::i8:
      return element<int8_t>(value.bytes, index);
    case GgufValueType::u16:
      return element<uint16_t>(value.bytes, index);
    case GgufValueType::i16:
      return element<int16_t>(value.bytes, index);
    case GgufValueType::u32:
      return element<uint32_t>(value.bytes, index);
    case GgufValueType::i32:
      return element<int32_t>(value.bytes, index);
    case GgufValueType::i64:
      return element<int64_t>(value.bytes, index);
    case GgufValueType::u64: {
      const auto wide = element<uint64_t>(value.bytes, index);
      if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        throw_type(key, "an integer below 2^63", value);
      return static_cast<int64_t>(wide);
    }
    default:
      throw_type(key, "an integer", value);
  }
}

double GgufFile::read_number(std::string_view key, const GgufValue& value, uint64_t index) const {
  if (value.type == GgufValueType::f32) return element<float>(value.bytes, index);
  if (value.type == GgufValueType::f64) return element<double>(value.bytes, index);
  return static_cast<double>(read_integer(key, value, index));
}

std::optional<int64_t> GgufFile::find_integer(std::string_view key) const {
  const GgufValue* value = find_raw(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || !is_integer(value->type)) throw_type(key, "an integer", *value);
  return read_integer(key, *value, 0);
}

std::optional<double> GgufFile::find_number(std::string_view key) const {
  const GgufValue* value = find_raw(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || !is_number(value->type)) throw_type(key, "a number", *value);
  return read_number(key, *value, 0);
}

std::optional<bool> GgufFile::find_boolean(std::string_view key) const {
  const GgufValue* value = find_raw(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufValueType::boolean) throw_type(key, "true or false", *value);
  return element<uint8_t>(value->bytes, 0) != 0;
}

std::optional<std::string_view> GgufFile::find_string(std::string_view key) const {
  const GgufValue* value = find_raw(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufValueType::string) throw_type(key, "a string", *value);
  return std::string_view(reinterpret_cast<const char*>(value->bytes.data()) + 8, value->bytes.size() - 8);
}

std::optional<std::vector<std::string_view>> GgufFile::find_strings(std::string_view key) const {
  const GgufValue* value = find_raw(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || value->type != GgufValueType::string) throw_type(key, "an array of strings", *value);
  std::vector<std::string_view> strings;
  strings.reserve(value->count);
  const auto* at = reinterpret_cast<const char*>(value->bytes.data());
  for (uint64_t i = 0; i < value->count; ++i) {
    uint64_t size = 0;
    std::memcpy(&size, at, 8);
    strings.emplace_back(at + 8, size);
    at += 8 + size;
  }
  return strings;
}

std::optional<std::vector<int64_t>> GgufFile::find_integers(std::string_view key) const {
  const GgufValue* value = find_raw(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || !is_integer(value->type)) throw_type(key, "an array of integers", *value);
  std::vector<int64_t> numbers(value->count);
  for (uint64_t i = 0; i < value->count; ++i)
    numbers[i] = read_integer(key, *value, i);
  return numbers;
}

std::optional<std::vector<float>> GgufFile::find_numbers(std::string_view key) const {
  const GgufValue* value = find_raw(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || !is_number(value->type)) throw_type(key, "an array of numbers", *value);
  std::vector<float> numbers(value->count);
  for (uint64_t i = 0; i < value->count; ++i)
    numbers[i] = static_cast<float>(read_number(key, *value, i));
  return numbers;
}

}  // namespace afina::formats
