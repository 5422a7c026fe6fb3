// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_run.h"

#include "base/cat.h"

namespace afina::text::jinja {

namespace {

class Loop : public Object {
 public:
  Loop(const Value& items, int depth, std::function<Value(const Value&)> recurse)
      : held_(items), items_(held_.as_list().items), depth_(depth), recurse_(std::move(recurse)) {
    holds(items);
  }
  std::string type_name() const override { return "LoopContext"; }
  bool is_callable() const override { return true; }
  Value call(Interpreter&, const Arguments& arguments) override {
    if (!recurse_) throw TemplateError("The loop must have the 'recursive' marker to be called recursively.");
    return recurse_(Parameters("loop", arguments, {"iterable"}).at(0));
  }
  std::optional<Value> attribute(const std::string& name) override {
    const auto number = [](size_t n) { return Value(static_cast<int64_t>(n)); };
    if (name == "index") return number(at + 1);
    if (name == "index0") return number(at);
    if (name == "revindex") return number(items_.size() - at);
    if (name == "revindex0") return number(items_.size() - at - 1);
    if (name == "first") return Value(at == 0);
    if (name == "last") return Value(at + 1 == items_.size());
    if (name == "length") return number(items_.size());
    if (name == "depth") return Value(static_cast<int64_t>(depth_ + 1));
    if (name == "depth0") return Value(static_cast<int64_t>(depth_));
    if (name == "previtem") return at > 0 ? items_[at - 1] : Value::undefined("there is no previous item");
    if (name == "nextitem") return at + 1 < items_.size() ? items_[at + 1] : Value::undefined("there is no next item");
    if (name == "cycle") return cycle();
    if (name == "changed") return changed();
    return std::nullopt;
  }
  size_t at = 0;

 private:
  Value cycle() const {
    const size_t place = at;
    return Value(std::make_shared<Function>("cycle", [place](Interpreter&, const Arguments& arguments) {
      if (arguments.values.empty()) throw TemplateError("no items for cycling given");
      return arguments.values[place % arguments.values.size()];
    }));
  }
  Value changed() {
    // Weak: the arguments may hold this very function.
    const std::weak_ptr<std::optional<Value>> weak = last_;
    return Value(std::make_shared<Function>("changed", [weak](Interpreter&, const Arguments& arguments) {
      const auto last = weak.lock();
      if (last == nullptr) throw TemplateError("loop.changed must be called inside its loop");
      const Value now = Value::list(arguments.values, Flavor::tuple);
      const bool differs = !last->has_value() || !equal(**last, now);
      *last = now;
      return Value(differs);
    }));
  }

