-- Pairs of answers, who saw them on which side, and what people said. Judgements are append-only.

CREATE TABLE pair (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES conversation,
  turn integer NOT NULL,
  generation_a_id uuid NOT NULL,
  generation_b_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (generation_a_id <> generation_b_id),
  FOREIGN KEY (generation_a_id, conversation_id, turn) REFERENCES generation (id, conversation_id, turn),
  FOREIGN KEY (generation_b_id, conversation_id, turn) REFERENCES generation (id, conversation_id, turn)
);
CREATE UNIQUE INDEX pair_answers ON pair (least(generation_a_id, generation_b_id), greatest(generation_a_id, generation_b_id));
CREATE INDEX pair_conversation ON pair (conversation_id);
CREATE INDEX pair_generation_a ON pair (generation_a_id);
CREATE INDEX pair_generation_b ON pair (generation_b_id);
COMMENT ON TABLE pair IS 'Two answers to the same messages; votes are about its A and B whatever side they were shown on';

CREATE TABLE exposure (
  id uuid PRIMARY KEY,
  pair_id uuid NOT NULL REFERENCES pair,
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  a_on_left boolean NOT NULL,
  shown_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revealed_at timestamptz,
  CONSTRAINT exposure_once UNIQUE (pair_id, visitor_id),
  UNIQUE (id, pair_id, visitor_id, annotator_id),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
CREATE INDEX exposure_visitor ON exposure (visitor_id);
CREATE INDEX exposure_annotator ON exposure (annotator_id, pair_id);
COMMENT ON TABLE exposure IS 'A pair as one visitor saw it';
COMMENT ON COLUMN exposure.revealed_at IS 'When the models'' names were shown; later votes are not blind';

CREATE TABLE preference (
  id uuid PRIMARY KEY,
  exposure_id uuid NOT NULL,
  pair_id uuid NOT NULL,
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL REFERENCES annotator,
  outcome text NOT NULL CHECK (outcome IN ('graded', 'both_good', 'both_bad', 'cannot_judge', 'retracted')),
  grade smallint CHECK (grade BETWEEN -3 AND 3),
  confidence smallint CHECK (confidence BETWEEN 1 AND 4),
  reason text NOT NULL DEFAULT '' CHECK (octet_length(reason) <= 4000),
  ms_to_decide bigint CHECK (ms_to_decide >= 0),
  idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
  supersedes_id uuid,
  source text NOT NULL CHECK (source IN ('web', 'api', 'demo', 'import')),
  blind boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((outcome = 'graded') = (grade IS NOT NULL)),
  CHECK (outcome <> 'retracted' OR supersedes_id IS NOT NULL),
  CONSTRAINT preference_key UNIQUE (annotator_id, idempotency_key),
  CONSTRAINT preference_superseded_once UNIQUE (supersedes_id),
  UNIQUE (id, exposure_id),
  FOREIGN KEY (exposure_id, pair_id, visitor_id, annotator_id) REFERENCES exposure (id, pair_id, visitor_id, annotator_id),
  FOREIGN KEY (supersedes_id, exposure_id) REFERENCES preference (id, exposure_id)
);
CREATE UNIQUE INDEX preference_first ON preference (exposure_id) WHERE supersedes_id IS NULL;
CREATE INDEX preference_exposure ON preference (exposure_id);
CREATE INDEX preference_pair ON preference (pair_id);
CREATE INDEX preference_visitor ON preference (visitor_id);
COMMENT ON TABLE preference IS 'Append-only; the rows of an exposure are a line of superseding rows, whose last one stands unless it is retracted';
COMMENT ON COLUMN preference.grade IS '-3: B much better … 3: A much better';
COMMENT ON COLUMN preference.body_sha256 IS 'Of everything said in the act: the same key with another body is refused';

CREATE TABLE rewrite (
  id uuid PRIMARY KEY,
  exposure_id uuid NOT NULL,
  pair_id uuid NOT NULL,
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL REFERENCES annotator,
  text text NOT NULL CHECK (text <> ''),
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  source text NOT NULL CHECK (source IN ('web', 'api', 'demo', 'import')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT rewrite_key UNIQUE (annotator_id, idempotency_key),
  FOREIGN KEY (exposure_id, pair_id, visitor_id, annotator_id) REFERENCES exposure (id, pair_id, visitor_id, annotator_id)
);
CREATE INDEX rewrite_pair ON rewrite (pair_id);
COMMENT ON TABLE rewrite IS 'An answer somebody wrote that is better than both; of an exposure the newest stands';

CREATE TRIGGER pair_append BEFORE UPDATE OR DELETE OR TRUNCATE ON pair EXECUTE FUNCTION refuse_change();
CREATE TRIGGER preference_append BEFORE UPDATE OR DELETE OR TRUNCATE ON preference EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rewrite_append BEFORE UPDATE OR DELETE OR TRUNCATE ON rewrite EXECUTE FUNCTION refuse_change();

CREATE VIEW standing_preference AS
  SELECT p.* FROM preference p
  JOIN visitor v ON v.id = p.visitor_id
  JOIN pair ON pair.id = p.pair_id
  JOIN conversation c ON c.id = pair.conversation_id
  WHERE p.outcome <> 'retracted' AND v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = p.id);
COMMENT ON VIEW standing_preference IS 'Votes that count: not superseded, not retracted, nobody withdrew';
