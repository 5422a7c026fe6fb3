// SPDX-License-Identifier: Apache-2.0
#include "formats/jsonl.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"

namespace afina::formats {
namespace {

constexpr size_t kChunkBytes = 1 << 16;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

struct JsonlReader::State {
  std::string path;
  JsonlOptions options;
  std::unique_ptr<std::FILE, CloseFile> file;
  std::string line;
  std::vector<char> chunk = std::vector<char>(kChunkBytes);
  size_t chunk_at = 0, chunk_size = 0;
  int64_t line_number = 0;
  uint64_t bytes_read = 0;

  std::string where() const { return cat(path, ":", line_number); }

  bool fill() {
    chunk_at = 0;
    chunk_size = std::fread(chunk.data(), 1, chunk.size(), file.get());
    if (std::ferror(file.get()) != 0)
      throw StorageError(cat("[", path, "] must be readable, but got: ", std::strerror(errno), "."));
    bytes_read += chunk_size;
    if (bytes_read > options.max_file_bytes) {
      throw DataError(cat("[", path, "] must have at most ", options.max_file_bytes, " bytes, but has more."));
    }
    return chunk_size > 0;
  }

  // The next line without its newline; false at the end of the file.
  bool read_line() {
    line.clear();
    ++line_number;
    while (chunk_at < chunk_size || fill()) {
      const char* begin = chunk.data() + chunk_at;
      const size_t left = chunk_size - chunk_at;
      const auto* newline = static_cast<const char*>(std::memchr(begin, '\n', left));
      const size_t size = newline == nullptr ? left : static_cast<size_t>(newline - begin);
      if (line.size() + size > options.max_line_bytes) {
        throw DataError(
            cat("[", where(), "] must have at most ", options.max_line_bytes, " bytes in a line, but has more."),
            "is this one JSON document a line?");
      }
      line.append(begin, size);
      chunk_at += size + (newline == nullptr ? 0 : 1);
      if (newline != nullptr) return true;
    }
    return !line.empty();
  }
};

JsonlReader::JsonlReader(const std::filesystem::path& path, JsonlOptions options) : state_(std::make_unique<State>()) {
  state_->path = path.string();
  state_->options = options;
  if (std::filesystem::is_directory(path))
    throw StorageError(cat("[", path.string(), "] must be a file, but is a folder."));
  state_->file.reset(std::fopen(path.c_str(), "rbe"));
  if (state_->file == nullptr) {
    const std::string message = cat("[", path.string(), "] must be readable, but got: ", std::strerror(errno), ".");
    if (errno == ENOENT) throw NotFound(message);
    throw StorageError(message);
  }
}

JsonlReader::~JsonlReader() = default;
JsonlReader::JsonlReader(JsonlReader&&) noexcept = default;
JsonlReader& JsonlReader::operator=(JsonlReader&&) noexcept = default;

int64_t JsonlReader::line() const {
  return state_->line_number;
}

std::string JsonlReader::where() const {
  return state_->where();
}

std::optional<Json> JsonlReader::next() {
  while (state_->read_line()) {
    std::string_view text = state_->line;
    if (state_->line_number == 1 && text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    if (is_blank(text)) continue;
    const std::string where = state_->where();
    const size_t invalid = find_invalid_utf8(text);
    if (invalid != std::string_view::npos) {
      throw DataError(cat("[", where, "] must be UTF-8, but byte ", invalid, " of the line is not."),
                      "convert the file, for example with iconv -f latin1 -t utf-8");
    }
    Json value = parse_json(text, where, {.max_depth = state_->options.max_depth});
    refuse_nul(value, where);
    return value;
  }
  return std::nullopt;
}

void refuse_nul(const Json& value, const std::string& where) {
  const auto check = [&](const std::string& text) {
    if (text.find('\0') != std::string::npos)
      throw DataError(cat("[", where, "] must not hold the character U+0000, but does."));
  };
  if (value.is_string()) check(value.get_ref<const std::string&>());
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      check(key);
      refuse_nul(item, where);
    }
  } else if (value.is_array()) {
    for (const Json& item : value)
      refuse_nul(item, where);
  }
}

}  // namespace afina::formats
