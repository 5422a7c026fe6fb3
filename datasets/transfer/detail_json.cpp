// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/detail_json.h"

#include "base/error.h"
#include "datasets/transfer/jsonl_writer.h"
#include "storage/transfer/packed_text.h"

namespace afina::datasets {
namespace {

// Parts of a tag: GENERATION/ASPECT/VALUE and the like.
struct Tag {
  explicit Tag(std::string_view tag) {
    for (std::string_view& part : parts) {
      const size_t slash = tag.find('/');
      part = tag.substr(0, slash);
      tag.remove_prefix(slash == std::string_view::npos ? tag.size() : slash + 1);
    }
  }
  std::string_view parts[4];
};

}  // namespace

void details_json(DetailKind kind, std::string_view packed, const NameAnswer& name, std::string& out) {
  out.assign(1, '[');
  storage::PackedText list(packed);
  while (list.next()) {
    const Tag tag(list.tag());
    const auto named = name(tag.parts[0]);
    if (!named) continue;
    out += cat(out.size() > 1 ? "," : "", "{", *named, kind == DetailKind::aspects ? "\"aspect\":" : "\"kind\":");
    append_json_text(out, tag.parts[1]);
    if (kind == DetailKind::aspects) out += cat(",\"value\":", tag.parts[2]);
    if (kind == DetailKind::spans) out += cat(",\"start\":", tag.parts[2], ",\"end\":", tag.parts[3]);
    if (kind != DetailKind::aspects) {
      out += ",\"note\":";
      append_json_text(out, list.text());
    }
    out += '}';
  }
  out += ']';
}

}  // namespace afina::datasets
