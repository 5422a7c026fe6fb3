// SPDX-License-Identifier: Apache-2.0
// From an upstream's chunks to the client and into the log. No thread waits.
#include <algorithm>

#include "base/cat.h"
#include "base/log.h"
#include "collector/events/acts.h"
#include "collector/generations.h"
#include "collector/proxy/chunks.h"
#include "collector/proxy/late_stream.h"
#include "collector/proxy/refusals.h"
#include "collector/proxy/service.h"

namespace afina::collector {
namespace {

CompletionHead head_of(const ProxyExchange& exchange) {
  return {exchange.completion_id(), exchange.request.model, exchange.place.conversation_id, exchange.created,
          exchange.request.arena()};
}

storage::Generation to_row(const ProxyExchange& exchange, const ProxySide& side, const UpstreamAnswer& answer,
                           const Upstream& upstream, int choice) {
  Completion completion;
  completion.text = answer.said.text(choice);
  completion.finish_reason = answer.said.finish_reason(choice);
  completion.error = answer.error;
  if (completion.error.empty() && completion.text.empty()) completion.error = "upstream_empty";
  if (choice == 0) completion.afina = answer.said.afina();
  storage::Generation row = to_generation(completion, upstream, side.seed);
  row.id = choice == 0 ? side.generation_id : new_uuid();
  row.conversation_id = exchange.place.conversation_id;
  row.turn = exchange.place.turn;
  row.slot = side.slot + choice;
  std::set<std::string> beyond_text = exchange.request.beyond_text;
  if (answer.said.calls_tools(choice)) beyond_text.insert("tool_calls");
  row.params = stored_params(side.body, beyond_text);
  if (const Json seed = side.body.value("seed", Json()); seed.is_number_integer()) row.seed = seed.get<int64_t>();
  if (row.finish_reason.empty()) row.finish_reason = completion.finish_reason;
  if (choice == 0) {
    row.prompt_tokens = answer.said.tokens("prompt_tokens");
    row.completion_tokens = answer.said.tokens("completion_tokens");
  }
  row.first_token_ms = answer.first_piece_ms;
  row.total_ms = answer.total_ms;
  // PostgreSQL's text cannot hold U+0000.
  for (size_t at = row.text.find('\0'); at != std::string::npos; at = row.text.find('\0', at))
    row.text.replace(at, 1, "\uFFFD");
  return row;
}

}  // namespace

storage::LoggedAnswers ProxyService::rows_of(const ProxyExchange& exchange, const ProxySide& side,
                                             const UpstreamAnswer& answer) const {
  const Upstream& upstream = *services_.upstreams[side.upstream];
  storage::LoggedAnswers answers;
  answers.visitor_id = exchange.visitor_id;
  answers.shown_id = exchange.shown.generation_id;
  answers.message_id = exchange.message_id;
  for (int choice = 0; choice < std::max(1, answer.said.count()); ++choice)
    answers.generations.push_back(to_row(exchange, side, answer, upstream, choice));
  return answers;
}

void ProxyService::log(ProxyExchange& exchange, const ProxySide& side, const storage::LoggedAnswers& answers) {
  const std::scoped_lock lock(exchange.mutex);
  (side.slot == 0 ? exchange.pair.leak_a : exchange.pair.leak_b) =
      services_.leaks.reveals(answers.generations.at(0).text);
  const storage::WorkspaceScope scope(exchange.workspace_id);
  exchange.attempt = services_.database.transaction([&](storage::Transaction& t) {
    storage::LoggedAnswers rows = answers;
    for (storage::Generation& generation : rows.generations)
      generation.adapter_id = known_adapter(t, generation.adapter_id);
    const int attempt = storage::log_answers(t, rows, exchange.attempt);
    if (exchange.hidden) storage::log_blind_pair(t, exchange.pair);
    auto events = answers_created(exchange.workspace_id, rows.generations, storage::Source::api);
    for (storage::OutboxEvent& event : events)
      event.payload["completion"] = cat("chatcmpl-", event.id);
    storage::emit_events(t, events);
    return attempt;
  });
}

void ProxyService::run_side(const std::shared_ptr<ProxyExchange>& exchange, const ProxySide& side, OnChunk on_chunk,
                            std::stop_token stop, OnLogged on_logged) {
  const Upstream& upstream = *services_.upstreams[side.upstream];
  const auto keep = [this, exchange, &side, &upstream, on_logged = std::move(on_logged),
                     held = services_.jobs.hold()](UpstreamAnswer came) {
    if (!came.error.empty() && came.error != "interrupted") {
      log_warning("proxy", upstream.config().name, ": ", came.error, " ", came.error_detail);
    }
    const auto answer = std::make_shared<const UpstreamAnswer>(std::move(came));
    // Ids are made here, once: a commit may run again.
    const auto rows = std::make_shared<const storage::LoggedAnswers>(rows_of(*exchange, side, *answer));
    services_.jobs.commit([this, exchange, &side, rows] { log(*exchange, side, *rows); },
                          [on_logged, exchange, answer, held](const std::exception_ptr& failed) {
                            if (exchange->unlogged.fetch_sub(1) == 1) exchange->making.reset();
                            on_logged(answer, failed);
                          });
  };
  ask_upstream(upstream, services_.jobs.client(), side.body, std::move(on_chunk), keep, std::move(stop));
}

void ProxyService::start_hidden(const std::shared_ptr<ProxyExchange>& exchange, std::shared_ptr<void> place) {
  const auto on_logged = [exchange, place = std::move(place)](const auto&, const std::exception_ptr& failed) {
    try {
      if (failed) std::rethrow_exception(failed);
    } catch (const std::exception& error) {
      log_error("proxy", "the other half of ", exchange->completion_id(), " was not kept: ", error.what());
    }
  };
  run_side(
      exchange, *exchange->hidden, [](const Json&) { return true; }, services_.jobs.stop_token(), on_logged);
}

void ProxyService::answer_whole(const std::shared_ptr<ProxyExchange>& exchange, http::Response& response) {
  response.answer_later([this, exchange](const http::Reply& reply) {
    run_side(
        exchange, exchange->shown, [](const Json&) { return true; }, services_.jobs.stop_token(),
        [exchange, reply](const auto& answer, const std::exception_ptr& failed) {
          exchange->taken.reset();
          reply([&](http::Response& whole) {
            if (failed) std::rethrow_exception(failed);
            if (!answer->error.empty()) throw client_error(*answer);
            whole.set_json(whole_completion(head_of(*exchange), answer->said));
          });
        });
  });
}

void ProxyService::answer_stream(const std::shared_ptr<ProxyExchange>& exchange, http::Response& response) {
  response.answer_later([this, exchange](const http::Reply& reply) {
    const auto stream = std::make_shared<LateStream>(reply, exchange->completion_id());
    const std::chrono::seconds patience(services_.config.stream_head_seconds);
    if (patience.count() == 0) stream->begin();
    alarms_.after(patience, [waiting = std::weak_ptr(stream)] {
      if (const auto still = waiting.lock()) still->begin();
    });
    const auto either = std::make_shared<EitherStop>(stream->stop_token(), services_.jobs.stop_token());
    const CompletionHead head = head_of(*exchange);
    const bool usage = exchange->request.include_usage;
    const auto pass = [stream, head, usage, first = true](const Json& chunk) mutable {
      const Json ours = client_chunk(head, chunk, first, usage);
      if (ours.is_null()) return true;
      first = false;
      return stream->push(dump_json(ours));
    };
    // Told as finished once it is on record; the place is free by then.
    run_side(exchange, exchange->shown, pass, either->token(),
             [exchange, either, stream, head, usage](const auto& answer, const std::exception_ptr& failed) {
               exchange->taken.reset();
               if (failed) return stream->fail(failed);
               if (!answer->error.empty()) return stream->fail(std::make_exception_ptr(client_error(*answer)));
               if (usage) stream->push(dump_json(usage_chunk(head, answer->said.usage())));
               stream->push("[DONE]");
               stream->finish();
             });
  });
}

}  // namespace afina::collector
