// SPDX-License-Identifier: Apache-2.0
#include "http/router.h"

namespace afina::http {

struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> exact;
  std::unique_ptr<Node> any;
  std::map<std::string, Route> by_method;
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

void Router::add(Route route) {
  const auto malformed = [&](const char* why) {
    throw UsageError(cat("[route \"", route.method, " ", route.pattern, "\"] ", why));
  };
  if (!route.pattern.starts_with('/')) malformed("must begin with a slash, but does not.");
  Node* node = root_.get();
  std::string_view rest = std::string_view(route.pattern).substr(1);
  for (bool more = !rest.empty(); more;) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    more = slash != std::string_view::npos;
    rest.remove_prefix(more ? slash + 1 : rest.size());
    if (part.empty()) malformed("must have no empty part, but has one.");
    if (part.starts_with('{')) {
      if (!part.ends_with('}') || part.size() < 3) malformed("must close its {name}, but does not.");
      route.names.emplace_back(part.substr(1, part.size() - 2));
      if (!node->any) node->any = std::make_unique<Node>();
      node = node->any.get();
    } else {
      auto& child = node->exact[std::string(part)];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
    }
  }
  if (node->by_method.contains(route.method)) malformed("must be added once, but exists.");
  const std::string method = route.method;
  node->by_method.emplace(method, std::move(route));
}

const Router::Node* Router::find(const Node& node, std::string_view rest, std::vector<std::string>& values) {
  const size_t slash = rest.find('/');
  const std::string_view part = rest.substr(0, slash);
  const auto descend = [&](const Node& child) -> const Node* {
    if (slash == std::string_view::npos) return child.by_method.empty() ? nullptr : &child;
    return find(child, rest.substr(slash + 1), values);
  };
  // At most two branches a level, and levels are bounded by the longest pattern: no blow-up on hostile paths.
  if (const auto exact = node.exact.find(part); exact != node.exact.end()) {
    if (const Node* found = descend(*exact->second)) return found;
  }
  if (node.any && !part.empty()) {
    const size_t size_before = values.size();
    values.emplace_back(part);
    if (const Node* found = descend(*node.any)) return found;
    values.resize(size_before);
  }
  return nullptr;
}

RouteMatch Router::match(const std::string& method, std::string_view path) const {
  RouteMatch match;
  std::vector<std::string> values;
  const Node* node = path == "/" ? root_.get() : find(*root_, path.substr(1), values);
  if (node == nullptr) return match;
  auto found = node->by_method.find(method);
  if (found == node->by_method.end() && method == "HEAD") found = node->by_method.find("GET");
  if (found == node->by_method.end()) {
    for (const auto& [other, route] : node->by_method)
      match.allowed.push_back(other);
    return match;
  }
  match.route = &found->second;
  for (size_t i = 0; i < values.size(); ++i)
    match.params[match.route->names[i]] = values[i];
  return match;
}

}  // namespace afina::http
