// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_parser.h"

#include <bit>

#include "base/error.h"
#include "base/utf8.h"

namespace afina::formats {
namespace {

constexpr uint64_t kMaxEntries = 65'536;
constexpr uint64_t kMaxStringBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxArray = uint64_t{1} << 24;
constexpr uint64_t kMaxKeyBytes = 65'535;
constexpr uint64_t kMaxTensorNameBytes = 63;
constexpr uint64_t kMaxMetadataBytes = uint64_t{1} << 27;
constexpr uint64_t kMaxAllKeysBytes = uint64_t{1} << 24;
// The shortest entries that the format can hold: an empty-string kv and a one-dimensional tensor.
constexpr uint64_t kMinKvBytes = 13, kMinTensorBytes = 24;

}  // namespace

int gguf_value_bytes(uint32_t type) {
  constexpr int kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < 13 ? kBytes[type] : -1;
}

GgufParser::GgufParser(GgufFile& file, std::span<const std::byte> bytes)
    : file_(file), where_(file.path().string()), bytes_(bytes) {}

void GgufParser::refuse(const std::string& what, const std::string& hint) const {
  throw ModelError(cat("[", where_, "] must ", what), hint);
}

std::span<const std::byte> GgufParser::take(uint64_t size, const std::string& what) {
  if (size > remaining()) {
    refuse(cat("hold ", what, " (", size, " bytes at ", at_, "), but ends after ", bytes_.size(), " bytes."),
           "the file looks truncated: fetch it again");
  }
  const auto part = bytes_.subspan(at_, size);
  at_ += size;
  return part;
}

std::string_view GgufParser::string(const std::string& what, uint64_t max_bytes) {
  const auto size = number<uint64_t>(what);
  if (size > max_bytes) refuse(cat("have at most ", max_bytes, " bytes in ", what, ", but it names ", size, "."));
  const auto part = take(size, what);
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

GgufValue GgufParser::parse_array(const std::string& key) {
  const auto type = number<uint32_t>(key);
  const auto count = number<uint64_t>(key);
  if (type == static_cast<uint32_t>(GgufValueType::array)) refuse(cat("have flat arrays, but ", key, " is nested."));
  const int bytes = gguf_value_bytes(type);
  if (bytes < 0) refuse(cat("have known value types, but ", key, " is an array of type ", type, "."));
  const uint64_t least = bytes == 0 ? 8 : static_cast<uint64_t>(bytes);
  if (count > kMaxArray || count * least > remaining()) {
    refuse(cat("hold its arrays, but ", key, " names ", count, " values where ", remaining(), " bytes are left."));
  }
  const uint64_t begin = at_;
  if (bytes == 0) {
    for (uint64_t i = 0; i < count; ++i)
      string(key, kMaxStringBytes);
  } else {
    take(count * least, key);
  }
  return {static_cast<GgufValueType>(type), true, count, bytes_.subspan(begin, at_ - begin)};
}

void GgufParser::parse_value() {
  const std::string key(string("a metadata key", kMaxKeyBytes));
  if (key.empty() || !is_valid_utf8(key)) refuse("have metadata keys in UTF-8 that are not empty, but has not.");
  const std::string what = cat("the value of \"", key, "\"");
  const auto type = number<uint32_t>(what);
  const int bytes = gguf_value_bytes(type);
  if (bytes < 0) refuse(cat("have known value types, but \"", key, "\" has type ", type, "."));
  GgufValue value{static_cast<GgufValueType>(type), false, 1, {}};
  const uint64_t begin = at_;
  if (value.type == GgufValueType::array) {
    value = parse_array(what);
  } else if (value.type == GgufValueType::string) {
    string(what, kMaxStringBytes);
    value.bytes = bytes_.subspan(begin, at_ - begin);
  } else {
    value.bytes = take(static_cast<uint64_t>(bytes), what);
  }
  key_bytes_ += key.size();
  if (key_bytes_ > kMaxAllKeysBytes || at_ > kMaxMetadataBytes) {
    refuse(cat("have metadata of at most ", kMaxMetadataBytes, " bytes with names of ", kMaxAllKeysBytes,
               ", but it is larger at \"", key.substr(0, 100), "\"."));
  }
  if (!file_.values_.emplace(key, value).second) refuse(cat("have each key once, but \"", key, "\" comes twice."));
  file_.keys_.push_back(key);
}

// Fills name, type and shape, and returns the offset within the data.
uint64_t GgufParser::parse_tensor() {
  GgufTensor tensor;
  tensor.name = string("a tensor name", kMaxTensorNameBytes);
  if (tensor.name.empty() || !is_valid_utf8(tensor.name))
    refuse("have tensor names in UTF-8 that are not empty, but has not.");
  const std::string what = cat("tensor \"", tensor.name, "\"");
  const auto rank = number<uint32_t>(what);
  if (rank < 1 || rank > 4) refuse(cat("have tensors of 1 to 4 dimensions, but ", what, " has ", rank, "."));
  uint64_t elements = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    const auto dimension = number<uint64_t>(what);
    if (dimension == 0 || __builtin_mul_overflow(elements, dimension, &elements) || elements > uint64_t{1} << 60) {
      refuse(cat("have shapes that fit memory, but ", what, " has a zero or overflowing dimension ", dimension, "."));
    }
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(dimension));
  }
  const auto type = number<uint32_t>(what);
  const GgmlTypeInfo* info = ggml_type_info(type);
  if (info == nullptr || info->block_elements == 0) {
    refuse(cat("have tensor types that Afina reads, but ", what, " is ", ggml_type_name(type), "."),
           cat("readable are ", dequantizable_types(), ": quantise to one of these"));
  }
  tensor.type = static_cast<GgmlType>(type);
  if (tensor.row_length() % info->block_elements != 0) {
    refuse(cat("have rows of whole blocks, but ", what, " has rows of ", tensor.row_length(), " in ", info->name, "."));
  }
  const auto offset = number<uint64_t>(what);
  if (!file_.index_.emplace(tensor.name, file_.tensors_.size()).second) {
    refuse(cat("have each tensor once, but \"", tensor.name, "\" comes twice."));
  }
  file_.tensors_.push_back(std::move(tensor));
  return offset;
}

