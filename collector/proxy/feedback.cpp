// SPDX-License-Identifier: Apache-2.0
// What a client says later about a completion, by its id. Of a blind comparison it is a vote on the pair: the answer
// that was shown counts as the left one. Of a single answer it is a note with a rating. Saying the same again changes
// nothing; saying something else corrects.
#include <atomic>
#include <cmath>

#include "base/cat.h"
#include "base/hash.h"
#include "collector/events/acts.h"
#include "collector/judgements/details_wire.h"
#include "collector/proxy/service.h"
#include "collector/wire.h"
#include "storage/judgements/answer_notes.h"
#include "storage/judgements/votes.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxReasonBytes = 4000, kMaxRewriteBytes = 32 * 1024;
constexpr std::string_view kCompletionPrefix = "chatcmpl-";
/// A thumb is about one answer, without the other having been seen: a guess as a comparison.
constexpr int kThumbConfidence = 1;

[[noreturn]] void invalid(const char* param, const std::string& message) {
  throw http::HttpError(ErrorKind::usage, 400, message, "bad_request", 0, param);
}

struct Feedback {
  std::string generation_id, reason, rewrite, key;
  std::optional<Verdict> verdict;  ///< about the shown answer as the left one
  bool thumb = false;
  std::optional<int> confidence;
  storage::JudgementDetails details;
};

/// The own reader of strict bodies, fed with what it knows; a client's other fields are let be.
http::Request known_part(const Json& json) {
  Json known = Json::object();
  for (const char* key : {"completion_id", "outcome", "score", "thumbs", "reason", "rewrite", "confidence",
                          "reason_language", "aspects", "flags", "spans"}) {
    if (json.contains(key)) known[key] = json[key];
  }
  const auto keep = [&](const char* list, std::initializer_list<const char*> fields) {
    if (!known.contains(list) || !known[list].is_array()) return;
    for (Json& entry : known[list]) {
      if (!entry.is_object()) continue;
      Json kept{{"side", "only"}};
      for (const char* field : fields) {
        if (entry.contains(field)) kept[field] = entry[field];
      }
      entry = std::move(kept);
    }
  };
  keep("aspects", {"aspect", "value"});
  keep("flags", {"kind", "note"});
  keep("spans", {"start", "end", "kind", "text"});
  http::Request request;
  request.body = dump_json(known);
  return request;
}

std::string generation_of(const std::string& completion_id) {
  const bool ours = completion_id.starts_with(kCompletionPrefix);
  const std::string id = ours ? completion_id.substr(kCompletionPrefix.size()) : "";
  if (!is_uuid(id)) {
    throw http::HttpError(ErrorKind::not_found, 404, "completion_id must be one that you got here, but is not.",
                          "not_found", 0, "completion_id");
  }
  return id;
}

void read_verdict(const Body& body, Feedback& feedback) {
  const int given = body.has("outcome") + body.has("score") + body.has("thumbs");
  if (given > 1) invalid("outcome", "Only one of outcome, score and thumbs must be given, but several are.");
  if (body.has("outcome")) feedback.verdict = parse_verdict(body.at("outcome"));
  if (body.has("score")) {
    feedback.verdict = Verdict{storage::Outcome::graded, static_cast<int>(body.whole("score", -3, 3))};
  }
  if (!body.has("thumbs")) return;
  const std::string thumbs = body.text("thumbs", 8);
  if (thumbs != "up" && thumbs != "down") invalid("thumbs", "thumbs must be \"up\" or \"down\", but is neither.");
  feedback.verdict = Verdict{storage::Outcome::graded, thumbs == "up" ? 1 : -1};
  feedback.thumb = true;
}

Feedback read_feedback(const http::Request& request) {
  Json json;
  try {
    json = request.json();
  } catch (const DataError& error) {
    invalid("", error.what());
  }
  if (!json.is_object()) invalid("", "The body must be an object, but is not.");
  const Body body(known_part(json), {"completion_id", "outcome", "score", "thumbs", "reason", "rewrite", "confidence",
                                     "reason_language", "aspects", "flags", "spans"});
  Feedback feedback;
  feedback.generation_id = generation_of(body.text("completion_id", 100));
  read_verdict(body, feedback);
  feedback.reason = body.text_or("reason", kMaxReasonBytes, "");
  feedback.rewrite = body.text_or("rewrite", kMaxRewriteBytes, "");
  if (body.has("confidence")) feedback.confidence = static_cast<int>(body.whole("confidence", 1, 4));
  feedback.details = read_details(body, {"only"});
  if (!feedback.verdict && feedback.reason.empty() && feedback.rewrite.empty() && feedback.details.empty()) {
    invalid("outcome", "Feedback must say something: an outcome, score, thumbs, reason, rewrite or details.");
  }
  if (request.headers.find("Idempotency-Key")) feedback.key = idempotency_key(request);
  return feedback;
}

