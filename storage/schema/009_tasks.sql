-- Projects of tasks for annotators: items, leases, drafts, submissions, adjudication. An item is a prompt with stored
-- answers: a conversation's messages and its generations. Submissions and verdicts are append-only.

CREATE TABLE project (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  kind text NOT NULL CHECK (kind IN ('pairwise', 'ranking', 'rating', 'rewrite', 'flagging')),
  locale text NOT NULL DEFAULT '' CHECK (octet_length(locale) <= 35),
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paused', 'finished')),
  aspects text[] NOT NULL DEFAULT '{}' CHECK (aspects <@
    ARRAY['helpful', 'truthful', 'harmless', 'cultural_fit', 'dialect', 'clarity', 'follows_regulation']),
  flags boolean NOT NULL DEFAULT false,
  overlap smallint NOT NULL CHECK (overlap BETWEEN 1 AND 50),
  lease_seconds integer NOT NULL CHECK (lease_seconds BETWEEN 60 AND 86400),
  gold_rate double precision NOT NULL CHECK (gold_rate BETWEEN 0 AND 0.5),
  gold_pass double precision NOT NULL CHECK (gold_pass BETWEEN 0 AND 1),
  training_items smallint NOT NULL CHECK (training_items BETWEEN 0 AND 50),
  training_pass double precision NOT NULL CHECK (training_pass BETWEEN 0 AND 1),
  skip_policy text NOT NULL CHECK (skip_policy IN ('requeue_for_others', 'requeue_for_me', 'drop')),
  max_per_annotator integer NOT NULL DEFAULT 0 CHECK (max_per_annotator >= 0),
  guidelines_version integer NOT NULL DEFAULT 1 CHECK (guidelines_version > 0),
  work_items bigint NOT NULL DEFAULT 0 CHECK (work_items >= 0),
  training_available integer NOT NULL DEFAULT 0 CHECK (training_available >= 0),
  gold_available integer NOT NULL DEFAULT 0 CHECK (gold_available >= 0),
  priorities smallint[] NOT NULL DEFAULT '{}',
  created_by uuid NOT NULL REFERENCES account,
  idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  CONSTRAINT project_name_key UNIQUE (workspace_id, name),
  CONSTRAINT project_key UNIQUE (created_by, idempotency_key)
);
CREATE INDEX project_workspace ON project (workspace_id, id);
COMMENT ON COLUMN project.overlap IS 'How many people judge each item; copied onto the item, whose CHECK keeps it exact';
COMMENT ON COLUMN project.work_items IS 'Items that are neither gold nor training';
COMMENT ON COLUMN project.priorities IS 'Of its work items, highest first';
COMMENT ON COLUMN project.max_per_annotator IS '0: no limit';

CREATE TABLE guideline (
  project_id uuid NOT NULL REFERENCES project,
  version integer NOT NULL CHECK (version > 0),
  body text NOT NULL CHECK (octet_length(body) <= 32768),
  created_by uuid NOT NULL REFERENCES account,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (project_id, version)
);
COMMENT ON TABLE guideline IS 'What annotators were told, in every version; a submission names the one it followed';

CREATE TABLE item_batch (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES project,
  account_id uuid NOT NULL REFERENCES account,
  source text NOT NULL CHECK (source IN ('import', 'conversations', 'review')),
  added bigint NOT NULL CHECK (added >= 0),
  existing bigint NOT NULL CHECK (existing >= 0),
  idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT item_batch_key UNIQUE (project_id, account_id, idempotency_key)
);
COMMENT ON TABLE item_batch IS 'One request that brought items: who, from where, how many';

CREATE SEQUENCE item_queue AS integer;
COMMENT ON SEQUENCE item_queue IS 'Rounds of the queue: what is added or given back later stands behind what was there';
CREATE FUNCTION queue_key(round bigint) RETURNS bigint LANGUAGE sql VOLATILE RETURN
  (round << 31) + floor(random() * 2147483648)::bigint;

