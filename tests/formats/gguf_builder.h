// SPDX-License-Identifier: Apache-2.0
// Writes small GGUF files for tests, well-formed or not: every number can be set to what no writer would write.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace afina {

class GgufBuilder {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;
  uint64_t tensor_count = 0, kv_count = 0;  ///< counted up by the calls below; may be overwritten
  std::string magic = "GGUF";

  template <typename T>
  static std::string raw(T value) {
    std::string out(sizeof(T), '\0');
    std::memcpy(out.data(), &value, sizeof(T));
    return out;
  }
  static std::string text(std::string_view value) { return raw<uint64_t>(value.size()) + std::string(value); }

  GgufBuilder& kv(std::string_view key, uint32_t type, const std::string& value) {
    kvs_ += text(key) + raw(type) + value;
    ++kv_count;
    return *this;
  }
  GgufBuilder& tensor(std::string_view name, const std::vector<uint64_t>& ne, uint32_t type, uint64_t offset) {
    infos_ += text(name) + raw(static_cast<uint32_t>(ne.size()));
    for (const uint64_t n : ne)
      infos_ += raw(n);
    infos_ += raw(type) + raw(offset);
    ++tensor_count;
    return *this;
  }
  GgufBuilder& data(const std::string& bytes) {
    data_ += bytes;
    return *this;
  }
  std::string bytes() const {
    std::string out = magic + raw(version) + raw(tensor_count) + raw(kv_count) + kvs_ + infos_;
    out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
    return out + data_;
  }

 private:
  std::string kvs_, infos_, data_;
};

/// The 224-byte example: three keys and one F32 matrix [3, 2].
inline std::string spec_file() {
  using B = GgufBuilder;
  B builder;
  builder.kv("general.architecture", 8, B::text("llama")).kv("general.alignment", 4, B::raw<uint32_t>(32));
  builder.kv("a.b", 9, B::raw<uint32_t>(5) + B::raw<uint64_t>(2) + B::raw<int32_t>(-1) + B::raw<int32_t>(7));
  builder.tensor("w", {2, 3}, 0, 0);
  for (int i = 0; i < 6; ++i)
    builder.data(B::raw(static_cast<float>(i)));
  return builder.data(std::string(8, '\0')).bytes();
}

}  // namespace afina
