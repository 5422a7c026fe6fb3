// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/hash.h"

namespace afina {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const char* what, const fs::path& path) {
  const int code = errno;
  const std::string message =
      cat("[base.file] must ", what, " ", path.string(), ", but got: ", std::strerror(code), ".");
  if (code == ENOENT) throw NotFound(message);
  throw StorageError(message);
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, const char* what) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail(what, path);
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

std::string read_file(const fs::path& path, size_t max_bytes) {
  const Descriptor file(path, O_RDONLY, "read");
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail("read", path);
  if (S_ISDIR(info.st_mode))
    throw StorageError(cat("[base.file] must read a file, but ", path.string(), " is a folder."));
  std::string content;
  content.reserve(static_cast<size_t>(info.st_size));
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
    if (content.size() > max_bytes) {
      throw DataError(cat("[base.file] must be at most ", max_bytes, " bytes, but ", path.string(), " is larger."));
    }
  }
}

void sync_path(const fs::path& path) {
  const Descriptor file(path, O_RDONLY, "sync");
  if (::fsync(file.get()) != 0) fail("sync", path);
}

void write_file_synced(const fs::path& path, std::string_view content) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC, "write");
  while (!content.empty()) {
    const ssize_t n = ::write(file.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path);
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(file.get()) != 0) fail("sync", path);
}

void write_file_atomic(const fs::path& path, std::string_view content) {
  fs::path temporary = path;
  temporary += ".tmp-" + random_hex(6);
  try {
    write_file_synced(temporary, content);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename to", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_path(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file(path, O_RDONLY, "open");
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail("open", path);
  if (!S_ISREG(info.st_mode))
    throw StorageError(cat("[base.file] must be a regular file, but ", path.string(), " is not."));
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    fail("map", path);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace afina
