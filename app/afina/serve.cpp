// SPDX-License-Identifier: Apache-2.0
// `afina serve`: a local model and its adapters as an OpenAI-compatible server.
#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>

#include "app/afina/verbs.h"
#include "base/file.h"
#include "base/log.h"
#include "model/threads.h"
#include "serve/local_model.h"
#include "serve/openai_service.h"
#include "storage/adapters.h"
#include "storage/database.h"

namespace afina::app {
namespace {

struct ServeOptions {
  std::string model, name, host = "127.0.0.1", port_file, api_key_file;
  std::vector<std::string> adapters;
  int port = 0, max_slots = 16, max_waiting = 256, threads = 0;
  int64_t context = 0;
  double rate_limit = 0;
  bool allow_remote = false;
};

/// "name=folder" as the command line gives it.
std::vector<serve::AdapterEntry> fixed_adapters(const std::vector<std::string>& arguments) {
  std::vector<serve::AdapterEntry> entries;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == argument.size()) {
      throw UsageError(cat("[--adapter] must be NAME=DIR, but got \"", argument, "\"."));
    }
    serve::AdapterEntry entry;
    entry.name = argument.substr(0, equals);
    entry.path = argument.substr(equals + 1);
    entries.push_back(std::move(entry));
  }
  return entries;
}

serve::ModelCatalog::Source registered_adapters(storage::Database* database) {
  if (database == nullptr) return {};
  return [database] {
    std::vector<serve::AdapterEntry> entries;
    for (const storage::Adapter& row :
         database->read([](storage::Transaction& t) { return storage::list_adapters(t); })) {
      const auto created = std::chrono::duration_cast<std::chrono::seconds>(row.created_at.time_since_epoch());
      entries.push_back({row.name, row.id, row.path, row.sha256, row.base_sha256, created.count()});
    }
    return entries;
  };
}

int64_t unix_now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
}

int serve_model(const ServeOptions& options, const Context& context) {
  model::tune_process(options.threads);
  const std::vector<serve::AdapterEntry> fixed = fixed_adapters(options.adapters);
  const serve::ApiKeys keys = serve::load_api_keys(options.api_key_file, std::getenv("AFINA_API_KEY"));
  if (options.allow_remote && keys.empty())
    log_warning("serve", "everybody who reaches this address may use it: --api-key-file asks for a key");
  const serve::LocalModel local = serve::load_local_model(options.model);
  for (const std::string& finding : text::check_template(local.text))
    log_warning("serve", finding);
  const storage::DatabaseTarget target = storage::database_target(context.database);
  std::unique_ptr<storage::Database> database;
  if (target.kind != storage::DatabaseTarget::Kind::none) database = storage::Database::open(target);

  const serve::BaseEntry base{options.name.empty() ? local.name : options.name, local.weights->identity(),
                              unix_now_s()};
  const auto load = [&local](const serve::AdapterEntry& entry) {
    return serve::load_adapter(entry.path, local.weights);
  };
  serve::ModelCatalog catalog(base, fixed, registered_adapters(database.get()), load);
  for (const serve::AdapterEntry& entry : fixed)
    catalog.resolve(entry.name);  // a bad folder is told now, not to a client
  const int64_t model_context = local.weights->config().row_limit();
  const int64_t limit = options.context > 0 ? std::min(options.context, model_context) : model_context;
  serve::Scheduler scheduler(
      serve::make_sequence_decoder(local.weights, {.max_sequences = options.max_slots, .max_context = limit}),
      {.max_slots = options.max_slots, .max_waiting = options.max_waiting});
  serve::ServiceOptions how{.context_limit = limit, .keys = keys, .requests_per_second = options.rate_limit};
  how.limits.max_jobs = std::min(how.limits.max_jobs, options.max_slots + options.max_waiting);
  serve::OpenAiService service(local.text, catalog, scheduler, how);
  http::ServerOptions http;
  http.host = options.host;
  http.port = options.port;
  http.allow_remote = options.allow_remote;
  http.error_form = http::ErrorForm::openai;
  // A request that waits for its answer holds a worker, so there are as many as may wait.
  http.workers = options.max_slots + options.max_waiting;
  http.max_streams = options.max_slots + options.max_waiting;
  http::Server server(http);
  service.add_routes(server);
  server.start();
  if (!options.port_file.empty()) write_file_atomic(options.port_file, cat(server.port(), "\n"));
  std::cout << server.address() << std::endl;
  log_info("serve", "model \"", base.name, "\", ", "adapters: ", catalog.adapters().size(), ", ", options.max_slots,
           " slots, context ", limit, " tokens, ", model::threads(), " threads");
  wait_for(context.stop);
  log_info("serve", "stopping");
  server.stop();
  return 0;
}

}  // namespace

void add_serve(CLI::App& app, Context& context) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* verb = app.add_subcommand("serve", "Offer a model and its adapters as an OpenAI-compatible server");
  verb->add_option("--model", options->model, "GGUF file or Hugging Face folder")->required();
  verb->add_option("--name", options->name, "Model name of the base (default: the file's name)");
  verb->add_option("--adapter", options->adapters, "NAME=DIR: a PEFT folder as a model of that name; may be repeated");
  verb->add_option("--host", options->host, "Address to bind")->capture_default_str();
  verb->add_option("--port", options->port, "0 takes a free one")->check(CLI::Range(0, 65535))->capture_default_str();
  verb->add_option("--port-file", options->port_file, "Where to write the port once it is bound");
  verb->add_flag("--allow-remote", options->allow_remote, "Let --host be another address than loopback");
  verb->add_option("--max-slots", options->max_slots, "Answers written at one time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  verb->add_option("--max-waiting", options->max_waiting, "Requests that may wait; above: 503")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--api-key-file", options->api_key_file,
                   "File with a key a line: clients must send one of them. So must they where AFINA_API_KEY is set");
  verb->add_option("--rate-limit", options->rate_limit, "Requests a second of one address, above: 429; 0 = no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--context", options->context, "Longest prompt and answer together, tokens; 0 = the model's")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--threads", options->threads, "Compute threads; 0 = all physical cores")->capture_default_str();
  verb->callback([options, &context] { context.run = [options, &context] { return serve_model(*options, context); }; });
}

}  // namespace afina::app
