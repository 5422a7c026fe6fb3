// SPDX-License-Identifier: Apache-2.0
// jinja2's filters on lists and dicts. What is a generator there is one here: it has no length and is read once.
#include <algorithm>

#include "base/cat.h"
#include "text/jinja_filters.h"

namespace afina::text::jinja {

namespace {

Value lowered(const Value& value) {
  return value.is_text() ? Value::text(py_lower(value.as_text())) : value;
}

// "a.0.b" as jinja2 resolves it, each part by item first.
std::vector<Value> parts_of(const Value& attribute) {
  std::vector<Value> parts;
  if (attribute.is_none()) return parts;
  if (!attribute.is_text()) return {attribute};
  const PyText dot(1, U'.');
  for (const PyText& part : py_split(attribute.as_text(), &dot, -1)) {
    const bool digits = !part.empty() && part.size() < 18 && std::all_of(part.begin(), part.end(), py_is_decimal);
    parts.push_back(digits ? Value(static_cast<int64_t>(std::stoll(py_to_utf8(part)))) : Value::text(part));
  }
  return parts;
}

Value get(Interpreter& run, Value item, const std::vector<Value>& parts, const Value& other = Value()) {
  for (const Value& part : parts) {
    item = run.item(item, part);
    if (!other.is_none() && item.is_undefined()) item = other;
  }
  return item;
}

// What sort, min, max and unique compare: an attribute or the value, without case unless asked.
class Key {
 public:
  Key(Interpreter& run, const Value& attribute, bool case_sensitive)
      : run_(run), parts_(parts_of(attribute)), case_sensitive_(case_sensitive) {}
  Value operator()(const Value& item) const {
    const Value value = get(run_, item, parts_);
    return case_sensitive_ ? value : lowered(value);
  }

 private:
  Interpreter& run_;
  std::vector<Value> parts_;
  bool case_sensitive_;
};

void check_orders(const std::vector<std::pair<Value, Value>>& keyed) {
  // std::stable_sort may not meet every pair, so what cannot be compared is found first, as Python's sort finds it.
  for (size_t i = 1; i < keyed.size(); ++i)
    (void)compare(keyed[i - 1].first, keyed[i].first);
}

std::vector<Value> sorted(std::vector<std::pair<Value, Value>> keyed, bool reverse) {
  check_orders(keyed);
  std::stable_sort(keyed.begin(), keyed.end(), [reverse](const auto& a, const auto& b) {
    return reverse ? compare(b.first, a.first) == -1 : compare(a.first, b.first) == -1;
  });
  std::vector<Value> out;
  for (auto& [key, value] : keyed)
    out.push_back(std::move(value));
  return out;
}

Value sort(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("sort", a, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::vector<Value>> paths;
  const Value attribute = p.or_else(2, Value());
  if (attribute.is_text()) {
    const PyText comma(1, U',');
    for (const PyText& path : py_split(attribute.as_text(), &comma, -1))
      paths.push_back(parts_of(Value::text(path)));
  } else {
    paths.push_back(parts_of(attribute));
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : iterate(v)) {
    std::vector<Value> key;
    for (const auto& path : paths) {
      const Value part = get(run, item, path);
      key.push_back(p.flag(1, false) ? part : lowered(part));
    }
    keyed.emplace_back(Value::list(std::move(key)), item);
  }
  return Value::list(sorted(std::move(keyed), p.flag(0, false)));
}

Value dict_sort(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("dictsort", a, {"case_sensitive", "by", "reverse"});
  const std::string by = p.has(1) ? py_to_utf8(to_text(p.at(1))) : "key";
  if (by != "key" && by != "value") throw TemplateError("You can only sort by either \"key\" or \"value\"");
  if (v.is_undefined()) raise_undefined(v);
  if (!v.is_dict()) throw TemplateError(cat("'", type_name(v), "' object has no attribute 'items'"));
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : v.as_dict().items) {
    const Value& what = by == "key" ? key : value;
    keyed.emplace_back(p.flag(0, false) ? what : lowered(what), Value::list({key, value}, Flavor::tuple));
  }
  return Value::list(sorted(std::move(keyed), p.flag(2, false)));
}

Value unique(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("unique", a, {"case_sensitive", "attribute"});
  const Key key(run, p.or_else(1, Value()), p.flag(0, false));
  std::vector<Value> seen;
  std::vector<Value> out;
  for (const Value& item : iterate(v)) {
    Value now = key(item);
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& known) { return equal(known, now); })) continue;
    seen.push_back(std::move(now));
    out.push_back(item);
  }
  return Value::list(std::move(out), Flavor::iterator);
}

