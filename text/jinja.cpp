// SPDX-License-Identifier: Apache-2.0
#include "text/jinja.h"

#include <jinja/parser.h>

#include <cctype>

#include "base/cat.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/jinja_guard.h"

// The one symbol the engine expects from ggml. It would mean a broken invariant inside the engine.
extern "C" [[noreturn]] void ggml_abort(const char* file, int line, const char* format, ...) {
  throw std::runtime_error(afina::cat("engine check failed at ", file, ":", line, ": ", format));
}

namespace afina::text {

namespace {

// Where "content" of messages lies, strings are marked as from people; the engine keeps the marks through its filters.
jinja::value to_value(const OrderedJson& json, bool from_people) {
  if (json.is_string()) {
    auto value = jinja::mk_val<jinja::value_string>(json.get<std::string>());
    if (from_people) value->mark_input();
    return value;
  }
  if (json.is_boolean()) return jinja::mk_val<jinja::value_bool>(json.get<bool>());
  if (json.is_number_integer()) return jinja::mk_val<jinja::value_int>(json.get<int64_t>());
  if (json.is_number_float()) return jinja::mk_val<jinja::value_float>(json.get<double>());
  if (json.is_array()) {
    auto array = jinja::mk_val<jinja::value_array>();
    for (const auto& item : json)
      array->push_back(to_value(item, from_people));
    return array;
  }
  if (json.is_object()) {
    auto object = jinja::mk_val<jinja::value_object>();
    for (const auto& [key, item] : json.items())
      object->insert(key, to_value(item, from_people));
    return object;
  }
  return jinja::mk_val<jinja::value_none>();
}

jinja::value messages_value(const OrderedJson& messages) {
  auto array = jinja::mk_val<jinja::value_array>();
  for (const auto& message : messages) {
    auto object = jinja::mk_val<jinja::value_object>();
    for (const auto& [key, item] : message.items())
      object->insert(key, to_value(item, key == "content"));
    array->push_back(object);
  }
  return array;
}

// The text a person can act on: what raise_exception was given, or the engine's own words without its source excerpt.
std::string reason_of(const std::exception& error) {
  std::string what = error.what();
  if (const size_t at = what.rfind("Error: "); at != std::string::npos) what = what.substr(at + 7);
  if (what.rfind("Jinja Exception: ", 0) == 0) what = what.substr(17);
  return repair_utf8(what.substr(0, 500));
}

}  // namespace

struct JinjaTemplate::State {
  JinjaLimits limits;
  std::string source;
  jinja::program program;
  // {% generation %} marks, which no one can guess, cut out of the render again.
  std::string begin_mark = cat("\x02gen:", random_hex(16), "\x03");
  std::string end_mark = cat("\x02/gen:", random_hex(16), "\x03");
  bool marks_generation = false;

  // {% generation %} → {{ "mark" }}: the engine parses the tags but does nothing with them.
  void replace_generation_tags(std::vector<jinja::token>& tokens) {
    for (size_t i = 0; i + 2 < tokens.size(); ++i) {
      if (tokens[i].t != jinja::token::open_statement || tokens[i + 2].t != jinja::token::close_statement) continue;
      const std::string name = tokens[i + 1].value;
      if (name != "generation" && name != "endgeneration") continue;
      marks_generation = true;
      tokens[i].t = jinja::token::open_expression;
      tokens[i + 1].t = jinja::token::string_literal;
      tokens[i + 1].value = name == "generation" ? begin_mark : end_mark;
      tokens[i + 2].t = jinja::token::close_expression;
    }
  }