CREATE TABLE item (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES project,
  batch_id uuid NOT NULL REFERENCES item_batch,
  conversation_id uuid NOT NULL REFERENCES conversation,
  turn integer NOT NULL CHECK (turn >= 0),
  pair_id uuid REFERENCES pair,
  external_id text CHECK (octet_length(external_id) BETWEEN 1 AND 200),
  priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 9),
  random_key bigint NOT NULL,
  is_gold boolean NOT NULL DEFAULT false,
  training boolean NOT NULL DEFAULT false,
  gold jsonb CHECK (octet_length(gold::text) <= 16384),
  feedback text NOT NULL DEFAULT '' CHECK (octet_length(feedback) <= 4000),
  text_chars integer NOT NULL CHECK (text_chars >= 0),
  overlap smallint CHECK (overlap BETWEEN 1 AND 50),
  done_count integer NOT NULL DEFAULT 0 CHECK (done_count >= 0),
  active_leases smallint NOT NULL DEFAULT 0 CHECK (active_leases >= 0),
  closed boolean NOT NULL DEFAULT false,
  spread double precision,
  disputed boolean NOT NULL DEFAULT false,
  source text NOT NULL CHECK (source IN ('import', 'conversations', 'review')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT item_overlap_is_exact CHECK (done_count + active_leases <= overlap),
  CHECK ((is_gold OR training) = (overlap IS NULL)),
  CHECK (NOT (is_gold AND training)),
  CHECK (NOT is_gold OR gold IS NOT NULL)
);
CREATE UNIQUE INDEX item_external ON item (project_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX item_open ON item (project_id, priority DESC, random_key)
  WHERE done_count + active_leases < overlap AND NOT closed;
CREATE INDEX item_known ON item (project_id, training, random_key) WHERE overlap IS NULL AND NOT closed;
CREATE INDEX item_disputed ON item (project_id, id) WHERE disputed;
CREATE INDEX item_project ON item (project_id, id);
CREATE UNIQUE INDEX item_pair ON item (project_id, pair_id) WHERE pair_id IS NOT NULL;
CREATE INDEX item_conversation ON item (conversation_id);
COMMENT ON COLUMN item.id IS 'Its time part is the project''s, so that gold cannot be told by when it was added';
COMMENT ON COLUMN item.random_key IS 'Place in the queue: rounds in order, random within a round';
COMMENT ON COLUMN item.overlap IS 'NULL: gold or training, which everybody may get';
COMMENT ON COLUMN item.gold IS 'The known answer, about positions of item_answer';
COMMENT ON COLUMN item.text_chars IS 'Code points of prompt and answers: how long reading takes at least';
COMMENT ON COLUMN item.closed IS 'Dropped from the queue by a skip, or withdrawn by its writer';
COMMENT ON COLUMN item.spread IS 'How far its submissions part: grade range, rating range, or Kendall distance';

CREATE TABLE item_answer (
  item_id uuid NOT NULL REFERENCES item,
  position smallint NOT NULL CHECK (position BETWEEN 0 AND 25),
  generation_id uuid NOT NULL REFERENCES generation,
  PRIMARY KEY (item_id, position)
);
CREATE INDEX item_answer_generation ON item_answer (generation_id);

-- One person in one project. Its row is what that person's calls queue on, so the same person never runs twice at once.
CREATE TABLE participation (
  project_id uuid NOT NULL REFERENCES project,
  account_id uuid NOT NULL REFERENCES account,
  state text NOT NULL DEFAULT 'work' CHECK (state IN ('training', 'work', 'training_failed', 'gold_failed')),
  training_seen integer NOT NULL DEFAULT 0,
  training_passed integer NOT NULL DEFAULT 0 CHECK (training_passed <= training_seen),
  gold_seen integer NOT NULL DEFAULT 0,
  gold_passed integer NOT NULL DEFAULT 0 CHECK (gold_passed <= gold_seen),
  work_done integer NOT NULL DEFAULT 0 CHECK (work_done >= 0),
  skipped integer NOT NULL DEFAULT 0 CHECK (skipped >= 0),
  hasty integer NOT NULL DEFAULT 0 CHECK (hasty >= 0),
  finished_items bigint NOT NULL DEFAULT 0 CHECK (finished_items >= 0),
  leased bigint NOT NULL DEFAULT 0 CHECK (leased >= 0),
  gold_failed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (project_id, account_id)
);
CREATE INDEX participation_account ON participation (account_id);
COMMENT ON COLUMN participation.finished_items IS 'Items of which this person''s act was the last one needed; their sum is the progress';

CREATE TABLE queue_place (
  project_id uuid NOT NULL,
  account_id uuid NOT NULL,
  priority smallint NOT NULL,
  random_key bigint NOT NULL,
  walked_at timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (project_id, account_id, priority),
  FOREIGN KEY (project_id, account_id) REFERENCES participation (project_id, account_id)
);
COMMENT ON TABLE queue_place IS 'Before this key a person has every open item of that priority: it is not walked again';

CREATE TABLE assignment (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES project,
  item_id uuid NOT NULL REFERENCES item,
  account_id uuid NOT NULL REFERENCES account,
  state text NOT NULL CHECK (state IN ('offered', 'accepted', 'done', 'skipped', 'expired')),
  phase text NOT NULL CHECK (phase IN ('work', 'training', 'gold')),
  lease_until timestamptz NOT NULL,
  leases integer NOT NULL DEFAULT 1 CHECK (leases > 0),
  shown_order smallint[] NOT NULL CHECK (cardinality(shown_order) BETWEEN 1 AND 26),
  skip_reason text NOT NULL DEFAULT '' CHECK (octet_length(skip_reason) <= 1000),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  rendered_at timestamptz,
  ended_at timestamptz,
  CONSTRAINT assignment_once UNIQUE (item_id, account_id),
  CHECK ((state = 'offered') = (rendered_at IS NULL) OR state IN ('skipped', 'expired')),
  CHECK ((state IN ('done', 'skipped', 'expired')) = (ended_at IS NOT NULL))
);
CREATE INDEX assignment_leased ON assignment (project_id, lease_until) WHERE state IN ('offered', 'accepted');
CREATE INDEX assignment_current ON assignment (account_id, project_id) WHERE state IN ('offered', 'accepted');
CREATE INDEX assignment_lost ON assignment (account_id, project_id, ended_at) WHERE state IN ('expired', 'skipped');
COMMENT ON TABLE assignment IS 'An item in one person''s hands: at most one row for a person and an item, whatever happens';
COMMENT ON COLUMN assignment.phase IS 'gold is never told to the annotator';
COMMENT ON COLUMN assignment.shown_order IS 'Positions of item_answer from left to right';
COMMENT ON COLUMN assignment.rendered_at IS 'When it became the task on screen; NULL while it is only loaded ahead';

CREATE TABLE draft (
  assignment_id uuid PRIMARY KEY REFERENCES assignment,
  rev integer NOT NULL CHECK (rev > 0),
  body json NOT NULL CHECK (octet_length(body::text) <= 32768 AND json_typeof(body) = 'object'),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE draft IS 'What was begun, as the page left it; outlives the lease';

CREATE TABLE submission (
  id uuid PRIMARY KEY,
  assignment_id uuid NOT NULL REFERENCES assignment,
  project_id uuid NOT NULL REFERENCES project,
  item_id uuid NOT NULL REFERENCES item,
  account_id uuid NOT NULL REFERENCES account,
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL REFERENCES annotator,
  kind text NOT NULL CHECK (kind IN ('pairwise', 'ranking', 'rating', 'rewrite', 'flagging')),
  phase text NOT NULL CHECK (phase IN ('work', 'training', 'gold')),
  outcome text CHECK (outcome IN ('graded', 'both_good', 'both_bad', 'cannot_judge')),
  grade smallint CHECK (grade BETWEEN -3 AND 3),
  tiers jsonb CHECK (octet_length(tiers::text) <= 1024),
  rewrite text CHECK (octet_length(rewrite) BETWEEN 1 AND 32768),
  reason text NOT NULL DEFAULT '' CHECK (octet_length(reason) <= 4000),
  confidence smallint CHECK (confidence BETWEEN 1 AND 4),
  ms_to_decide bigint CHECK (ms_to_decide >= 0),
  ms_on_screen bigint NOT NULL CHECK (ms_on_screen >= 0),
  ms_sensible bigint NOT NULL CHECK (ms_sensible >= 0),
  hasty boolean NOT NULL,
  correct boolean,
  guidelines_version integer NOT NULL,
  shown_order smallint[] NOT NULL,
  preference_id uuid REFERENCES preference,
  rewrite_id uuid REFERENCES rewrite,
  source text NOT NULL CHECK (source IN ('web', 'api', 'demo', 'import')),
  idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT submission_key UNIQUE (account_id, idempotency_key),
  CONSTRAINT submission_once UNIQUE (assignment_id),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id),
  FOREIGN KEY (project_id, guidelines_version) REFERENCES guideline (project_id, version),
  CHECK ((kind = 'pairwise') = (outcome IS NOT NULL)),
  CHECK (grade IS NOT NULL OR outcome IS DISTINCT FROM 'graded'),
  CHECK (grade IS NULL OR outcome = 'graded'),
  CHECK ((kind = 'ranking') = (tiers IS NOT NULL)),
  CHECK (kind <> 'rewrite' OR rewrite IS NOT NULL)
);
CREATE INDEX submission_project ON submission (project_id, id);
CREATE INDEX submission_item ON submission (item_id);
CREATE INDEX submission_visitor ON submission (visitor_id);
CREATE INDEX submission_annotator ON submission (annotator_id, project_id);
CREATE INDEX submission_preference ON submission (preference_id) WHERE preference_id IS NOT NULL;
COMMENT ON TABLE submission IS 'Append-only. Ratings, flags and spans are rows of the judgements'' tables with act_id = its id';
COMMENT ON COLUMN submission.grade IS '-3: the answer at position 1 is much better … 3: the one at position 0 is';
COMMENT ON COLUMN submission.tiers IS 'Best first: lists of positions of item_answer, each of them once';
COMMENT ON COLUMN submission.hasty IS 'Sooner than the texts can be read; kept all the same, for whoever filters';
COMMENT ON COLUMN submission.correct IS 'Of training and gold: whether it agrees with the known answer';

CREATE TABLE adjudication (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES project,
  item_id uuid NOT NULL REFERENCES item,
  account_id uuid NOT NULL REFERENCES account,
  outcome text CHECK (outcome IN ('graded', 'both_good', 'both_bad', 'cannot_judge')),
  grade smallint CHECK (grade BETWEEN -3 AND 3),
  tiers jsonb CHECK (octet_length(tiers::text) <= 1024),
  ratings jsonb CHECK (octet_length(ratings::text) <= 16384),
  note text NOT NULL DEFAULT '' CHECK (octet_length(note) <= 4000),
  supersedes_id uuid UNIQUE REFERENCES adjudication,
  idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT adjudication_key UNIQUE (account_id, idempotency_key),
  CHECK ((outcome IS NOT DISTINCT FROM 'graded') = (grade IS NOT NULL)),
  CHECK (num_nonnulls(outcome, tiers, ratings) = 1)
);
CREATE INDEX adjudication_item ON adjudication (item_id);
CREATE INDEX adjudication_project ON adjudication (project_id, id);
CREATE UNIQUE INDEX adjudication_first ON adjudication (item_id) WHERE supersedes_id IS NULL;
COMMENT ON TABLE adjudication IS 'A reviewer''s verdict on an item; the last of the item''s line stands for exports';

CREATE TABLE example_loss (
  run_id uuid NOT NULL REFERENCES run,
  split text NOT NULL CHECK (octet_length(split) BETWEEN 1 AND 64),
  row bigint NOT NULL CHECK (row >= 0),
  loss double precision NOT NULL,
  PRIMARY KEY (run_id, split, row)
);
CREATE INDEX example_loss_largest ON example_loss (run_id, loss DESC);
COMMENT ON TABLE example_loss IS 'The last loss of each row of a run: where model and votes part, people look again';

CREATE VIEW standing_submission AS
  SELECT s.* FROM submission s JOIN visitor v ON v.id = s.visitor_id
  JOIN item i ON i.id = s.item_id JOIN conversation c ON c.id = i.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL;
CREATE VIEW standing_adjudication AS
  SELECT a.* FROM adjudication a JOIN item i ON i.id = a.item_id JOIN conversation c ON c.id = i.conversation_id
  WHERE c.withdrawn_at IS NULL AND NOT EXISTS (SELECT FROM adjudication later WHERE later.supersedes_id = a.id);
CREATE VIEW training_result AS
  SELECT project_id, account_id, annotator_id, item_id, correct, created_at FROM submission WHERE phase = 'training';
CREATE VIEW gold_result AS
  SELECT project_id, account_id, annotator_id, item_id, correct, created_at FROM submission WHERE phase = 'gold';
COMMENT ON VIEW standing_submission IS 'Submissions that count: nobody withdrew';

CREATE TRIGGER guideline_append BEFORE UPDATE OR DELETE OR TRUNCATE ON guideline EXECUTE FUNCTION refuse_change();
CREATE TRIGGER item_batch_append BEFORE UPDATE OR DELETE OR TRUNCATE ON item_batch EXECUTE FUNCTION refuse_change();
CREATE TRIGGER item_answer_append BEFORE UPDATE OR DELETE OR TRUNCATE ON item_answer EXECUTE FUNCTION refuse_change();
CREATE TRIGGER submission_append BEFORE UPDATE OR DELETE OR TRUNCATE ON submission EXECUTE FUNCTION refuse_change();
CREATE TRIGGER adjudication_append BEFORE UPDATE OR DELETE OR TRUNCATE ON adjudication EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT, INSERT ON project, guideline, item_batch, item, item_answer, participation, queue_place, assignment,
      draft, submission, adjudication, example_loss TO afina_web;
    GRANT SELECT ON standing_submission, standing_adjudication, training_result, gold_result TO afina_web;
    GRANT USAGE ON SEQUENCE item_queue TO afina_web;
    GRANT UPDATE ON project, item, participation, queue_place, assignment, draft, example_loss TO afina_web;
    GRANT DELETE ON queue_place, draft TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON project, item, item_answer, submission, adjudication, example_loss, standing_submission,
      standing_adjudication TO afina_trainer;
    GRANT INSERT, UPDATE ON example_loss TO afina_trainer;
  END IF;
END $$;