template <int sign>
Value extreme(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("max", a, {"case_sensitive", "attribute"});
  const Key key(run, p.or_else(1, Value()), p.flag(0, false));
  const std::vector<Value> items = iterate(v);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key = key(items[0]);
  for (size_t i = 1; i < items.size(); ++i) {
    Value now = key(items[i]);
    if (compare(now, best_key) != sign) continue;
    best = i;
    best_key = std::move(now);
  }
  return items[best];
}

Value sum(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("sum", a, {"attribute", "start"});
  const std::vector<Value> parts = parts_of(p.or_else(0, Value()));
  Value total = p.or_else(1, Value(int64_t{0}));
  if (total.is_text()) throw TemplateError("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : iterate(v))
    total = operate("+", total, get(run, item, parts));
  return total;
}

Value group_by(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("groupby", a, {"attribute", "default", "case_sensitive"});
  const std::vector<Value> parts = parts_of(p.at(0));
  const Value other = p.or_else(1, Value());
  const auto raw = [&](const Value& item) { return get(run, item, parts, other); };
  const auto key = [&](const Value& item) { return p.flag(2, false) ? raw(item) : lowered(raw(item)); };
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : iterate(v))
    keyed.emplace_back(key(item), item);
  std::vector<Value> groups;
  std::vector<Value> group;
  const auto close = [&] {
    if (!group.empty()) groups.push_back(Value::list({raw(group[0]), Value::list(group)}, Flavor::group));
    group.clear();
  };
  for (const Value& item : sorted(std::move(keyed), false)) {
    if (!group.empty() && !equal(key(group[0]), key(item))) close();
    group.push_back(item);
  }
  close();
  return Value::list(std::move(groups));
}

Value join(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("join", a, {"d", "attribute"});
  const PyText between = p.has(0) ? to_text(p.at(0)) : PyText();
  const std::vector<Value> parts = parts_of(p.or_else(1, Value()));
  PyText out;
  bool first = true;
  for (const Value& item : iterate(v)) {
    if (!first) out += between;
    first = false;
    out += to_text(get(run, item, parts));
    if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(out.size()));
  }
  return Value::text(std::move(out));
}

Value first(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("first", a, {});
  // next(iter(x)) takes one item; an iterator keeps the rest, which no template asks for again.
  const std::vector<Value> items = iterate(v);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("last", a, {});
  if (v.is_flavor(Flavor::iterator)) throw TemplateError("'generator' object is not reversible");
  const std::vector<Value> items = iterate(v);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value reverse(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("reverse", a, {});
  if (v.is_text()) return Value::text(PyText(v.as_text().rbegin(), v.as_text().rend()), v.is_markup());
  if (v.is_none() || v.is_number()) throw TemplateError("argument must be iterable");
  std::vector<Value> items = iterate(v);
  std::reverse(items.begin(), items.end());
  return Value::list(std::move(items), v.is_flavor(Flavor::iterator) ? Flavor::list : Flavor::iterator);
}

Value as_list(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("list", a, {});
  return Value::list(iterate(v));
}

Value count(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("length", a, {});
  return Value(length(v));
}

Value items(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("items", a, {});
  if (v.is_undefined()) return Value::list({}, Flavor::iterator);
  if (!v.is_dict()) throw TemplateError("Can only get item pairs from a mapping.");
  std::vector<Value> out;
  for (const auto& [key, value] : v.as_dict().items)
    out.push_back(Value::list({key, value}, Flavor::tuple));
  return Value::list(std::move(out), Flavor::iterator);
}

Value batch(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("batch", a, {"linecount", "fill_with"});
  const int64_t size = need_int(p.at(0), "batch sizes");
  const Value fill = p.or_else(1, Value());
  std::vector<Value> out;
  std::vector<Value> row;
  for (const Value& item : iterate(v)) {
    if (static_cast<int64_t>(row.size()) == size) {
      out.push_back(Value::list(std::move(row)));
      row.clear();
    }
    row.push_back(item);
  }
  if (!row.empty()) {
    if (const Budget* budget = Budget::current()) budget->check_items(fill.is_none() ? 0 : static_cast<double>(size));
    while (!fill.is_none() && static_cast<int64_t>(row.size()) < size)
      row.push_back(fill);
    out.push_back(Value::list(std::move(row)));
  }
  return Value::list(std::move(out), Flavor::iterator);
}

Value slices(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("slice", a, {"slices", "fill_with"});
  const int64_t count = need_int(p.at(0), "slices");
  if (count == 0) throw TemplateError("integer division or modulo by zero");
  const std::vector<Value> all = iterate(v);
  const auto size = static_cast<int64_t>(all.size());
  if (const Budget* budget = Budget::current()) budget->check_items(static_cast<double>(count));
  std::vector<Value> out;
  int64_t begin = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t end = begin + size / count + (i < size % count ? 1 : 0);
    std::vector<Value> part(all.begin() + begin, all.begin() + end);
    if (p.has(1) && !p.at(1).is_none() && i >= size % count) part.push_back(p.at(1));
    out.push_back(Value::list(std::move(part)));
    begin = end;
  }
  return Value::list(std::move(out), Flavor::iterator);
}