/// How helpful an answer was that stands alone: −3..3 onto 1..5.
int helpful_of(const Feedback& feedback) {
  if (feedback.thumb) return feedback.verdict->left_grade > 0 ? 5 : 1;
  return static_cast<int>(std::lround(3 + feedback.verdict->left_grade * 2.0 / 3.0));
}

/// Without a key of the client's: the same words as the n-th act are the same act.
std::string derived_key(const std::string& said, int64_t acts_before) {
  return sha256_hex(cat(said, "\n", acts_before));
}

std::string said_in(const Feedback& feedback) {
  return cat(feedback.generation_id, "\n",
             feedback.verdict ? dump_json(verdict_json(feedback.verdict->outcome, feedback.verdict->left_grade)) : "",
             "\n", feedback.thumb, "\n", feedback.confidence.value_or(0), "\n", dump_json(Json(feedback.reason)), "\n",
             dump_json(Json(feedback.rewrite)), "\n", storage::details_text(feedback.details));
}

Json vote(storage::Transaction& t, const Feedback& feedback, const storage::LoggedCompletion& completion,
          const storage::Visitor& visitor) {
  const auto standing = storage::standing_preference(t, completion.exposure->id, visitor.id);
  const auto earlier =
      feedback.key.empty() ? std::nullopt : storage::preference_by_key(t, visitor.annotator_id, feedback.key);
  const auto& about = earlier ? earlier : standing;  // whose verdict words alone keep
  storage::NewPreference draft;
  draft.exposure_id = completion.exposure->id;
  draft.visitor_id = visitor.id;
  draft.source = storage::Source::api;
  draft.reason = feedback.reason;
  draft.confidence = feedback.thumb && !feedback.confidence ? kThumbConfidence : feedback.confidence;
  draft.details = feedback.details;
  draft.rewrite = feedback.rewrite;
  if (feedback.verdict) {
    draft.outcome = feedback.verdict->outcome;
    draft.grade = flip_unless(completion.is_a, feedback.verdict->left_grade);
  } else if (about) {
    draft.outcome = about->outcome;
    draft.grade = about->grade;
  } else {
    draft.outcome = storage::Outcome::cannot_judge;
  }
  const std::string said = said_in(feedback);
  if (feedback.key.empty() && standing && standing->idempotency_key == derived_key(said, completion.acts - 1)) {
    return {{"id", standing->id}, {"kind", "preference"}, {"created", false}};
  }
  if (earlier) {
    // The same key again is the same act: it takes the place that it took then, which after an undo was nobody's.
    draft.supersedes_id = earlier->supersedes_id;
    if (storage::preference_body_sha256(draft) != earlier->body_sha256) draft.supersedes_id.clear();
  } else if (standing) {
    draft.supersedes_id = standing->id;
  }
  draft.idempotency_key = feedback.key.empty() ? derived_key(said, completion.acts) : feedback.key;
  const auto put = storage::put_preference(t, draft);
  return {{"id", put.stored.id}, {"kind", "preference"}, {"created", put.created}};
}

