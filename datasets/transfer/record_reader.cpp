// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/record_reader.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace afina::datasets {
namespace {

constexpr size_t kChunkBytes = 1 << 16;
constexpr int kEnd = -1;

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view text) : rest_(text) {}
  size_t read(char* buffer, size_t size) override {
    const size_t n = std::min(size, rest_.size());
    std::memcpy(buffer, rest_.data(), n);
    rest_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view rest_;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::filesystem::path& path) : path_(path.string()) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) throw NotFound(cat("[", path_, "] must exist, but does not."));
    if (std::filesystem::is_directory(path, ignored))
      throw StorageError(cat("[", path_, "] must be a file, but is a folder."));
    file_.reset(std::fopen(path.c_str(), "rbe"));
    if (!file_) throw StorageError(cat("[", path_, "] must be readable, but got: ", std::strerror(errno), "."));
  }
  size_t read(char* buffer, size_t size) override {
    const size_t n = std::fread(buffer, 1, size, file_.get());
    if (std::ferror(file_.get()) != 0)
      throw StorageError(cat("[", path_, "] must be readable, but got: ", std::strerror(errno), "."));
    return n;
  }

 private:
  std::string path_;
  std::unique_ptr<std::FILE, CloseFile> file_;
};

bool is_blank(int c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

std::unique_ptr<ByteSource> memory_source(std::string_view text) {
  return std::make_unique<MemorySource>(text);
}

std::unique_ptr<ByteSource> file_source(const std::filesystem::path& path) {
  return std::make_unique<FileSource>(path);
}

int RecordReader::peek() {
  if (at_ == buffer_.size() && !ended_) {
    buffer_.resize(kChunkBytes);
    buffer_.resize(source_.read(buffer_.data(), kChunkBytes));
    at_ = 0;
    ended_ = buffer_.empty();
    if (!begun_ && buffer_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    begun_ = true;
    if (at_ == buffer_.size() && !ended_) return peek();
  }
  return at_ < buffer_.size() ? static_cast<unsigned char>(buffer_[at_]) : kEnd;
}

int RecordReader::take() {
  const int c = peek();
  if (c != kEnd) ++at_;
  if (c == '\n') ++line_;
  return c;
}

void RecordReader::add(RawRecord& out, char c) {
  if (out.text.size() < kMostRecordBytes)
    out.text.push_back(c);
  else
    out.too_long = true;
}

bool RecordReader::next_line(RawRecord& out) {
  out = {};
  out.line = line_;
  if (peek() == kEnd) return false;
  for (int c = take(); c != kEnd && c != '\n'; c = take())
    add(out, static_cast<char>(c));
  if (out.text.ends_with('\r')) out.text.pop_back();
  return true;
}

void RecordReader::skip_blanks(bool commas) {
  for (int c = peek(); is_blank(c) || (commas && c == ','); c = peek())
    take();
}

// Up to the bracket that closes it, or for a bare word up to a separator.
bool RecordReader::next_value(RawRecord& out) {
  out = {};
  skip_blanks(true);
  out.line = line_;
  int depth = 0;
  bool in_string = false, escaped = false;
  for (int c = peek(); c != kEnd; c = peek()) {
    if (!in_string && depth == 0 && !out.text.empty() && (is_blank(c) || c == ',' || c == ']')) return true;
    if (out.text.empty() && c == ']' && form_ == Form::array) return false;
    add(out, static_cast<char>(take()));
    if (in_string) {
      if (escaped)
        escaped = false;
      else if (c == '\\')
        escaped = true;
      else if (c == '"')
        in_string = false;
      if (!in_string && depth == 0) return true;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth <= 0) return true;
  }
  out.unfinished = depth > 0 || in_string;
  return !out.text.empty();
}

int RecordReader::first_byte() {
  skip_blanks(false);
  return peek();
}

bool RecordReader::next_json(RawRecord& out) {
  if (form_ == Form::unknown) {
    skip_blanks(false);
    const int first = peek();
    form_ = Form::lines;
    if (first == '[') {
      take();
      form_ = Form::array;
    } else if (first == '{' && buffer_.find_first_not_of(" \t\r", at_ + 1) < buffer_.size() &&
               buffer_[buffer_.find_first_not_of(" \t\r", at_ + 1)] == '\n') {
      form_ = Form::values;  // a pretty-printed document
    }
  }
  if (form_ != Form::lines) return next_value(out);
  while (next_line(out)) {
    if (out.text.find_first_not_of(" \t\r") != std::string::npos) return true;
  }
  return false;
}

}  // namespace afina::datasets
