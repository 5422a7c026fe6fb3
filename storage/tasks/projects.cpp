// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/projects.h"

#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxGuidelinesBytes = 32 * 1024;

[[noreturn]] void bad(const std::string& sentence) {
  throw DataError(cat("[storage.tasks] ", sentence));
}

void check_range(const char* what, double value, double low, double high) {
  if (!(value >= low && value <= high)) bad(cat(what, " must be from ", low, " to ", high, ", but is ", value, "."));
}

void check_settings(const ProjectSettings& s) {
  if (s.name.empty() || s.name.size() > 200) bad("a project's name must have 1 to 200 bytes, but has not.");
  if (s.locale.size() > 35) bad("a locale must have at most 35 bytes, but has more.");
  if (s.guidelines.size() > kMaxGuidelinesBytes)
    bad(cat("guidelines must have at most ", kMaxGuidelinesBytes, " bytes, but have ", s.guidelines.size(), "."));
  if (std::set(s.aspects.begin(), s.aspects.end()).size() != s.aspects.size())
    bad("aspects must be named once, but one comes twice.");
  if (s.kind == ProjectKind::rating && s.aspects.empty())
    bad("a rating project must ask for an aspect, but asks none.");
  check_range("overlap", s.overlap, 1, 50);
  check_range("lease_seconds", s.lease_seconds, 60, 86400);
  check_range("gold_rate", s.gold_rate, 0, 0.5);
  check_range("gold_pass", s.gold_pass, 0, 1);
  check_range("training_items", s.training_items, 0, 50);
  check_range("training_pass", s.training_pass, 0, 1);
  check_range("max_per_annotator", s.max_per_annotator, 0, 1'000'000'000);
  if (s.kind == ProjectKind::rewrite && s.gold_rate > 0)
    bad("a rewrite project must have no gold, since none is known.");
}

std::vector<std::string> words_of(const std::vector<Aspect>& aspects) {
  std::vector<std::string> out;
  for (const Aspect aspect : aspects)
    out.emplace_back(to_string(aspect));
  return out;
}

std::string settings_sha256(const ProjectSettings& s) {
  return sha256_hex(dump_json(Json{{"name", s.name},
                                   {"kind", to_string(s.kind)},
                                   {"locale", s.locale},
                                   {"guidelines", s.guidelines},
                                   {"aspects", words_of(s.aspects)},
                                   {"flags", s.flags},
                                   {"overlap", s.overlap},
                                   {"lease_seconds", s.lease_seconds},
                                   {"gold_rate", s.gold_rate},
                                   {"gold_pass", s.gold_pass},
                                   {"training_items", s.training_items},
                                   {"training_pass", s.training_pass},
                                   {"skip", to_string(s.skip)},
                                   {"max_per_annotator", s.max_per_annotator}}));
}

Params settings_params(const NewProject& p, const std::string& hash) {
  const ProjectSettings& s = p.settings;
  Params params;
  params.text(p.id).text(p.workspace_id).text(s.name).text(to_string(s.kind)).text(s.locale).texts(words_of(s.aspects));
  params.boolean(s.flags).integer(int64_t{s.overlap}).integer(int64_t{s.lease_seconds}).real(s.gold_rate);
  params.real(s.gold_pass).integer(int64_t{s.training_items}).real(s.training_pass).text(to_string(s.skip));
  params.integer(int64_t{s.max_per_annotator}).text(p.account_id).text(p.idempotency_key).text(hash);
  return params;
}

void insert_guidelines(Transaction& t, const std::string& project_id, int64_t version, const std::string& body,
                       const std::string& account_id) {
  t.exec(
      "INSERT INTO guideline (project_id, version, body, created_by) VALUES ($1::uuid, $2::integer, $3, $4::uuid) "
      "ON CONFLICT DO NOTHING",
      Params().text(project_id).integer(version).text(body).text(account_id));
}

ProjectSettings read_settings(const Row& row) {
  ProjectSettings s;
  s.name = row.text("name");
  s.kind = word<ProjectKind>(row, "kind");
  s.locale = row.text("locale");
  s.guidelines = row.text("guidelines");
  for (const std::string& aspect : row.texts("aspect_words")) {
    Aspect value{};
    if (from_string(aspect, value)) s.aspects.push_back(value);
  }
  s.flags = row.boolean("flags");
  s.overlap = static_cast<int>(row.integer("overlap"));
  s.lease_seconds = static_cast<int>(row.integer("lease_seconds"));
  s.gold_rate = row.real("gold_rate");
  s.gold_pass = row.real("gold_pass");
  s.training_items = static_cast<int>(row.integer("training_items"));
  s.training_pass = row.real("training_pass");
  s.skip = word<SkipPolicy>(row, "skip_policy");
  s.max_per_annotator = static_cast<int>(row.integer("max_per_annotator"));
  return s;
}

void change_overlap(Transaction& t, const std::string& project_id, int overlap) {
  check_range("overlap", overlap, 1, 50);
  t.exec("UPDATE project SET overlap = $2::smallint WHERE id = $1::uuid",
         Params().text(project_id).integer(int64_t{overlap}));
  // What opens again goes to a new round of the queue: everybody's place in it is before that.
  t.exec(
      "WITH round AS (SELECT nextval('item_queue') AS n), changed AS (UPDATE item SET "
      "overlap = greatest($2::integer, done_count + active_leases)::smallint, random_key = CASE WHEN done_count + "
      "active_leases >= overlap THEN queue_key((SELECT n FROM round)) ELSE random_key END "
      "WHERE project_id = $1::uuid AND overlap IS NOT NULL AND overlap <> $2::integer RETURNING 1) "
      "SELECT count(*) FROM changed",
      Params().text(project_id).integer(int64_t{overlap}));
  // Progress is credited to whoever did an item's last act; with another overlap that is somebody else.
  t.exec("UPDATE participation SET finished_items = 0 WHERE project_id = $1::uuid", Params().text(project_id));
  t.exec(
      "UPDATE participation p SET finished_items = (SELECT count(*) FROM item WHERE project_id = $1::uuid "
      "AND overlap IS NOT NULL AND (done_count >= overlap OR closed)) WHERE p.project_id = $1::uuid AND p.account_id = "
      "(SELECT account_id FROM participation WHERE project_id = $1::uuid ORDER BY account_id LIMIT 1)",
      Params().text(project_id));
  t.exec(
      "UPDATE project SET state = 'open', finished_at = NULL WHERE id = $1::uuid AND state = 'finished' AND EXISTS "
      "(SELECT FROM item WHERE project_id = $1::uuid AND done_count < overlap AND NOT closed)",
      Params().text(project_id));
}

}  // namespace

