// SPDX-License-Identifier: Apache-2.0
// The table of filters, filled by two files.
#pragma once
#include <string>
#include <unordered_map>

#include "text/jinja_run.h"

namespace afina::text::jinja {

using FilterTable = std::unordered_map<std::string, FilterBody>;
void add_text_filters(FilterTable& table);
void add_list_filters(FilterTable& table);

}  // namespace afina::text::jinja
