-- Snapshots, and what runs left behind. Snapshots are immutable; training reads them, never live tables.

CREATE TABLE snapshot (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  spec jsonb NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  counts jsonb NOT NULL,
  members bigint NOT NULL CHECK (members > 0),
  train_members bigint NOT NULL CHECK (train_members BETWEEN 0 AND members),
  parent_id uuid REFERENCES snapshot,
  isolation text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT snapshot_name_key UNIQUE (name)
);
COMMENT ON COLUMN snapshot.sha256 IS 'Over the member list in order';
COMMENT ON COLUMN snapshot.isolation IS 'Isolation level and PostgreSQL''s own snapshot in which the members were read';

CREATE TABLE snapshot_member (
  snapshot_id uuid NOT NULL REFERENCES snapshot,
  position bigint NOT NULL CHECK (position >= 0),
  kind text NOT NULL CHECK (kind IN ('pair', 'answer', 'negative')),
  split text NOT NULL CHECK (split IN ('train', 'eval', 'eval_prompt', 'eval_annotator')),
  pair_id uuid NOT NULL REFERENCES pair,
  chosen_generation_id uuid REFERENCES generation,
  chosen_rewrite_id uuid REFERENCES rewrite,
  rejected_generation_id uuid REFERENCES generation,
  soft_label double precision NOT NULL CHECK (soft_label BETWEEN 0.5 AND 1),
  margin double precision,
  weight double precision NOT NULL CHECK (weight > 0 AND weight < 'Infinity'),
  prompt_sha256 text NOT NULL DEFAULT '',
  content_sha256 text NOT NULL DEFAULT '',
  PRIMARY KEY (snapshot_id, position),
  CHECK ((kind = 'negative') = (chosen_generation_id IS NULL AND chosen_rewrite_id IS NULL)),
  CHECK (chosen_generation_id IS NULL OR chosen_rewrite_id IS NULL),
  CHECK ((kind = 'answer') = (rejected_generation_id IS NULL))
);
CREATE INDEX snapshot_member_pair ON snapshot_member (pair_id);
COMMENT ON COLUMN snapshot_member.soft_label IS 'q: how sure the votes are that chosen is better';
COMMENT ON COLUMN snapshot_member.margin IS 'm in nats; NULL: from the run''s margin_scale';

CREATE TABLE snapshot_member_preference (
  snapshot_id uuid NOT NULL,
  position bigint NOT NULL,
  preference_id uuid NOT NULL REFERENCES preference,
  PRIMARY KEY (snapshot_id, position, preference_id),
  FOREIGN KEY (snapshot_id, position) REFERENCES snapshot_member (snapshot_id, position)
);
CREATE INDEX snapshot_member_preference_back ON snapshot_member_preference (preference_id);
COMMENT ON TABLE snapshot_member_preference IS 'The judgements behind each member: lineage in both directions';

ALTER TABLE run ADD CONSTRAINT run_snapshot_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshot;
CREATE INDEX run_snapshot ON run (snapshot_id);
CREATE INDEX run_start_adapter ON run (start_adapter_id);

CREATE TABLE run_attempt (
  run_id uuid NOT NULL REFERENCES run,
  attempt integer NOT NULL CHECK (attempt > 0),
  start_step bigint NOT NULL CHECK (start_step >= 0),
  host text NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_id, attempt)
);
COMMENT ON TABLE run_attempt IS 'Each time a process took the run up; records of earlier attempts beyond start_step are undone';

CREATE TABLE metric (
  run_id uuid NOT NULL,
  step bigint NOT NULL CHECK (step >= 0),
  attempt integer NOT NULL,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  value double precision NOT NULL,
  PRIMARY KEY (run_id, step, attempt, name),
  FOREIGN KEY (run_id, attempt) REFERENCES run_attempt (run_id, attempt)
);
CREATE INDEX metric_name ON metric (run_id, name, step);

CREATE VIEW current_metric AS
  SELECT DISTINCT ON (m.run_id, m.step, m.name) m.run_id, m.step, m.name, m.value, m.attempt FROM metric m
  WHERE NOT EXISTS (SELECT FROM run_attempt later
                    WHERE later.run_id = m.run_id AND later.attempt > m.attempt AND later.start_step < m.step)
  ORDER BY m.run_id, m.step, m.name, m.attempt DESC;
COMMENT ON VIEW current_metric IS 'One value for each (run, step, name), as if what a resume undid had never been';

CREATE TABLE training_example (
  run_id uuid NOT NULL REFERENCES run,
  split text NOT NULL CHECK (octet_length(split) BETWEEN 1 AND 64),
  row bigint NOT NULL CHECK (row >= 0),
  snapshot_position bigint,
  content_sha256 text NOT NULL DEFAULT '',
  where_from text NOT NULL DEFAULT '',
  preference_ids uuid[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (run_id, split, row)
);
CREATE INDEX training_example_preferences ON training_example USING gin (preference_ids);
COMMENT ON TABLE training_example IS 'Which judgements a training row came from';

CREATE TABLE reference_logp (
  key text PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 200),
  logps double precision[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE reference_logp IS 'Reference log-probabilities by content hash; a cache that may be emptied';

CREATE TRIGGER snapshot_append BEFORE UPDATE OR DELETE OR TRUNCATE ON snapshot EXECUTE FUNCTION refuse_change();
CREATE TRIGGER snapshot_member_append BEFORE UPDATE OR DELETE OR TRUNCATE ON snapshot_member EXECUTE FUNCTION refuse_change();
CREATE TRIGGER snapshot_member_preference_append BEFORE UPDATE OR DELETE OR TRUNCATE ON snapshot_member_preference
  EXECUTE FUNCTION refuse_change();