PutProject create_project(Transaction& t, const NewProject& project) {
  check_settings(project.settings);
  require_uuid(project.workspace_id, "a workspace");
  require_uuid(project.account_id, "an account");
  const std::string hash = settings_sha256(project.settings);
  const Result inserted = t.exec(
      "INSERT INTO project (id, workspace_id, name, kind, locale, aspects, flags, overlap, lease_seconds, gold_rate, "
      "gold_pass, training_items, training_pass, skip_policy, max_per_annotator, created_by, idempotency_key, "
      "body_sha256) VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6::text[], $7::boolean, $8::smallint, $9::integer, "
      "$10::double precision, $11::double precision, $12::smallint, $13::double precision, $14, $15::integer, "
      "$16::uuid, $17, $18) ON CONFLICT DO NOTHING RETURNING id",
      settings_params(project, hash));
  if (!inserted.empty()) {
    insert_guidelines(t, project.id, 1, project.settings.guidelines, project.account_id);
    return {project.id, true};
  }
  const Result earlier =
      t.exec("SELECT id, body_sha256, workspace_id FROM project WHERE created_by = $1::uuid AND idempotency_key = $2",
             Params().text(project.account_id).text(project.idempotency_key));
  if (earlier.empty()) {
    throw ProjectNameTaken(cat("[storage.tasks] a project's name must be new in its workspace, but '",
                               project.settings.name, "' is taken."));
  }
  if (earlier.one().text("body_sha256") != hash || earlier.one().text("workspace_id") != project.workspace_id)
    throw Conflict("[storage.tasks] an idempotency key must come with the same project again, but came with another.");
  return {earlier.one().text("id"), false};
}

Project get_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                    const std::string& account_id) {
  require_uuid(project_id, "a project");
  const Result rows = t.exec(
      "SELECT p.*, to_json(p.aspects) AS aspect_words, g.body AS guidelines, sums.done, sums.submissions, "
      "sums.annotators, (SELECT count(*) FROM item i WHERE i.project_id = p.id AND i.disputed) AS disputed "
      "FROM project p JOIN guideline g ON g.project_id = p.id AND g.version = p.guidelines_version, LATERAL "
      "(SELECT coalesce(sum(finished_items), 0)::bigint AS done, count(*) AS annotators, "
      "coalesce(sum(work_done + gold_seen + training_seen), 0)::bigint AS submissions FROM participation "
      "WHERE project_id = p.id) sums WHERE p.id = $1::uuid AND p.workspace_id = $2::uuid AND NOT EXISTS (SELECT FROM "
      "membership m WHERE m.workspace_id = $2::uuid AND m.account_id = $3::uuid AND m.project_id <> p.id)",
      Params().text(project_id).text(workspace_id).text_or_null(account_id));
  if (rows.empty()) throw_not_found(project_id, "a project of this workspace");
  const Row row = rows.one();
  Project p;
  p.id = row.text("id");
  p.workspace_id = row.text("workspace_id");
  p.settings = read_settings(row);
  p.state = word<ProjectState>(row, "state");
  p.guidelines_version = static_cast<int>(row.integer("guidelines_version"));
  p.work_items = row.integer("work_items");
  p.training_available = static_cast<int>(row.integer("training_available"));
  p.gold_available = static_cast<int>(row.integer("gold_available"));
  p.done_items = row.integer("done");
  p.submissions = row.integer("submissions");
  p.annotators = static_cast<int>(row.integer("annotators"));
  p.disputed = row.integer("disputed");
  p.created_at = row.time("created_at");
  return p;
}

