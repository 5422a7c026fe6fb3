// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace afina::formats {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxTensors = 1'000'000;
constexpr size_t kMaxNameBytes = 512;
constexpr size_t kMaxRank = 8;
constexpr uint64_t kMaxDimension = uint64_t{1} << 40;

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& hint = "") {
  throw ModelError(cat("[", where, "] must ", what), hint);
}

std::string header_text(std::span<const std::byte> file, const std::string& where) {
  if (file.size() < 8) refuse(where, cat("hold a safetensors header, but has only ", file.size(), " bytes."));
  const auto* bytes = reinterpret_cast<const char*>(file.data());
  const std::string_view start(bytes, 8);
  if (start.substr(0, 4) == std::string_view("PK\3\4", 4) || start.substr(0, 1) == "\x80") {
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
  std::string header(bytes + 8, static_cast<size_t>(size));
  const size_t invalid = find_invalid_utf8(header);
  if (invalid != std::string::npos) refuse(where, cat("have a header in UTF-8, but byte ", invalid, " of it is not."));
  return header;
}

Json parse_header(const std::string& header, const std::string& where) {
  try {
    Json json = parse_json(header, where, {.max_depth = 4});
    if (!json.is_object()) refuse(where, cat("have one JSON object as header, but has a JSON ", json.type_name(), "."));
    return json;
  } catch (const DataError& error) {
    throw ModelError(error.what());
  }
}

uint64_t unsigned_number(const Json& value, const std::string& where, const char* what) {
  if (!value.is_number_unsigned())
    refuse(where, cat("have whole numbers in ", what, ", but got ", dump_json(value), "."));
  return value.get<uint64_t>();
}

// Bytes of the shape, checked against overflow before any comparison with offsets.
uint64_t shape_bytes(const TensorView& view, const std::string& where) {
  uint64_t elements = 1;
  for (const int64_t dimension : view.shape) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dimension), &elements)) {
      refuse(where, "have a shape whose product fits 64 bits, but it overflows.");
    }
  }
  uint64_t bits = 0;
  if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dtype_bits(view.dtype)), &bits)) {
    refuse(where, "have a shape whose bits fit 64 bits, but it overflows.");
  }
  if (bits % 8 != 0) refuse(where, cat("fill whole bytes, but has ", bits, " bits."));
  return bits / 8;
}

struct Entry {
  TensorView view;
  uint64_t begin = 0, end = 0;
};

Entry read_entry(const std::string& name, const Json& value, const std::string& file) {
  const std::string where = cat(file, ", tensor \"", name, "\"");
  if (name.empty() || name.size() > kMaxNameBytes) {
    refuse(file, cat("have tensor names of 1 to ", kMaxNameBytes, " bytes, but got ", name.size(), "."));
  }
  const bool complete =
      value.is_object() && value.contains("dtype") && value.contains("shape") && value.contains("data_offsets");
  if (!complete || value.size() != 3) refuse(where, "have exactly dtype, shape and data_offsets, but has not.");
  Entry entry;
  entry.view.name = name;
  const Json& dtype = value["dtype"];
  const auto known = dtype.is_string() ? dtype_from_name(dtype.get_ref<const std::string&>()) : std::nullopt;
  if (!known) refuse(where, cat("have a dtype of the format, but got ", dump_json(dtype), "."));
  entry.view.dtype = *known;
  const Json& shape = value["shape"];
  if (!shape.is_array() || shape.size() > kMaxRank)
    refuse(where, cat("have a shape of at most ", kMaxRank, " numbers, but has not."));
  for (const Json& dimension : shape) {
    const uint64_t size = unsigned_number(dimension, where, "shape");
    if (size > kMaxDimension)
      refuse(where, cat("have dimensions up to 2^40, but its shape overflows with ", size, "."));
    entry.view.shape.push_back(static_cast<int64_t>(size));
  }
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) refuse(where, "have two data_offsets, but has not.");
  entry.begin = unsigned_number(offsets[0], where, "data_offsets");
  entry.end = unsigned_number(offsets[1], where, "data_offsets");
  if (entry.end < entry.begin)
    refuse(where, cat("end after it begins, but has offsets ", entry.begin, " and ", entry.end, "."));
  const uint64_t bytes = shape_bytes(entry.view, where);
  if (bytes != entry.end - entry.begin) {
    refuse(where, cat("have ", bytes, " bytes by its shape, but its offsets hold ", entry.end - entry.begin, "."));
  }
  return entry;
}

std::map<std::string, std::string> read_metadata(const Json& value, const std::string& where) {
  if (!value.is_object()) refuse(where, "have an object as __metadata__, but has not.");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      refuse(where, cat("have texts in __metadata__, but \"", key, "\" is a JSON ", text.type_name(), "."));
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// Sorted by offset, each tensor must begin where the one before ended, and the last must end with the file.
void place(std::vector<Entry>& entries, std::span<const std::byte> data, const std::string& where) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.view.name) < std::tie(b.begin, b.end, b.view.name);
  });
  uint64_t expected = 0;
  for (Entry& entry : entries) {
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
  const std::string header = header_text(bytes, where);
  const Json json = parse_header(header, where);
  if (json.size() > kMaxTensors)
    refuse(where, cat("have at most ", kMaxTensors, " tensors, but has ", json.size(), "."));
  std::vector<Entry> entries;
  entries.reserve(json.size());
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      metadata_ = read_metadata(value, where);
    } else {
      entries.push_back(read_entry(name, value, where));
    }
  }
  place(entries, bytes.subspan(8 + header.size()), where);
  tensors_.reserve(entries.size());
  for (Entry& entry : entries) {
    index_[entry.view.name] = tensors_.size();
    tensors_.push_back(std::move(entry.view));
  }
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
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
