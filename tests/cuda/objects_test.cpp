// SPDX-License-Identifier: Apache-2.0
// What nvcc made of the kernels: every object holds machine code for each architecture we name, and no other.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

// As fatbinary writes them (read back from its output; NVIDIA documents cuobjdump, not the bytes).
constexpr uint32_t kMagic = 0xBA55ED50;
constexpr uint16_t kMachineCode = 2;
struct FatHeader {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t bytes;
};
struct EntryHeader {
  uint16_t kind, version;
  uint32_t header_bytes;
  uint64_t bytes;
  uint32_t compressed_bytes, options;
  uint16_t minor, major;
  uint32_t arch;
};

template <typename T>
T read_at(const std::string& bytes, size_t at) {
  T value{};
  if (at + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// Architectures of the machine code in an object file.
std::set<uint32_t> architectures(const std::string& object) {
  std::set<uint32_t> found;
  for (size_t at = 0; at + sizeof(FatHeader) <= object.size(); at += 8) {
    const auto fat = read_at<FatHeader>(object, at);
    if (fat.magic != kMagic || fat.header_bytes != sizeof(FatHeader)) continue;
    const size_t end = std::min<uint64_t>(object.size(), at + fat.header_bytes + fat.bytes);
    for (size_t entry = at + fat.header_bytes; entry + sizeof(EntryHeader) <= end;) {
      const auto header = read_at<EntryHeader>(object, entry);
      if (header.kind == kMachineCode && header.bytes > 0) found.insert(header.arch);
      if (header.header_bytes == 0) break;
      entry += header.header_bytes + header.bytes;
    }
  }
  return found;
}

std::vector<std::string> words(const char* list) {
  std::istringstream in(list);
  return {std::istream_iterator<std::string>(in), {}};
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(CudaObjects, HoldCodeForEveryArchitecture) {
  std::set<uint32_t> want;
  for (const std::string& name : words(AFINA_CUDA_ARCHITECTURES))
    want.insert(static_cast<uint32_t>(std::stoi(name)));
  const auto objects = words(AFINA_CUDA_OBJECTS);
  ASSERT_GE(objects.size(), 8U);
  for (const std::string& object : objects)
    EXPECT_EQ(architectures(bytes_of(object)), want) << object;
}

TEST(CudaObjects, HoldNoneWhereTheCodeWasCutOff) {
  const std::string whole = bytes_of(words(AFINA_CUDA_OBJECTS).at(0));
  EXPECT_TRUE(architectures(whole.substr(0, whole.size() / 8)).size() < 3);
  EXPECT_TRUE(architectures("").empty());
}

}  // namespace