  void add_globals(jinja::context& context, const Clock& strftime_now) const {
    context.set_val("strftime_now",
                    jinja::mk_val<jinja::value_func>("strftime_now", [&strftime_now](const jinja::func_args& args) {
                      args.ensure_vals<jinja::value_string>();
                      return jinja::mk_val<jinja::value_string>(strftime_now(args.get_pos(0)->as_string().str()));
                    }));
    context.set_val("range", jinja::mk_val<jinja::value_func>("range", [](const jinja::func_args& args) {
                      args.ensure_count(1, 3);
                      const auto number = [&](size_t i) { return static_cast<double>(args.get_pos(i)->as_int()); };
                      const double start = args.count() > 1 ? number(0) : 0;
                      const double stop = args.count() > 1 ? number(1) : number(0);
                      const double step = args.count() > 2 ? number(2) : 1;
                      RenderBudget* budget = RenderBudget::current();
                      if (budget != nullptr && step != 0) budget->check_range((stop - start) / step);
                      return jinja::global_builtins().at("range")(args);
                    }));
  }

  Rendered collect(const jinja::value_string& parts) const {
    Rendered out;
    for (const auto& part : parts->val_str.parts) {
      const size_t begin = out.text.size();
      if (part.is_input || !marks_generation) {
        out.text += part.val;
      } else {
        append_without_marks(part.val, out);
      }
      if (part.is_input && out.text.size() > begin) out.from_people.push_back({begin, out.text.size()});
      if (out.text.size() > limits.output_bytes) {
        throw DataError(
            cat("[chat template] a render must have at most ", limits.output_bytes, " bytes, but has more"));
      }
    }
    return out;
  }

  void append_without_marks(const std::string& text, Rendered& out) const {
    for (size_t at = 0; at < text.size();) {
      const size_t mark = text.find('\x02', at);
      out.text.append(text, at, mark - at);
      if (mark == std::string::npos) return;
      at = mark;
      if (text.compare(at, begin_mark.size(), begin_mark) == 0) {
        out.generation.push_back({out.text.size(), out.text.size()});
        at += begin_mark.size();
      } else if (text.compare(at, end_mark.size(), end_mark) == 0) {
        if (!out.generation.empty()) out.generation.back().end = out.text.size();
        at += end_mark.size();
      } else {
        out.text += text[at++];
      }
    }
  }
};

JinjaTemplate::JinjaTemplate(const std::string& source, const JinjaLimits& limits) : state_(std::make_unique<State>()) {
  state_->limits = limits;
  if (source.empty() || source.size() > limits.source_bytes) {
    throw ModelError(cat("[chat template] must have 1 to ", limits.source_bytes, " bytes, but has ", source.size()));
  }
  if (!is_valid_utf8(source)) throw ModelError("[chat template] must be UTF-8, but is not");
  try {
    jinja::lexer lexer;
    // The engine's lexer drops a one-character text at the very start (lstrip_blocks); an empty expression before it
    // helps.
    const bool starts_with_text = source[0] != '{' && std::isspace(static_cast<unsigned char>(source[0])) == 0;
    jinja::lexer_result tokens = lexer.tokenize(starts_with_text ? "{{''}}" + source : source);
    state_->source = tokens.source;
    state_->replace_generation_tags(tokens.tokens);
    check_nesting(tokens.tokens, limits);
    state_->program = jinja::parse_from_tokens(tokens);
  } catch (const std::exception& error) {
    throw ModelError(cat("[chat template] must be a Jinja template, but: ", repair_utf8(error.what())));
  }
  weave_guards(state_->program);
}

JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;

bool JinjaTemplate::marks_generation() const {
  return state_->marks_generation;
}

JinjaTemplate::Rendered JinjaTemplate::render(const OrderedJson& variables, const Clock& strftime_now) const {
  RenderBudget budget(state_->limits);
  try {
    jinja::context context(state_->source);
    context.current_time = 0;
    for (const auto& [key, item] : variables.items()) {
      context.set_val(key, key == "messages" ? messages_value(item) : to_value(item, false));
    }
    state_->add_globals(context, strftime_now);
    jinja::runtime runtime(context);
    return state_->collect(jinja::runtime::gather_string_parts(runtime.execute(state_->program)));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (!budget.met().empty()) {
      throw DataError(cat("[chat template] a render must take ", budget.met(), ", but takes more"));
    }
    throw DataError(cat("[chat template] must accept these messages, but says: '", reason_of(error), "'"));
  }
}

}  // namespace afina::text
