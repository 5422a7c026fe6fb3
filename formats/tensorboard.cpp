// SPDX-License-Identifier: Apache-2.0
#include "formats/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/error.h"

namespace afina::formats {
namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value >> 1) ^ ((value & 1U) != 0 ? 0x82F63B78U : 0U);
    table[i] = value;
  }
  return table;
}

constexpr auto kTable = make_table();

uint32_t masked(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

template <typename T>
void append_raw(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7)
    out.push_back(static_cast<char>(value | 128U));
  out.push_back(static_cast<char>(value));
}

void append_bytes(std::string& out, char tag, std::string_view bytes) {
  out.push_back(tag);
  append_varint(out, bytes.size());
  out += bytes;
}

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0U;
  for (const char c : bytes)
    crc = kTable[(crc ^ static_cast<uint8_t>(c)) & 255U] ^ (crc >> 8);
  return ~crc;
}

std::string tensorboard_record(std::string_view data) {
  std::string out;
  append_raw<uint64_t>(out, data.size());
  append_raw(out, masked(crc32c(out)));
  out += data;
  append_raw(out, masked(crc32c(data)));
  return out;
}

std::string tensorboard_version_event(double wall_time) {
  std::string event = "\x09";
  append_raw(event, wall_time);
  append_bytes(event, '\x1a', "brain.Event:2");
  return event;
}

std::string tensorboard_scalar_event(double wall_time, int64_t step, std::string_view tag, float value) {
  std::string scalar;
  append_bytes(scalar, '\x0a', tag);
  scalar.push_back('\x15');
  append_raw(scalar, value);
  std::string summary;
  append_bytes(summary, '\x0a', scalar);
  std::string event = "\x09";
  append_raw(event, wall_time);
  event.push_back('\x10');
  append_varint(event, static_cast<uint64_t>(step));
  append_bytes(event, '\x2a', summary);
  return event;
}

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code)
    throw StorageError(cat("[", folder.string(), "] must be a folder for event files, but got: ", code.message(), "."));
  const std::string base =
      cat("events.out.tfevents.", static_cast<int64_t>(unix_seconds()), ".", host_name(), ".", ::getpid(), ".");
  for (int n = 0; n < 1000 && descriptor_ < 0; ++n) {
    path_ = folder / cat(base, n);
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ < 0)
    throw StorageError(cat("[", path_.string(), "] must be a new event file, but got: ", std::strerror(errno), "."));
  buffer_ = tensorboard_record(tensorboard_version_event(unix_seconds()));
  flush();
}

TensorBoardWriter::~TensorBoardWriter() {
  try {
    flush();
  } catch (const std::exception&) {
    // A destructor must not throw; whoever needs the last step's scalars calls flush.
  }
  ::close(descriptor_);
}

void TensorBoardWriter::scalar(std::string_view tag, int64_t step, double value) {
  buffer_ += tensorboard_record(tensorboard_scalar_event(unix_seconds(), step, tag, static_cast<float>(value)));
}

void TensorBoardWriter::flush() {
  while (!buffer_.empty()) {
    const ssize_t written = ::write(descriptor_, buffer_.data(), buffer_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw StorageError(cat("[", path_.string(), "] must be writable, but got: ", std::strerror(errno), "."));
    buffer_.erase(0, static_cast<size_t>(written));
  }
}

}  // namespace afina::formats
