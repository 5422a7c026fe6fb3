// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/json_scanner.h"

namespace afina::formats {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxTensors = 500'000;
constexpr size_t kMaxMetadata = 100'000;
constexpr size_t kMaxTextBytes = size_t{1} << 25;
constexpr size_t kMaxNameBytes = 512;
constexpr size_t kMaxRank = 8;
constexpr uint64_t kMaxDimension = uint64_t{1} << 40;

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& hint = "") {
  throw ModelError(cat("[", where, "] must ", what), hint);
}

std::string_view header_text(std::span<const std::byte> file, const std::string& where) {
  if (file.size() < 8) refuse(where, cat("hold a safetensors header, but has only ", file.size(), " bytes."));
  const auto* bytes = reinterpret_cast<const char*>(file.data());
  const std::string_view start(bytes, 8);
  // 0x80 also begins the length of a header of 128, 384, … bytes, whose upper half is zero.
  const bool protocol = start[0] == '\x80' && start.substr(4) != std::string_view("\0\0\0\0", 4);
  if (start.substr(0, 4) == std::string_view("PK\3\4", 4) || protocol) {
    refuse(where, "be a safetensors file, but looks like a pickle.",
           "convert it to safetensors; pickles run code and are never read");
  }
  uint64_t size = 0;
  std::memcpy(&size, bytes, 8);
  if (size > kMaxHeaderBytes)
    refuse(where, cat("have a header of at most ", kMaxHeaderBytes, " bytes, but it names ", size, "."));
  if (size > file.size() - 8) {
    refuse(where, cat("hold its header of ", size, " bytes, but ends after ", file.size() - 8, "."));
  }
  const std::string_view header(bytes + 8, static_cast<size_t>(size));
  const size_t invalid = find_invalid_utf8(header);
  if (invalid != std::string::npos) refuse(where, cat("have a header in UTF-8, but byte ", invalid, " of it is not."));
  return header;
}

[[noreturn]] void refuse_tensor(const TensorView& view, const std::string& file, const std::string& what) {
  refuse(cat(file, ", tensor \"", view.name, "\""), what);
}

// Bytes of the shape, checked against overflow before any comparison with offsets.
uint64_t shape_bytes(const TensorView& view, const std::string& file) {
  uint64_t elements = 1;
  for (const int64_t dimension : view.shape) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dimension), &elements)) {
      refuse_tensor(view, file, "have a shape whose product fits 64 bits, but it overflows.");
    }
  }
  uint64_t bits = 0;
  if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dtype_bits(view.dtype)), &bits)) {
    refuse_tensor(view, file, "have a shape whose bits fit 64 bits, but it overflows.");
  }
  if (bits % 8 != 0) refuse_tensor(view, file, cat("fill whole bytes, but has ", bits, " bits."));
  return bits / 8;
}

struct Entry {
  TensorView view;
  uint64_t begin = 0, end = 0;
};

DType read_dtype(JsonScanner& json) {
  const std::string name = json.string(32, "a dtype of the format");
  const auto dtype = dtype_from_name(name);
  if (!dtype) json.refuse(cat("have a dtype of the format, but \"", name, "\" is none"));
  return *dtype;
}

std::vector<int64_t> read_shape(JsonScanner& json) {
  std::vector<int64_t> shape;
  json.open('[', "a list as shape");
  for (bool first = true; json.next(']', first);) {
    if (shape.size() == kMaxRank) json.refuse(cat("have a shape of at most ", kMaxRank, " numbers, but has more"));
    const uint64_t size = json.whole_number("shape");
    if (size > kMaxDimension) json.refuse(cat("have dimensions up to 2^40, but its shape overflows with ", size));
    shape.push_back(static_cast<int64_t>(size));
  }
  return shape;
}

void read_offsets(JsonScanner& json, Entry& entry) {
  int n = 0;
  json.open('[', "two data_offsets");
  for (bool first = true; json.next(']', first); ++n) {
    if (n == 2) json.refuse("have two data_offsets, but has more");
    (n == 0 ? entry.begin : entry.end) = json.whole_number("data_offsets");
  }
  if (n != 2) json.refuse("have two data_offsets, but has fewer");
}

Entry read_entry(JsonScanner& json, std::string name, const std::string& file) {
  Entry entry;
  entry.view.name = std::move(name);
  unsigned seen = 0;
  json.open('{', "exactly dtype, shape and data_offsets for a tensor");
  for (bool first = true; json.next('}', first);) {
    const std::string key = json.key(32, "exactly dtype, shape and data_offsets");
    const unsigned bit = key == "dtype" ? 1U : key == "shape" ? 2U : key == "data_offsets" ? 4U : 0U;
    if (bit == 0 || (seen & bit) != 0)
      json.refuse(cat("have exactly dtype, shape and data_offsets, but has \"", key, "\""));
    seen |= bit;
    if (bit == 1) entry.view.dtype = read_dtype(json);
    if (bit == 2) entry.view.shape = read_shape(json);
    if (bit == 4) read_offsets(json, entry);
  }
  if (seen != 7) json.refuse("have exactly dtype, shape and data_offsets, but one is missing");
  if (entry.end < entry.begin)
    refuse_tensor(entry.view, file, cat("end after it begins, but has offsets ", entry.begin, " and ", entry.end, "."));
  const uint64_t bytes = shape_bytes(entry.view, file);
  if (bytes != entry.end - entry.begin) {
    refuse_tensor(entry.view, file,
                  cat("have ", bytes, " bytes by its shape, but its offsets hold ", entry.end - entry.begin, "."));
  }
  return entry;
}

