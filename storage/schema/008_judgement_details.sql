-- What people say about an answer besides the grade: ratings by aspect, flags, notes on spans, notes on single answers.
-- Each row belongs to an act: a preference, a note on a single answer, or the submission of a task. An act that was
-- superseded or taken back takes its rows along. Judgements are append-only.

CREATE TABLE aspect_rating (
  act_id uuid NOT NULL,
  generation_id uuid NOT NULL REFERENCES generation,
  aspect text NOT NULL CHECK (aspect IN ('helpful', 'truthful', 'harmless', 'cultural_fit', 'dialect', 'clarity', 'follows_regulation')),
  value smallint NOT NULL CHECK (value BETWEEN 1 AND 5),
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (act_id, generation_id, aspect),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
CREATE INDEX aspect_rating_generation ON aspect_rating (generation_id, aspect);
CREATE INDEX aspect_rating_annotator ON aspect_rating (annotator_id);
CREATE INDEX aspect_rating_visitor ON aspect_rating (visitor_id);
COMMENT ON TABLE aspect_rating IS '1 (bad) to 5 (good), of one answer in one respect';
COMMENT ON COLUMN aspect_rating.act_id IS 'Id of the preference, answer_note or task submission it came with';

CREATE TABLE answer_flag (
  act_id uuid NOT NULL,
  generation_id uuid NOT NULL REFERENCES generation,
  kind text NOT NULL CHECK (kind IN ('toxic', 'personal_data', 'hallucination')),
  note text NOT NULL DEFAULT '' CHECK (octet_length(note) <= 1000),
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (act_id, generation_id, kind),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
CREATE INDEX answer_flag_generation ON answer_flag (generation_id);
CREATE INDEX answer_flag_annotator ON answer_flag (annotator_id);
CREATE INDEX answer_flag_visitor ON answer_flag (visitor_id);

CREATE TABLE span_note (
  act_id uuid NOT NULL,
  generation_id uuid NOT NULL REFERENCES generation,
  ordinal smallint NOT NULL CHECK (ordinal BETWEEN 0 AND 99),
  start_at integer NOT NULL CHECK (start_at >= 0),
  end_at integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('good', 'bad', 'wrong', 'personal_data', 'dialect', 'other')),
  note text NOT NULL DEFAULT '' CHECK (octet_length(note) <= 1000),
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (act_id, ordinal),
  CHECK (end_at > start_at),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
CREATE INDEX span_note_generation ON span_note (generation_id);
CREATE INDEX span_note_annotator ON span_note (annotator_id);
CREATE INDEX span_note_visitor ON span_note (visitor_id);
COMMENT ON COLUMN span_note.start_at IS 'Code points of the answer''s text, [start_at, end_at)';
COMMENT ON COLUMN span_note.ordinal IS 'Place in the act''s list';

CREATE TABLE reason_language (
  act_id uuid PRIMARY KEY,
  language text NOT NULL CHECK (octet_length(language) <= 35 AND language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
CREATE INDEX reason_language_visitor ON reason_language (visitor_id);
COMMENT ON TABLE reason_language IS 'The language of an act''s reason, as the person named it; never guessed';

-- A judgement of one answer that stands in no pair.
CREATE TABLE answer_note (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL,
  turn integer NOT NULL,
  generation_id uuid NOT NULL,
  visitor_id uuid NOT NULL,
  annotator_id uuid NOT NULL,
  reason text NOT NULL DEFAULT '' CHECK (octet_length(reason) <= 4000),
  rewrite text NOT NULL DEFAULT '' CHECK (octet_length(rewrite) <= 32768),
  idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
  supersedes_id uuid,
  source text NOT NULL CHECK (source IN ('web', 'api', 'demo', 'import')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT answer_note_key UNIQUE (annotator_id, idempotency_key),
  CONSTRAINT answer_note_superseded_once UNIQUE (supersedes_id),
  UNIQUE (id, generation_id, visitor_id),
  FOREIGN KEY (generation_id, conversation_id, turn) REFERENCES generation (id, conversation_id, turn),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id),
  FOREIGN KEY (supersedes_id, generation_id, visitor_id) REFERENCES answer_note (id, generation_id, visitor_id)
);
CREATE UNIQUE INDEX answer_note_first ON answer_note (generation_id, visitor_id) WHERE supersedes_id IS NULL;
CREATE INDEX answer_note_conversation ON answer_note (conversation_id);
CREATE INDEX answer_note_visitor ON answer_note (visitor_id);
COMMENT ON TABLE answer_note IS 'Append-only; the notes of one person on one answer are a line, whose last one stands';

-- A person asked for other answers; the attempt stands beside the earlier ones, whatever came of it.
CREATE TABLE regeneration (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES conversation,
  turn integer NOT NULL CHECK (turn >= 0),
  attempt smallint NOT NULL CHECK (attempt > 0),
  client_key text NOT NULL CHECK (octet_length(client_key) BETWEEN 1 AND 64),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT regeneration_key UNIQUE (conversation_id, client_key),
  CONSTRAINT regeneration_attempt UNIQUE (conversation_id, turn, attempt)
);
COMMENT ON COLUMN regeneration.turn IS 'The position of the answers, as in generation';
CREATE TRIGGER regeneration_append BEFORE UPDATE OR DELETE OR TRUNCATE ON regeneration EXECUTE FUNCTION refuse_change();

ALTER TABLE rewrite ADD COLUMN act_id uuid,
  ADD CONSTRAINT rewrite_text_size CHECK (octet_length(text) <= 32768);
CREATE INDEX rewrite_visitor ON rewrite (visitor_id);
COMMENT ON COLUMN rewrite.act_id IS 'The act it came with and falls with; NULL: it stands by itself';

ALTER TABLE exposure ADD COLUMN leak_a boolean NOT NULL DEFAULT false, ADD COLUMN leak_b boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN exposure.leak_a IS 'Answer A seems to name its maker: a vote on it may not be blind';
COMMENT ON COLUMN exposure.leak_b IS 'Answer B seems to name its maker';

CREATE TRIGGER aspect_rating_append BEFORE UPDATE OR DELETE OR TRUNCATE ON aspect_rating EXECUTE FUNCTION refuse_change();
CREATE TRIGGER answer_flag_append BEFORE UPDATE OR DELETE OR TRUNCATE ON answer_flag EXECUTE FUNCTION refuse_change();
CREATE TRIGGER span_note_append BEFORE UPDATE OR DELETE OR TRUNCATE ON span_note EXECUTE FUNCTION refuse_change();
CREATE TRIGGER reason_language_append BEFORE UPDATE OR DELETE OR TRUNCATE ON reason_language EXECUTE FUNCTION refuse_change();
CREATE TRIGGER answer_note_append BEFORE UPDATE OR DELETE OR TRUNCATE ON answer_note EXECUTE FUNCTION refuse_change();

-- An act's rows count while neither its person nor the answer's conversation was withdrawn, and nothing took its place.
CREATE VIEW standing_aspect_rating AS
  SELECT d.* FROM aspect_rating d JOIN visitor v ON v.id = d.visitor_id
  JOIN generation g ON g.id = d.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = d.act_id)
    AND NOT EXISTS (SELECT FROM answer_note later WHERE later.supersedes_id = d.act_id);
CREATE VIEW standing_answer_flag AS
  SELECT d.* FROM answer_flag d JOIN visitor v ON v.id = d.visitor_id
  JOIN generation g ON g.id = d.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = d.act_id)
    AND NOT EXISTS (SELECT FROM answer_note later WHERE later.supersedes_id = d.act_id);
CREATE VIEW standing_span_note AS
  SELECT d.* FROM span_note d JOIN visitor v ON v.id = d.visitor_id
  JOIN generation g ON g.id = d.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = d.act_id)
    AND NOT EXISTS (SELECT FROM answer_note later WHERE later.supersedes_id = d.act_id);
CREATE VIEW standing_answer_note AS
  SELECT n.* FROM answer_note n JOIN visitor v ON v.id = n.visitor_id JOIN conversation c ON c.id = n.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM answer_note later WHERE later.supersedes_id = n.id);
CREATE VIEW standing_rewrite AS
  SELECT DISTINCT ON (r.exposure_id) r.* FROM rewrite r JOIN visitor v ON v.id = r.visitor_id
  JOIN pair ON pair.id = r.pair_id JOIN conversation c ON c.id = pair.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = r.act_id)
  ORDER BY r.exposure_id, r.created_at DESC, r.id DESC;
COMMENT ON VIEW standing_aspect_rating IS 'Ratings that count: not superseded, nobody withdrew';
COMMENT ON VIEW standing_rewrite IS 'Of each exposure the newest rewrite that counts';

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT, INSERT ON aspect_rating, answer_flag, span_note, reason_language, answer_note, regeneration TO afina_web;
    GRANT SELECT ON standing_aspect_rating, standing_answer_flag, standing_span_note, standing_answer_note,
      standing_rewrite TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON aspect_rating, answer_flag, span_note, reason_language, answer_note, standing_aspect_rating,
      standing_answer_flag, standing_span_note, standing_answer_note, standing_rewrite TO afina_trainer;
  END IF;
END $$;
