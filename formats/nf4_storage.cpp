// SPDX-License-Identifier: Apache-2.0
// How bitsandbytes lays an NF4 weight out in safetensors: the weight's own name and five companions.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/nf4.h"
#include "formats/safetensors_set.h"

namespace afina::formats {
namespace {

constexpr std::string_view kStateKey = ".quant_state.bitsandbytes__nf4";
constexpr std::string_view kOtherStateKey = ".quant_state.bitsandbytes__fp4";
constexpr std::array<std::string_view, 4> kTables{".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"};
constexpr int64_t kNestedBlock = 256;
// The longest text of a double, so that the length of the quant_state does not depend on the values.
constexpr size_t kNumberChars = 24;

bool is_dtype(const std::string& name) {
  return name == "float32" || name == "float16" || name == "bfloat16";
}

// One weight of a set while it is checked.
class Reader {
 public:
  Reader(const SafetensorsSet& set, std::string name) : set_(set), name_(std::move(name)) {}

  Nf4View read(const TensorView& weight) {
    read_state();
    Nf4View& view = view_;
    const int64_t n = view.elements();
    const auto packed = static_cast<uint64_t>(n / 2 + n % 2);
    if (weight.bytes.size() != packed)
      refuse("", cat("hold ", packed, " bytes for ", n, " values, but holds ", weight.bytes.size(), "."));
    view.packed = weight.bytes;
    const auto blocks = n / view.block_size + (n % view.block_size != 0 ? 1 : 0);
    view.absmax = table(".absmax", nested_ ? DType::u8 : DType::f32, blocks);
    read_code_book();
    if (nested_) read_nested(blocks);
    return view;
  }

 private:
  [[noreturn]] void refuse(std::string_view key, const std::string& what) const {
    throw ModelError(cat("[", set_.path().string(), ", tensor \"", name_, key, "\"] must ", what),
                     "the folder was not written by bitsandbytes, or not whole: save it again");
  }

  std::span<const std::byte> table(std::string_view key, DType dtype, int64_t length) const {
    const TensorView* view = set_.find(name_ + std::string(key));
    if (view == nullptr) refuse(key, "stand beside its NF4 weight, but is missing.");
    if (view->dtype != dtype || view->elements() != length) {
      refuse(key, cat("be ", dtype_name(dtype), " with ", length, " entries, but is ", dtype_name(view->dtype),
                      " with ", view->elements(), "."));
    }
    return view->bytes;
  }

  template <size_t N>
  std::array<float, N> floats(std::string_view key) const {
    std::array<float, N> values{};
    std::memcpy(values.data(), table(key, DType::f32, N).data(), sizeof values);
    return values;
  }

  int64_t whole_number(const Json& state, const char* key) const {
    if (!state.contains(key) || !state[key].is_number_unsigned() || state[key].get<uint64_t>() > uint64_t{1} << 40)
      refuse(kStateKey, cat("have a whole number as ", key, ", but has not."));
    return state[key].get<int64_t>();
  }