std::map<std::string, std::string> read_metadata(JsonScanner& json) {
  std::map<std::string, std::string> metadata;
  json.open('{', "an object as __metadata__");
  for (bool first = true; json.next('}', first);) {
    if (metadata.size() == kMaxMetadata)
      json.refuse(cat("have at most ", kMaxMetadata, " texts in __metadata__, but has more"));
    std::string key = json.key(kMaxTextBytes, "names in __metadata__");
    std::string text = json.string(kMaxTextBytes, "texts in __metadata__");
    if (!metadata.emplace(std::move(key), std::move(text)).second)
      json.refuse("name each key of __metadata__ once, but one comes twice");
  }
  return metadata;
}

// Sorted by offset, each tensor must begin where the one before ended, and the last must end with the file.
void place(std::vector<Entry>& entries, std::span<const std::byte> data, const std::string& where) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.view.name) < std::tie(b.begin, b.end, b.view.name);
  });
  uint64_t expected = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    if (i > 0 && entries[i - 1].view.name == entry.view.name)
      refuse(where, cat("have each tensor once, but \"", entry.view.name, "\" comes twice."));
    if (entry.begin != expected) {
      refuse(where, cat("have tensors without holes or overlap, but \"", entry.view.name, "\" begins at ", entry.begin,
                        " where ", expected, " is due."));
    }
    if (entry.end > data.size()) {
      refuse(where,
             cat("hold its data, but \"", entry.view.name, "\" ends at ", entry.end, " of ", data.size(), " bytes."),
             "the file looks truncated: fetch it again");
    }
    entry.view.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    expected = entry.end;
  }
  if (expected != data.size()) {
    refuse(where, cat("end with its last tensor, but ", data.size() - expected, " bytes follow."));
  }
}

}  // namespace

int64_t TensorView::elements() const {
  int64_t product = 1;
  for (const int64_t dimension : shape)
    product *= dimension;
  return product;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), map_(path) {
  read(map_->bytes());
}

SafetensorsFile::SafetensorsFile(std::span<const std::byte> bytes, const std::filesystem::path& name) : path_(name) {
  read(bytes);
}

void SafetensorsFile::read(std::span<const std::byte> bytes) {
  const std::string where = path_.string();
  const std::string_view header = header_text(bytes, where);
  JsonScanner json(header, where, "header");
  std::vector<Entry> entries;
  bool has_metadata = false;
  json.open('{', "one JSON object as header");
  for (bool first = true; json.next('}', first);) {
    std::string name = json.key(kMaxNameBytes, "tensor names");
    if (name.empty()) json.refuse("have tensor names that are not empty, but has not");
    if (name == "__metadata__") {
      if (std::exchange(has_metadata, true)) json.refuse("have __metadata__ once, but it comes twice");
      metadata_ = read_metadata(json);
      continue;
    }
    if (entries.size() == kMaxTensors) json.refuse(cat("have at most ", kMaxTensors, " tensors, but has more"));
    entries.push_back(read_entry(json, std::move(name), where));
  }
  json.finish();
  place(entries, bytes.subspan(8 + header.size()), where);
  tensors_.reserve(entries.size());
  index_.reserve(entries.size());
  for (Entry& entry : entries) {
    tensors_.push_back(std::move(entry.view));
    if (!index_.emplace(tensors_.back().name, tensors_.size() - 1).second)
      refuse(where, cat("have each tensor once, but \"", tensors_.back().name, "\" comes twice."));
  }
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const TensorView& SafetensorsFile::at(std::string_view name) const {
  if (const TensorView* view = find(name)) return *view;
  std::vector<std::string> names;
  for (const TensorView& view : tensors_)
    names.push_back(view.name);
  const std::string nearest = nearest_name(name, names);
  throw ModelError(cat("[", path_.string(), "] must hold the tensor \"", name, "\", but has none of that name."),
                   nearest.empty() ? "" : cat("the nearest is \"", nearest, "\""));
}

void copy_to_float(const TensorView& view, std::span<float> out) {
  AFINA_CHECK(static_cast<int64_t>(out.size()) == view.elements(), view.name);
  const std::byte* bytes = view.bytes.data();
  const auto each = [&](auto sample, auto convert) {
    for (size_t i = 0; i < out.size(); ++i) {
      auto value = sample;
      std::memcpy(&value, bytes + i * sizeof value, sizeof value);
      out[i] = convert(value);
    }
  };
  switch (view.dtype) {
    case DType::f32:
      if (!out.empty()) std::memcpy(out.data(), bytes, view.bytes.size());
      return;
    case DType::f64:
      return each(double{}, [](double value) { return static_cast<float>(value); });
    case DType::f16:
      return each(uint16_t{}, half_to_float);
    case DType::bf16:
      return each(uint16_t{}, bfloat16_to_float);
    case DType::f8_e4m3:
      return each(uint8_t{}, float8_e4m3_to_float);
    case DType::f8_e5m2:
      return each(uint8_t{}, [](uint8_t bits) { return half_to_float(static_cast<uint16_t>(bits << 8)); });
    default:
      refuse(cat("tensor \"", view.name, "\""),
             cat("be F64, F32, F16, BF16, F8_E4M3 or F8_E5M2 to be read as numbers, but is ", dtype_name(view.dtype),
                 "."));
  }
}

}  // namespace afina::formats