Value attr(Interpreter& run, const Value& v, const Arguments& a) {
  const Value name = Parameters("attr", a, {"name"}).at(0);
  if (!name.is_text()) throw TemplateError("attribute name must be string");
  if (v.is_dict() && !method(v, py_to_utf8(name.as_text()))) {
    return Value::undefined(cat("'dict object' has no attribute '", py_to_utf8(name.as_text()), "'"));
  }
  return run.attribute(v, py_to_utf8(name.as_text()));
}

Value map(Interpreter& run, const Value& v, const Arguments& a) {
  std::vector<Value> out;
  if (!truthy(v)) return Value::list({}, Flavor::iterator);
  if (a.values.empty() &&
      std::any_of(a.named.begin(), a.named.end(), [](const auto& n) { return n.first == "attribute"; })) {
    const Parameters p("map", {{}, a.named}, {"attribute", "default"});
    const std::vector<Value> parts = parts_of(p.at(0));
    for (const Value& item : iterate(v))
      out.push_back(get(run, item, parts, p.or_else(1, Value())));
    return Value::list(std::move(out), Flavor::iterator);
  }
  if (a.values.empty()) throw TemplateError("map requires a filter argument");
  const std::string name = py_to_utf8(to_text(a.values[0]));
  const Arguments rest{{a.values.begin() + 1, a.values.end()}, a.named};
  for (const Value& item : iterate(v))
    out.push_back(run.filter(name, item, rest));
  return Value::list(std::move(out), Flavor::iterator);
}

template <bool keeps, bool by_attribute>
Value chosen(Interpreter& run, const Value& v, const Arguments& a) {
  std::vector<Value> out;
  if (!truthy(v)) return Value::list({}, Flavor::iterator);
  const size_t off = by_attribute ? 1 : 0;
  if (a.values.size() < off) throw TemplateError("Missing parameter for attribute name");
  const std::vector<Value> parts = by_attribute ? parts_of(a.values[0]) : std::vector<Value>();
  const bool has_test = a.values.size() > off;
  const std::string name = has_test ? py_to_utf8(to_text(a.values[off])) : "";
  Arguments rest{{}, a.named};
  for (size_t i = off + 1; i < a.values.size(); ++i)
    rest.values.push_back(a.values[i]);
  for (const Value& item : iterate(v)) {
    const Value what = get(run, item, parts);
    if ((has_test ? run.test(name, what, rest) : truthy(what)) == keeps) out.push_back(item);
  }
  return Value::list(std::move(out), Flavor::iterator);
}

}  // namespace

void add_list_filters(FilterTable& table) {
  table.insert({{"sort", sort},
                {"dictsort", dict_sort},
                {"unique", unique},
                {"min", extreme<-1>},
                {"max", extreme<1>},
                {"sum", sum},
                {"groupby", group_by},
                {"join", join},
                {"first", first},
                {"last", last},
                {"reverse", reverse},
                {"list", as_list},
                {"length", count},
                {"count", count},
                {"items", items},
                {"batch", batch},
                {"slice", slices},
                {"attr", attr},
                {"map", map},
                {"select", chosen<true, false>},
                {"reject", chosen<false, false>},
                {"selectattr", chosen<true, true>},
                {"rejectattr", chosen<false, true>}});
}

FilterBody find_filter(const std::string& name) {
  static const FilterTable table = [] {
    FilterTable all;
    add_text_filters(all);
    add_list_filters(all);
    return all;
  }();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace afina::text::jinja