Json annotate(storage::Transaction& t, const Feedback& feedback, const storage::LoggedCompletion& completion,
              const storage::Visitor& visitor, const std::string& workspace_id) {
  storage::NewAnswerNote draft;
  draft.conversation_id = completion.generation.conversation_id;
  draft.generation_id = completion.generation.id;
  draft.visitor_id = visitor.id;
  draft.source = storage::Source::api;
  draft.reason = feedback.reason;
  draft.rewrite = feedback.rewrite;
  draft.details = feedback.details;
  if (feedback.verdict) {
    if (feedback.verdict->outcome != storage::Outcome::graded) {
      invalid("outcome", "outcome must be a grade for an answer that stands alone, but is about two.");
    }
    const bool rated =
        std::ranges::any_of(draft.details.aspects, [](const auto& r) { return r.aspect == storage::Aspect::helpful; });
    if (!rated) {
      draft.details.aspects.push_back({draft.generation_id, storage::Aspect::helpful, helpful_of(feedback)});
    }
  }
  const auto standing = storage::standing_answer_note(t, draft.generation_id, visitor.id);
  const std::string said = said_in(feedback);
  if (feedback.key.empty() && standing && standing->idempotency_key == derived_key(said, completion.acts - 1)) {
    return {{"id", standing->id}, {"kind", "answer_note"}, {"created", false}};
  }
  draft.idempotency_key = feedback.key.empty() ? derived_key(said, completion.acts) : feedback.key;
  const auto put = storage::put_answer_note(t, draft);
  if (put.created) {
    storage::emit_events(t, {answer_note_created(workspace_id, put.stored, draft.source)});
  }
  return {{"id", put.stored.id}, {"kind", "answer_note"}, {"created", put.created}};
}

Json keep_feedback(Services& services, const Actor& actor, const Feedback& feedback) {
  const storage::Visitor& visitor = actor.person();
  try {
    return services.database.transaction([&](storage::Transaction& t) {
      Feedback said = feedback;
      name_answers(said.details, {{"only", said.generation_id}});
      const auto completion = storage::find_completion(t, said.generation_id, visitor.id);
      return completion.exposure ? vote(t, said, completion, visitor)
                                 : annotate(t, said, completion, visitor, actor.workspace_id);
    });
  } catch (const NotFound&) {
    throw http::HttpError(ErrorKind::not_found, 404, "completion_id must be one that you got here, but is not.",
                          "not_found", 0, "completion_id");
  } catch (const Conflict& conflict) {
    throw http::HttpError(ErrorKind::conflict, 409, conflict.what(), "key_reused", 0, "Idempotency-Key");
  } catch (const DataError& error) {
    throw http::HttpError(ErrorKind::usage, 400, error.what(), "bad_request");
  }
}

http::HttpError still_written() {
  return {ErrorKind::conflict,
          409,
          "The other answer of this comparison must be whole, but is still being written. Hint: send the same feedback "
          "again in a few seconds.",
          "busy",
          5,
          "completion_id"};
}

/// Whoever turns `over` first answers, and empties it: the other may hold it for minutes.
struct Waiting {
  http::Reply reply;
  Actor actor;
  Feedback feedback;
  std::shared_ptr<void> held;  ///< a job
  std::atomic<bool> over{false};
};

void give_up(Waiting& waiting) {
  if (waiting.over.exchange(true)) return;
  waiting.reply([](http::Response&) { throw still_written(); });
  waiting.feedback = {};
  waiting.held.reset();
}

void keep_later(Services& services, const std::shared_ptr<Waiting>& waiting) {
  if (waiting->over.exchange(true)) return;
  const auto kept = std::make_shared<Json>();
  services.jobs.commit(
      [&services, waiting, kept] {
        const storage::WorkspaceScope scope(waiting->actor.workspace_id, waiting->actor.project_id);
        *kept = keep_feedback(services, waiting->actor, waiting->feedback);
      },
      [waiting, kept](const std::exception_ptr& failed) {
        waiting->reply([&](http::Response& answer) {
          if (failed) std::rethrow_exception(failed);
          answer.set_json(*kept);
        });
        waiting->held.reset();
      });
}

}  // namespace

// What is said of a comparison before its hidden half is whole is a vote all the same: it waits for the pair, or else
// only votes on the slower model would count.
void ProxyService::feedback(const Actor& actor, const http::Request& request, http::Response& response) {
  const Feedback feedback = read_feedback(request);
  const std::string shown_id = feedback.generation_id, visitor_id = actor.person().id;
  if (!pending_.making(shown_id, visitor_id)) return response.set_json(keep_feedback(services_, actor, feedback));
  response.answer_later([this, actor, feedback, shown_id, visitor_id](const http::Reply& reply) {
    const auto waiting = std::make_shared<Waiting>();
    waiting->reply = reply;
    waiting->actor = actor;
    waiting->feedback = feedback;
    waiting->held = services_.jobs.hold();
    alarms_.after(std::chrono::seconds(services_.config.feedback_wait_seconds), [waiting] { give_up(*waiting); });
    pending_.when_made(shown_id, visitor_id, [this, waiting] { keep_later(services_, waiting); });
  });
}

}  // namespace afina::collector
