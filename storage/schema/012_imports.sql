-- Files that brought conversations and judgements in, and what they hold that is no pair of answers.

CREATE TABLE import_source (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT import_source_name_key UNIQUE (workspace_id, name)
);
COMMENT ON TABLE import_source IS 'Where files come from, as the importer names it. Ids of everything in them are made from it, their external ids and their texts, so that a row that comes twice is one row';

CREATE TABLE import (
  id uuid PRIMARY KEY,
  source_id uuid NOT NULL REFERENCES import_source,
  workspace_id uuid NOT NULL REFERENCES workspace,
  format text NOT NULL CHECK (format IN ('text', 'markdown', 'qa', 'jsonl', 'argilla', 'label_studio', 'open_assistant', 'lmsys', 'sharegpt')),
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  bytes bigint NOT NULL CHECK (bytes >= 0),
  licence text NOT NULL CHECK (octet_length(licence) BETWEEN 1 AND 200),
  declaration text NOT NULL CHECK (octet_length(declaration) BETWEEN 1 AND 4000),
  visitor_id uuid NOT NULL REFERENCES visitor,
  actor text NOT NULL CHECK (octet_length(actor) BETWEEN 1 AND 300),
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'finished')),
  conversations bigint NOT NULL DEFAULT 0 CHECK (conversations >= 0),
  answers bigint NOT NULL DEFAULT 0 CHECK (answers >= 0),
  judgements bigint NOT NULL DEFAULT 0 CHECK (judgements >= 0),
  skipped bigint NOT NULL DEFAULT 0 CHECK (skipped >= 0),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  CONSTRAINT import_file_key UNIQUE (source_id, format, sha256),
  CHECK ((state = 'finished') = (finished_at IS NOT NULL))
);
CREATE INDEX import_workspace ON import (workspace_id, id);
COMMENT ON COLUMN import.visitor_id IS 'Owns its conversations; the consent text states the declared licence, and the receipt code takes the file back';
COMMENT ON COLUMN import.sha256 IS 'Of the file';
COMMENT ON COLUMN import.state IS 'running: it was cut off; the same file given again goes on';
COMMENT ON COLUMN import.conversations IS 'New ones: rows that were there before are not counted';

CREATE TABLE import_conversation (
  conversation_id uuid PRIMARY KEY REFERENCES conversation,
  import_id uuid NOT NULL REFERENCES import,
  external_id text NOT NULL CHECK (octet_length(external_id) <= 200)
);
CREATE INDEX import_conversation_import ON import_conversation (import_id);
COMMENT ON TABLE import_conversation IS 'Which file a conversation came with, and what it is called there';

CREATE TABLE answer_score (
  id uuid PRIMARY KEY,
  generation_id uuid NOT NULL REFERENCES generation,
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  value double precision NOT NULL CHECK (value BETWEEN 0 AND 1),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
CREATE INDEX answer_score_generation ON answer_score (generation_id);
CREATE INDEX answer_score_visitor ON answer_score (visitor_id);
COMMENT ON TABLE answer_score IS 'A mark for one answer from a file: how good it is, 0..1, on the scale of the file; thumbs are 0 and 1';

CREATE TABLE answer_ranking (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES conversation,
  turn integer NOT NULL CHECK (turn >= 0),
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  generation_ids uuid[] NOT NULL CHECK (cardinality(generation_ids) BETWEEN 2 AND 26),
  ranks smallint[] NOT NULL CHECK (cardinality(ranks) = cardinality(generation_ids) AND array_position(ranks, NULL) IS NULL),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
CREATE INDEX answer_ranking_conversation ON answer_ranking (conversation_id, turn);
CREATE INDEX answer_ranking_visitor ON answer_ranking (visitor_id);
COMMENT ON TABLE answer_ranking IS 'An order of several answers from a file; each pair of them is a preference too';
COMMENT ON COLUMN answer_ranking.ranks IS 'Of the answers in their order: 0 is best, equal numbers are equally good';

CREATE TRIGGER import_conversation_append BEFORE UPDATE OR DELETE OR TRUNCATE ON import_conversation EXECUTE FUNCTION refuse_change();
CREATE TRIGGER answer_score_append BEFORE UPDATE OR DELETE OR TRUNCATE ON answer_score EXECUTE FUNCTION refuse_change();
CREATE TRIGGER answer_ranking_append BEFORE UPDATE OR DELETE OR TRUNCATE ON answer_ranking EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT, INSERT ON import_source, import, import_conversation, answer_score, answer_ranking TO afina_web;
    GRANT UPDATE (state, finished_at, conversations, answers, judgements, skipped) ON import TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON import_source, import, import_conversation, answer_score, answer_ranking TO afina_trainer;
  END IF;
END $$;