  Value held_;
  const std::vector<Value>& items_;
  int depth_;
  std::function<Value(const Value&)> recurse_;
  std::shared_ptr<std::optional<Value>> last_ = std::make_shared<std::optional<Value>>();
};

// A list that holds what an iterable gives, without a copy where it is one.
Value as_items(const Value& iterable) {
  if (iterable.is_list() && iterable.as_list().flavor != Flavor::iterator) return iterable;
  return Value::list(iterate(iterable));
}

}  // namespace

Output::~Output() {
  if (Budget* budget = Budget::current()) budget->release(held_);
}

void Output::append(const PyText& more) {
  if (Budget* budget = Budget::current()) {
    budget->work(more.size() / 64);
    budget->check_characters(static_cast<double>(text.size() + more.size()));
    budget->hold(more.size() * 6);
    held_ += more.size() * 6;
  }
  text += more;
}

PyText Output::take() {
  return std::move(text);
}

Interpreter::~Interpreter() {
  std::vector<std::vector<std::pair<int, Value>>> values;
  std::vector<std::vector<std::pair<std::string, Value>>> named;
  keep(root_);
  for (const auto& scope : scopes_)
    values.push_back(std::move(scope->values));
  for (const auto& names : namespaces_)
    named.push_back(std::move(names->values));
  values.clear();
  named.clear();
  for (const auto& scope : scopes_)
    scope->parent.reset();
}

void Interpreter::keep(const std::shared_ptr<Scope>& scope) {
  for (std::shared_ptr<Scope> at = scope; at != nullptr && !at->is_kept; at = at->parent) {
    at->is_kept = true;
    if (Budget* budget = Budget::current(); budget != nullptr && at != root_) budget->hold(256);
    scopes_.push_back(at);
  }
}

void Interpreter::keep(const std::shared_ptr<Namespace>& names) {
  if (Budget* budget = Budget::current()) budget->hold(256 + names->values.size() * 64);
  namespaces_.push_back(names);
}

int Interpreter::id_of(const std::string& name) const {
  const auto found = program_.ids.find(name);
  return found == program_.ids.end() ? -1 : found->second;
}

void Interpreter::set_global(const std::string& name, Value value) {
  globals_.emplace_back(name, std::move(value));
}

PyText Interpreter::run() {
  // Names that the template never mentions cannot be asked for.
  for (auto& [name, value] : globals_) {
    if (const int id = id_of(name); id >= 0) root_->values.emplace_back(id, value);
  }
  const auto top = std::make_shared<Scope>(root_);
  keep(top);
  Output out;
  if (execute(program_.body, top, out) != Flow::next) throw TemplateError("'break' outside loop");
  return out.take();
}

Flow Interpreter::execute(const Nodes& body, const std::shared_ptr<Scope>& scope, Output& out) {
  for (const NodePtr& node : body) {
    if (const Flow flow = execute_one(*node, scope, out); flow != Flow::next) return flow;
  }
  return Flow::next;
}

Value Interpreter::body_text(const Nodes& body, const std::shared_ptr<Scope>& scope) {
  Output out;
  if (execute(body, std::make_shared<Scope>(scope), out) != Flow::next) throw TemplateError("'break' outside loop");
  return Value::text(out.take());
}

Flow Interpreter::execute_one(const Node& node, const std::shared_ptr<Scope>& scope, Output& out) {
  if (Budget* budget = Budget::current()) budget->step();
  switch (node.kind) {
    case NodeKind::data:
      out.append(node.value.as_text());
      return Flow::next;
    case NodeKind::output:
      out.append(to_text(evaluate(*node.kids[0], scope)));
      return Flow::next;
    case NodeKind::branch:
      return execute(truthy(evaluate(*node.kids[0], scope)) ? node.body : node.other, scope, out);
    case NodeKind::loop:
      return run_loop(node, evaluate(*node.kids[1], scope), scope, out, 0);
    case NodeKind::assign:
      assign(*node.kids[0], evaluate(*node.kids[1], scope), scope);
      return Flow::next;
    case NodeKind::assign_block: {
      Value text = body_text(node.body, scope);
      if (node.kids[1] != nullptr) text = filters_on(*node.kids[1], std::move(text), scope);
      assign(*node.kids[0], std::move(text), scope);
      return Flow::next;
    }
    case NodeKind::macro:
      assign(node, macro(node, scope), scope);
      return Flow::next;
    case NodeKind::call_block: {
      const Node& call_node = *node.kids[1];
      Arguments given = arguments(call_node.arguments, scope);
      given.named.emplace_back("caller", macro(*node.kids[0], scope));
      out.append(to_text(call(evaluate(*call_node.kids[0], scope), given)));
      return Flow::next;
    }
    case NodeKind::filter_block:
      out.append(to_text(filters_on(*node.kids[0], body_text(node.body, scope), scope)));
      return Flow::next;
    case NodeKind::with: {
      const auto inner = std::make_shared<Scope>(scope);
      for (size_t i = 0; i + 1 < node.kids.size(); i += 2)
        assign(*node.kids[i], evaluate(*node.kids[i + 1], scope), inner);
      return execute(node.body, inner, out);
    }
    case NodeKind::scope:
      return execute(node.body, std::make_shared<Scope>(scope), out);
    case NodeKind::generation: {
      PyText text = body_text(node.body, scope).as_text();
      for (char32_t& c : text)
        c |= kInGeneration;
      out.append(text);
      return Flow::next;
    }
    case NodeKind::leave_loop:
      return Flow::leave_loop;
    case NodeKind::next_loop:
      return Flow::next_loop;
    default:
      throw TemplateError(cat("line ", node.line, ": '", node.text, "' needs other templates, which there are not"));
  }
}

Flow Interpreter::run_loop(const Node& node, const Value& iterable, const std::shared_ptr<Scope>& scope, Output& out,
                           int depth) {
  Value items = as_items(iterable);
  if (node.kids.size() > 2) {
    std::vector<Value> kept;
    for (const Value& item : items.as_list().items) {
      const auto inner = std::make_shared<Scope>(scope);
      assign(*node.kids[0], item, inner);
      if (truthy(evaluate(*node.kids[2], inner))) kept.push_back(item);
    }
    items = Value::list(std::move(kept));
  }
  const std::vector<Value>& list = items.as_list().items;
  if (list.empty()) return execute(node.other, std::make_shared<Scope>(scope), out);
  std::function<Value(const Value&)> recurse;
  if (node.flag) {
    recurse = [this, &node, scope, depth](const Value& inner) {
      Output text;
      run_loop(node, inner, scope, text, depth + 1);
      return Value::text(text.take());
    };
  }
  const auto loop = std::make_shared<Loop>(items, depth, std::move(recurse));
  const int loop_id = id_of("loop");
  for (size_t i = 0; i < list.size(); ++i) {
    work(3);  // a scope is made
    loop->at = i;
    const auto inner = std::make_shared<Scope>(scope);
    if (loop_id >= 0) inner->values.emplace_back(loop_id, Value(std::static_pointer_cast<Object>(loop)));
    assign(*node.kids[0], list[i], inner);
    if (execute(node.body, inner, out) == Flow::leave_loop) break;
  }
  return Flow::next;
}

void Interpreter::assign(const Node& target, Value value, const std::shared_ptr<Scope>& scope) {
  if (target.kind == NodeKind::name || target.kind == NodeKind::macro) {
    work(scope->values.size() / 8);
    for (auto& [id, old] : scope->values) {
      if (id == target.id) {
        old = std::move(value);
        return;
      }
    }
    scope->values.emplace_back(target.id, std::move(value));
  } else if (target.kind == NodeKind::attribute) {
    const Value object = evaluate(*target.kids[0], scope);
    auto* names = object.is_object() ? dynamic_cast<Namespace*>(object.as_object().get()) : nullptr;
    if (names == nullptr) throw TemplateError("cannot assign attribute on non-namespace object");
    names->set(target.text, std::move(value));
  } else {
    const std::vector<Value> items = iterate(value);
    if (items.size() != target.kids.size()) {
      throw TemplateError(
          items.size() < target.kids.size()
              ? cat("not enough values to unpack (expected ", target.kids.size(), ", got ", items.size(), ")")
              : cat("too many values to unpack (expected ", target.kids.size(), ")"));
    }
    for (size_t i = 0; i < items.size(); ++i)
      assign(*target.kids[i], items[i], scope);
  }
}

}  // namespace afina::text::jinja