// Tensors lie in listing order, each padded to the alignment: so none overlaps and none leaves the file.
void GgufParser::place_tensors(const std::vector<uint64_t>& offsets) {
  const uint64_t data = (at_ + alignment_ - 1) / alignment_ * alignment_;
  uint64_t expected = 0;
  for (size_t i = 0; i < offsets.size(); ++i) {
    GgufTensor& tensor = file_.tensors_[i];
    const GgmlTypeInfo* info = ggml_type_info(static_cast<uint32_t>(tensor.type));
    const uint64_t size = static_cast<uint64_t>(tensor.elements()) / static_cast<uint64_t>(info->block_elements) *
                          static_cast<uint64_t>(info->block_bytes);
    if (offsets[i] != expected) {
      refuse(cat("have tensors without holes or overlap, but \"", tensor.name, "\" begins at ", offsets[i], " where ",
                 expected, " is due."));
    }
    if (data > bytes_.size() || expected > bytes_.size() - data || size > bytes_.size() - data - expected) {
      refuse(cat("hold its data, but \"", tensor.name, "\" needs ", size, " bytes at ", data + expected, " of ",
                 bytes_.size(), "."),
             "the file looks truncated: fetch it again");
    }
    tensor.file_offset = data + expected;
    tensor.bytes = bytes_.subspan(tensor.file_offset, size);
    expected = (expected + size + alignment_ - 1) / alignment_ * alignment_;
  }
}

void GgufParser::parse() {
  const auto magic = take(4, "the GGUF magic");
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    refuse("be a GGUF file, but does not begin with \"GGUF\".",
           "pickles (.bin, .pt) must be converted to safetensors first");
  }
  const auto version = number<uint32_t>("the version");
  if (version != 2 && version != 3) {
    refuse(cat("be GGUF version 2 or 3, but is ",
               (version & 0xFFFFU) == 0 && version != 0 ? std::string("written for big-endian machines")
                                                        : cat("version ", version),
               "."));
  }
  const auto tensor_count = number<uint64_t>("the tensor count");
  const auto kv_count = number<uint64_t>("the metadata count");
  if (tensor_count > kMaxEntries || tensor_count > remaining() / kMinTensorBytes) {
    refuse(cat("hold its tensors, but names ", tensor_count, " where ", remaining(), " bytes are left."));
  }
  if (kv_count > kMaxEntries || kv_count > remaining() / kMinKvBytes) {
    refuse(cat("hold its metadata, but names ", kv_count, " entries where ", remaining(), " bytes are left."));
  }
  for (uint64_t i = 0; i < kv_count; ++i)
    parse_value();
  const int64_t alignment = file_.find_integer("general.alignment").value_or(32);
  if (alignment < 8 || alignment > 4096 || !std::has_single_bit(static_cast<uint64_t>(alignment))) {
    refuse(cat("have general.alignment as a power of two from 8 to 4096, but got ", alignment, "."));
  }
  alignment_ = static_cast<uint64_t>(alignment);
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i < tensor_count; ++i)
    offsets.push_back(parse_tensor());
  place_tensors(offsets);
}

}  // namespace afina::formats