std::vector<ProjectLine> list_projects(Transaction& t, const std::string& workspace_id, const std::string& account_id,
                                       int64_t limit, const std::string& before) {
  const Result rows = t.exec(
      "SELECT p.*, (SELECT coalesce(sum(finished_items), 0)::bigint FROM participation WHERE project_id = p.id) AS "
      "done, "
      "coalesce(me.work_done + me.gold_seen, 0) AS mine_done, coalesce(me.training_seen, 0) AS seen, "
      "coalesce(me.state IN ('work', 'gold_failed'), false) AS passed, "
      "(SELECT count(*) FROM assignment a WHERE a.account_id = $2::uuid AND a.project_id = p.id "
      "AND a.state IN ('offered', 'accepted') AND a.lease_until > clock_timestamp()) AS mine_pending "
      "FROM project p LEFT JOIN participation me ON me.project_id = p.id AND me.account_id = $2::uuid "
      "WHERE p.workspace_id = $1::uuid AND ($3::uuid IS NULL OR p.id < $3::uuid) AND NOT EXISTS (SELECT FROM "
      "membership m "
      "WHERE m.workspace_id = $1::uuid AND m.account_id = $2::uuid AND m.project_id <> p.id) ORDER BY p.id DESC LIMIT "
      "$4::bigint",
      Params().text(workspace_id).text_or_null(account_id).text_or_null(before).integer(limit));
  std::vector<ProjectLine> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    ProjectLine line;
    line.id = row.text("id");
    line.name = row.text("name");
    line.locale = row.text("locale");
    line.kind = word<ProjectKind>(row, "kind");
    line.state = word<ProjectState>(row, "state");
    line.guidelines_version = static_cast<int>(row.integer("guidelines_version"));
    line.items = row.integer("work_items");
    line.done = row.integer("done");
    line.mine_done = row.integer("mine_done");
    line.mine_pending = row.integer("mine_pending");
    line.training_needed = static_cast<int>(row.integer("training_items"));
    line.training_seen = static_cast<int>(row.integer("seen"));
    line.training_passed = row.boolean("passed");
    out.push_back(std::move(line));
  }
  return out;
}

void change_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                    const std::string& account_id, const ProjectChange& change) {
  // Exclusive against requests that bring items: they count on the project's row too.
  require_uuid(project_id, "a project");
  t.exec("SELECT FROM project WHERE id = $1::uuid AND workspace_id = $2::uuid FOR NO KEY UPDATE",
         Params().text(project_id).text(workspace_id));
  const Project now = get_project(t, project_id, workspace_id);
  if (change.state) {
    t.exec(
        "UPDATE project SET state = $2, finished_at = CASE WHEN $2 = 'finished' THEN clock_timestamp() END "
        "WHERE id = $1::uuid AND state <> $2",
        Params().text(project_id).text(to_string(*change.state)));
  }
  if (change.guidelines && *change.guidelines != now.settings.guidelines) {
    if (change.guidelines->size() > kMaxGuidelinesBytes)
      bad(cat("guidelines must have at most ", kMaxGuidelinesBytes, " bytes, but have more."));
    insert_guidelines(t, project_id, now.guidelines_version + 1, *change.guidelines, account_id);
    t.exec("UPDATE project SET guidelines_version = $2::integer WHERE id = $1::uuid",
           Params().text(project_id).integer(int64_t{now.guidelines_version + 1}));
  }
  if (change.overlap && *change.overlap != now.settings.overlap) change_overlap(t, project_id, *change.overlap);
}

std::string get_guidelines(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                           int version) {
  const Project project = get_project(t, project_id, workspace_id);
  if (version == 0 || version == project.guidelines_version) return project.settings.guidelines;
  const Result rows = t.exec("SELECT body FROM guideline WHERE project_id = $1::uuid AND version = $2::integer",
                             Params().text(project_id).integer(int64_t{version}));
  if (rows.empty()) throw_not_found(cat(version), "a version of the guidelines");
  return rows.one().text("body");
}

}  // namespace afina::storage