  Json state_json() const {
    const TensorView& view = set_.at(name_ + std::string(kStateKey));
    if (view.dtype != DType::u8 || view.bytes.size() > 65'536)
      refuse(kStateKey,
             cat("be U8 of at most 65536 bytes, but is ", dtype_name(view.dtype), " of ", view.bytes.size(), "."));
    const std::string_view text(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
    try {
      Json state = parse_json(text, name_ + std::string(kStateKey), {.max_depth = 4, .max_elements = 1000});
      if (!state.is_object()) refuse(kStateKey, "be one JSON object, but is not.");
      return state;
    } catch (const DataError& error) {
      throw ModelError(error.what());
    }
  }

  void read_shape(const Json& state) {
    const auto shape = state.find("shape");
    if (shape == state.end() || !shape->is_array() || shape->empty() || shape->size() > 4)
      refuse(kStateKey, "have a shape of 1 to 4 numbers, but has not.");
    int64_t product = 1;
    for (const Json& dimension : *shape) {
      if (!dimension.is_number_unsigned() || dimension.get<uint64_t>() == 0 ||
          dimension.get<uint64_t>() > uint64_t{1} << 40 ||
          __builtin_mul_overflow(product, dimension.get<int64_t>(), &product) || product > int64_t{1} << 48)
        refuse(kStateKey, cat("have a shape of positive numbers that fit memory, but got ", dump_json(*shape), "."));
      view_.shape.push_back(dimension.get<int64_t>());
    }
  }

  void read_state() {
    const Json state = state_json();
    const auto text = [&](const char* key) {
      return state.contains(key) && state[key].is_string() ? state[key].get<std::string>() : std::string();
    };
    if (text("quant_type") != "nf4") refuse(kStateKey, "have quant_type \"nf4\", but has not.");
    view_.dtype = text("dtype");
    if (!is_dtype(view_.dtype)) refuse(kStateKey, "have dtype float32, float16 or bfloat16, but has not.");
    view_.block_size = whole_number(state, "blocksize");
    if (!is_nf4_block_size(view_.block_size))
      refuse(kStateKey,
             cat("have a blocksize that is a power of two from 32 to 4096, but got ", view_.block_size, "."));
    read_shape(state);
    nested_ = state.contains("nested_blocksize") || state.contains("nested_offset");
    if (!nested_) return;
    view_.nested_block_size = whole_number(state, "nested_blocksize");
    if (!is_nf4_block_size(view_.nested_block_size))
      refuse(kStateKey, cat("have a nested_blocksize that is a power of two from 32 to 4096, but got ",
                            view_.nested_block_size, "."));
    if (state.contains("nested_dtype") && text("nested_dtype") != "float32")
      refuse(kStateKey, "have nested_dtype float32, but has not.");
    if (!state.contains("nested_offset") || !state["nested_offset"].is_number())
      refuse(kStateKey, "have a number as nested_offset, but has not.");
    view_.nested_offset = static_cast<float>(state["nested_offset"].get<double>());
    if (!std::isfinite(view_.nested_offset)) refuse(kStateKey, "have a finite nested_offset, but has not.");
  }

  // bitsandbytes ignores the stored table and uses its own, so another table could not mean what it says.
  void read_code_book() {
    view_.code = floats<16>(".quant_map");
    for (size_t i = 0; i < view_.code.size(); ++i) {
      if (!(std::fabs(view_.code[i] - nf4_code()[i]) <= 1e-6F))
        refuse(".quant_map", cat("hold the NF4 code book, but entry ", i, " is ", view_.code[i], "."));
    }
    view_.code = nf4_code();
  }

  void read_nested(int64_t blocks) {
    const int64_t nested_blocks = blocks / view_.nested_block_size + (blocks % view_.nested_block_size != 0 ? 1 : 0);
    view_.nested_absmax = table(".nested_absmax", DType::f32, nested_blocks);
    view_.nested_code = floats<256>(".nested_quant_map");
    for (size_t i = 0; i < view_.nested_code.size(); ++i) {
      const float value = view_.nested_code[i];
      if (!(value >= -1 && value <= 1) || (i > 0 && value < view_.nested_code[i - 1]))
        refuse(".nested_quant_map", cat("ascend from -1 to 1, but entry ", i, " is ", value, "."));
    }
  }

  const SafetensorsSet& set_;
  std::string name_;
  Nf4View view_;
  bool nested_ = false;
};

std::string quant_state(const Nf4Tensor& tensor) {
  std::string shape;
  for (const int64_t dimension : tensor.shape)
    shape += cat(shape.empty() ? "" : ", ", dimension);
  std::string state = cat("{\"quant_type\": \"nf4\", \"blocksize\": ", tensor.block_size, ", \"dtype\": \"",
                          tensor.dtype, "\", \"shape\": [", shape, "]");
  if (!tensor.double_quant) return state + "}";
  std::array<char, 64> number{};
  const auto end =
      std::to_chars(number.data(), number.data() + number.size(), static_cast<double>(tensor.nested_offset));
  const std::string offset(number.data(), end.ptr);
  state += cat(", \"nested_blocksize\": ", tensor.nested_block_size,
               ", \"nested_dtype\": \"float32\", \"nested_offset\": ", offset, "}");
  return state + std::string(kNumberChars - std::min(kNumberChars, offset.size()), ' ');
}

template <typename T>
NamedBytes named(const std::string& name, DType dtype, std::vector<int64_t> shape, const T& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {{name, dtype, std::move(shape)}, {bytes.begin(), bytes.end()}};
}

}  // namespace

bool is_nf4_companion(std::string_view name) {
  return name.ends_with(kStateKey) || name.ends_with(kOtherStateKey) ||
         std::any_of(kTables.begin(), kTables.end(), [&](std::string_view key) { return name.ends_with(key); });
}

std::optional<Nf4View> find_nf4(const SafetensorsSet& set, std::string_view weight_name) {
  const std::string name(weight_name);
  const TensorView* weight = set.find(name);
  if (weight == nullptr) return std::nullopt;
  if (set.find(name + std::string(kOtherStateKey)) != nullptr) {
    throw ModelError(cat("[", set.path().string(), ", tensor \"", name, "\"] must be NF4, but is FP4."),
                     "quantise the model again with bnb_4bit_quant_type \"nf4\"");
  }
  if (set.find(name + std::string(kStateKey)) != nullptr) return Reader(set, name).read(*weight);
  if (weight->dtype == DType::u8 && set.find(name + ".absmax") != nullptr) {
    throw ModelError(cat("[", set.path().string(), ", tensor \"", name, kStateKey,
                         "\"] must stand beside its NF4 weight, but is missing."));
  }
  return std::nullopt;
}

std::vector<NamedBytes> nf4_tensors(const std::string& weight_name, const Nf4Tensor& tensor) {
  const auto length = [](const auto& values) { return std::vector<int64_t>{static_cast<int64_t>(values.size())}; };
  std::vector<NamedBytes> tensors;
  tensors.push_back(named(weight_name, DType::u8, {static_cast<int64_t>(tensor.packed.size()), 1}, tensor.packed));
  if (tensor.double_quant) {
    tensors.push_back(named(weight_name + ".absmax", DType::u8, length(tensor.absmax_codes), tensor.absmax_codes));
    tensors.push_back(
        named(weight_name + ".nested_absmax", DType::f32, length(tensor.nested_absmax), tensor.nested_absmax));
    tensors.push_back(named(weight_name + ".nested_quant_map", DType::f32, {256}, nf4_dynamic_map()));
  } else {
    tensors.push_back(named(weight_name + ".absmax", DType::f32, length(tensor.absmax), tensor.absmax));
  }
  tensors.push_back(named(weight_name + ".quant_map", DType::f32, {16}, nf4_code()));
  const std::string state = quant_state(tensor);
  tensors.push_back(named(weight_name + std::string(kStateKey), DType::u8, length(state), state));
  return tensors;
}

std::vector<TensorPlan> nf4_plans(const std::string& weight_name, const std::vector<int64_t>& shape, int64_t block_size,
                                  bool double_quant, const std::string& dtype) {
  int64_t n = 1;
  for (const int64_t dimension : shape)
    n *= dimension;
  const int64_t blocks = (n + block_size - 1) / block_size;
  std::vector<TensorPlan> plans{{weight_name, DType::u8, {(n + 1) / 2, 1}},
                                {weight_name + ".absmax", double_quant ? DType::u8 : DType::f32, {blocks}}};
  if (double_quant) {
    plans.push_back({weight_name + ".nested_absmax", DType::f32, {(blocks + kNestedBlock - 1) / kNestedBlock}});
    plans.push_back({weight_name + ".nested_quant_map", DType::f32, {256}});
  }
  plans.push_back({weight_name + ".quant_map", DType::f32, {16}});
  Nf4Tensor empty;
  empty.shape = shape;
  empty.block_size = block_size;
  empty.dtype = dtype;
  empty.double_quant = double_quant;
  plans.push_back({weight_name + std::string(kStateKey), DType::u8, {static_cast<int64_t>(quant_state(empty).size())}});
  return plans;
}

Json nf4_quantization_config(bool double_quant, const std::string& compute_dtype) {
  return {{"quant_method", "bitsandbytes"},
          {"load_in_4bit", true},
          {"_load_in_4bit", true},
          {"load_in_8bit", false},
          {"_load_in_8bit", false},
          {"bnb_4bit_compute_dtype", compute_dtype},
          {"bnb_4bit_quant_storage", "uint8"},
          {"bnb_4bit_quant_type", "nf4"},
          {"bnb_4bit_use_double_quant", double_quant},
          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false},
          {"llm_int8_skip_modules", nullptr},
          {"llm_int8_threshold", 6.0}};
}

}  // namespace afina::formats
