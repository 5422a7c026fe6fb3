// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/import_parser.h"

#include "base/error.h"
#include "base/utf8.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {

struct JsonRowParser::State {
  ImportFormat format;
  ParseOptions options;
  ImportSink sink;
  OpenAssistantTrees trees;

  // Records are held to the limits here, one place for all formats.
  Emit emitter(int64_t line) {
    return [this, line](ImportRecord record) {
      if (record.line == 0) record.line = line;
      const int64_t where = record.line;
      try {
        check_record(record);
      } catch (const DataError& error) {
        return sink.skip({where, printable(error.what())});
      }
      sink.take(std::move(record));
    };
  }

  Tell tell() {
    return [this](int64_t line, const std::string& why) { sink.skip({line, printable(why)}); };
  }

  void row(const Json& row, int64_t line) {
    const Remark remark = [&](const std::string& why) { sink.skip({line, printable(why)}); };
    switch (format) {
      case ImportFormat::qa:
        return parse_qa_row(row, emitter(line));
      case ImportFormat::jsonl:
        return parse_jsonl_row(row, emitter(line));
      case ImportFormat::argilla:
        return parse_argilla_row(row, options, emitter(line), remark);
      case ImportFormat::label_studio:
        return parse_label_studio_row(row, options, emitter(line), remark);
      case ImportFormat::open_assistant:
        return trees.row(row, line, emitter(0), tell());
      case ImportFormat::lmsys:
        return parse_lmsys_row(row, emitter(line));
      case ImportFormat::sharegpt:
        return parse_sharegpt_row(row, emitter(line));
      case ImportFormat::text:
      case ImportFormat::markdown:
        break;
    }
    throw UsageError(cat("[import] must be read as text, but format ", to_string(format), " was given rows."));
  }
};

void check_parse_options(const ParseOptions& options) {
  if (!(options.rating_max > 1.0 && options.rating_max <= 1000.0))
    throw UsageError(
        cat("[import] must have a rating_max of more than 1, at most 1,000, but got ", options.rating_max, "."));
}

JsonRowParser::JsonRowParser(ImportFormat format, const ParseOptions& options, ImportSink sink)
    : state_(std::make_unique<State>(State{format, options, std::move(sink), {}})) {
  if (format == ImportFormat::text || format == ImportFormat::markdown)
    throw UsageError(cat("[import] must be a format of rows, but ", to_string(format), " has none."));
  check_parse_options(options);
}

JsonRowParser::~JsonRowParser() = default;

void JsonRowParser::row(const Json& row, int64_t line) {
  try {
    if (!row.is_object()) refuse_row(cat("be a JSON object, but is a JSON ", row.type_name(), "."));
    state_->row(row, line);
  } catch (const DataError& error) {
    state_->sink.skip({line, printable(error.what())});
  } catch (const nlohmann::json::exception& error) {
    state_->sink.skip({line, printable(cat("[row] must be of its format, but: ", error.what()))});
  }
}

void JsonRowParser::finish() {
  state_->trees.finish(state_->emitter(0), state_->tell());
}

namespace {

void parse_json_rows(ImportFormat format, RecordReader& reader, const ParseOptions& options, const ImportSink& sink) {
  JsonRowParser parser(format, options, sink);
  RawRecord raw;
  while (reader.next_json(raw)) {
    if (raw.too_long) {
      sink.skip({raw.line, "[row] must have at most 8 MiB, but has more. Hint: export JSON Lines or a JSON array"});
      continue;
    }
    if (raw.unfinished) {
      sink.skip({raw.line, "[row] must be whole, but the file ends within it."});
      continue;
    }
    Json row;
    try {
      const size_t invalid = find_invalid_utf8(raw.text);
      if (invalid != std::string_view::npos) refuse_row(cat("be UTF-8, but byte ", invalid, " is not."));
      row = parse_json(raw.text, "row");
    } catch (const DataError& error) {
      sink.skip({raw.line, printable(error.what())});
      continue;
    }
    parser.row(row, raw.line);
  }
  parser.finish();
}

}  // namespace

void parse_import(ImportFormat format, ByteSource& source, const ParseOptions& options, const ImportSink& sink) {
  RecordReader reader(source);
  const Emit emit = [&](ImportRecord record) {
    const int64_t line = record.line;
    try {
      check_record(record);
    } catch (const DataError& error) {
      return sink.skip({line, printable(error.what())});
    }
    sink.take(std::move(record));
  };
  if (format == ImportFormat::text) return read_text(reader, emit);
  if (format == ImportFormat::markdown) return read_markdown(reader, emit);
  if (format == ImportFormat::qa) {
    const int first = reader.first_byte();
    if (first != '{' && first != '[') return read_qa(reader, sink, emit);
  }
  parse_json_rows(format, reader, options, sink);
}

}  // namespace afina::datasets
