// SPDX-License-Identifier: Apache-2.0
#include "text/jinja.h"

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/jinja_run.h"

namespace afina::text {

namespace {

using namespace jinja;

// Roles are words of the template's own language (checked by the caller); all else in a message is from people.
Value message_value(const OrderedJson& message) {
  if (!message.is_object()) return from_json(message, true);
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [key, item] : message.items()) {
    const bool is_role = key == "role";
    items.emplace_back(Value::text(py_from_utf8(key, false)), from_json(item, !is_role));
  }
  return Value::dict(std::move(items));
}

Value variable_value(const std::string& name, const OrderedJson& json) {
  if (name != "messages" || !json.is_array()) return from_json(json, name == "tools" || name == "documents");
  std::vector<Value> messages;
  for (const auto& message : json)
    messages.push_back(message_value(message));
  return Value::list(std::move(messages));
}

Value clock_function(const JinjaTemplate::Clock& clock) {
  return Value(std::static_pointer_cast<Object>(
      std::make_shared<Function>("strftime_now", [&clock](Interpreter&, const Arguments& arguments) {
        const Parameters p("strftime_now", arguments, {"format"});
        if (!p.at(0).is_text()) throw TemplateError(cat("strftime() argument 1 must be str, not ", type_name(p.at(0))));
        return Value::text(py_from_utf8(clock(py_to_utf8(p.at(0).as_text()))));
      })));
}

JinjaTemplate::Rendered collect(const PyText& text) {
  JinjaTemplate::Rendered out;
  out.text.reserve(text.size());
  char32_t before = 0;
  const auto mark = [&](std::vector<TextRange>& ranges, char32_t bit, char32_t now) {
    if ((now & bit) != 0 && (before & bit) == 0) ranges.push_back({out.text.size(), out.text.size()});
    if ((now & bit) == 0 && (before & bit) != 0) ranges.back().end = out.text.size();
  };
  for (const char32_t c : text) {
    mark(out.from_people, kFromPeople, c);
    mark(out.generation, kInGeneration, c);
    before = c;
    append_utf8(out.text, plain(c));
  }
  mark(out.from_people, kFromPeople, 0);
  mark(out.generation, kInGeneration, 0);
  return out;
}

}  // namespace

struct JinjaTemplate::State {
  JinjaLimits limits;
  Program program;
};

JinjaTemplate::JinjaTemplate(const std::string& source, const JinjaLimits& limits) : state_(std::make_unique<State>()) {
  state_->limits = limits;
  if (source.empty() || source.size() > limits.source_bytes) {
    throw ModelError(cat("[chat template] must have 1 to ", limits.source_bytes, " bytes, but has ", source.size()));
  }
  if (!is_valid_utf8(source)) throw ModelError("[chat template] must be UTF-8, but is not");
  try {
    state_->program = parse(source, limits);
  } catch (const LimitError& error) {
    throw ModelError(cat("[chat template] must have ", error.what(), ", but has more"));
  } catch (const TemplateError& error) {
    throw ModelError(cat("[chat template] must be a Jinja template, but: ", repair_utf8(error.what())));
  }
}

JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;

bool JinjaTemplate::marks_generation() const {
  return state_->program.marks_generation;
}

JinjaTemplate::Rendered JinjaTemplate::render(const OrderedJson& variables, const Clock& strftime_now) const {
  Budget budget(state_->limits);
  try {
    Interpreter run(state_->program);
    for (const auto& [name, item] : variables.items())
      run.set_global(name, variable_value(name, item));
    run.set_global("strftime_now", clock_function(strftime_now));
    return collect(run.run());
  } catch (const LimitError& error) {
    throw DataError(cat("[chat template] a render must take ", error.what(), ", but takes more"));
  } catch (const TemplateError& error) {
    throw DataError(cat("[chat template] must accept these messages, but says: '",
                        repair_utf8(std::string(error.what()).substr(0, 500)), "'"));
  }
}

}  // namespace afina::text
