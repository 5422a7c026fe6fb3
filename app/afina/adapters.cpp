// SPDX-License-Identifier: Apache-2.0
// `afina adapters list|show`: adapters by name, with where they came from.
#include "storage/adapters.h"
#include "app/afina/report.h"
#include "base/clock.h"
#include "storage/loop.h"

namespace afina::app {
namespace {

struct Options {
  std::string which;
  bool json = false;
};

OrderedJson to_json(const storage::Adapter& adapter) {
  return {{"id", adapter.id},
          {"name", adapter.name},
          {"path", adapter.path},
          {"sha256", adapter.sha256},
          {"run_id", adapter.run_id},
          {"parent_id", adapter.parent_id},
          {"base_model", adapter.base_model},
          {"base_sha256", adapter.base_sha256},
          {"r", adapter.r},
          {"lora_alpha", adapter.lora_alpha},
          {"target_modules", adapter.target_modules},
          {"template_sha256", adapter.template_sha256},
          {"created_at", iso8601_utc(adapter.created_at)}};
}

int list(const Context& context, const Options& options) {
  const auto adapters = open_database(context)->read([](storage::Transaction& t) { return storage::list_adapters(t); });
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const storage::Adapter& adapter : adapters)
      all.push_back(to_json(adapter));
    print_json(all, 2);
    return 0;
  }
  Table table({"name", "r", "alpha", "created (UTC)", "base", "path", "id"});
  for (const storage::Adapter& adapter : adapters) {
    table.add({adapter.name, std::to_string(adapter.r), short_number(adapter.lora_alpha),
               short_time(adapter.created_at), adapter.base_model, adapter.path, adapter.id});
  }
  print(adapters.empty() ? "No adapters yet: a finished run (afina sft, afina dpo) registers its own.\n"
                         : table.text());
  return 0;
}

int show(const Context& context, const Options& options) {
  const auto database = open_database(context);
  size_t judgements = 0;
  const auto adapter = database->read([&](storage::Transaction& t) {
    auto found = storage::get_adapter(t, options.which);
    judgements = storage::preferences_of_adapter(t, found.id).size();
    return found;
  });
  OrderedJson json = to_json(adapter);
  json["judgements"] = judgements;
  if (options.json) {
    print_json(json, 2);
    return 0;
  }
  Table table({"adapter", adapter.name});
  for (const auto& [name, value] : json.items()) {
    if (name == "name" || value == "") continue;
    table.add({name, value.is_string() ? value.get<std::string>() : dump_json(value)});
  }
  print(table.text());
  return 0;
}

}  // namespace

void add_adapters(CLI::App& app, Context& context) {
  const auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand("adapters", "Adapters that can be served, continued or merged");
  verb->require_subcommand(1);
  auto* list_verb = verb->add_subcommand("list", "All adapters, newest first");
  list_verb->add_flag("--json", options->json, "JSON on stdout");
  list_verb->callback([&context, options] { context.run = [&context, options] { return list(context, *options); }; });
  auto* show_verb =
      verb->add_subcommand("show", "One adapter: base, parent, run, how many judgements it was trained on");
  show_verb->add_option("adapter", options->which, "Name or id")->required();
  show_verb->add_flag("--json", options->json, "JSON on stdout");
  show_verb->callback([&context, options] { context.run = [&context, options] { return show(context, *options); }; });
}

}  // namespace afina::app
