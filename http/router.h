// SPDX-License-Identifier: Apache-2.0
// Matches a method and a path to a route: exact parts and {name} parts, no regular expressions, time linear in the
// path.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/server.h"

namespace afina::http {

struct Route {
  std::string method, pattern;
  Handler handler;
  RouteOptions options;
  std::vector<std::string> names;  ///< of the {name} parts, in order
};

struct RouteMatch {
  const Route* route = nullptr;  ///< null: see allowed
  std::map<std::string, std::string> params;
  std::vector<std::string> allowed;  ///< methods of that path where only the method does not fit
};

/// Filled before use, then read by any number of threads.
class Router {
 public:
  Router();
  ~Router();
  /// Throws UsageError for a malformed pattern or a second route of the same method and shape.
  void add(Route route);
  /// HEAD falls back to GET. Pointers live as long as the router.
  RouteMatch match(const std::string& method, std::string_view path) const;

 private:
  struct Node;
  static const Node* find(const Node& node, std::string_view rest, std::vector<std::string>& values);
  std::unique_ptr<Node> root_;
};

}  // namespace afina::http
