-- People and what they allowed. Ids are UUIDv7 made by the programs; times are UTC.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
COMMENT ON FUNCTION refuse_change() IS 'Trigger of append-only tables: a correction is a new row that supersedes';

-- Search ignores capitals and accents: decompose, drop combining marks, lower.
CREATE FUNCTION fold_text(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  lower(regexp_replace(normalize(words, NFKD), U&'[\0300-\036f]', '', 'g'));

CREATE TABLE annotator (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('anonymous', 'annotator', 'demo', 'service')),
  name text CHECK (octet_length(name) BETWEEN 1 AND 200),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT annotator_name_key UNIQUE (name),
  CHECK (name IS NOT NULL OR kind = 'anonymous')
);
COMMENT ON TABLE annotator IS 'Who judges, as far as known. An anonymous one is known by one visit only';
COMMENT ON COLUMN annotator.name IS 'Pseudonym, never an e-mail';

CREATE TABLE visitor (
  id uuid PRIMARY KEY,
  annotator_id uuid NOT NULL REFERENCES annotator,
  locale text NOT NULL DEFAULT '' CHECK (octet_length(locale) <= 35),
  source text NOT NULL CHECK (source IN ('web', 'api', 'demo', 'import')),
  session_sha256 text CHECK (session_sha256 ~ '^[0-9a-f]{64}$'),
  receipt_sha256 text NOT NULL CHECK (receipt_sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  withdrawn_at timestamptz,
  CONSTRAINT visitor_session_key UNIQUE (session_sha256),
  CONSTRAINT visitor_receipt_key UNIQUE (receipt_sha256),
  UNIQUE (id, annotator_id)
);
CREATE INDEX visitor_annotator ON visitor (annotator_id);
COMMENT ON TABLE visitor IS 'One browser or client that gave consent and holds a receipt code';
COMMENT ON COLUMN visitor.session_sha256 IS 'SHA-256 of the session token; NULL once the session has ended';
COMMENT ON COLUMN visitor.receipt_sha256 IS 'SHA-256 of the receipt code, which withdraws everything';

CREATE TABLE consent_text (
  id uuid PRIMARY KEY,
  version text NOT NULL CHECK (octet_length(version) BETWEEN 1 AND 64),
  locale text NOT NULL CHECK (octet_length(locale) BETWEEN 1 AND 35),
  body text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT consent_text_version_key UNIQUE (version, locale)
);
COMMENT ON TABLE consent_text IS 'The exact words that were shown';

CREATE TABLE consent_event (
  id uuid PRIMARY KEY,
  visitor_id uuid NOT NULL REFERENCES visitor,
  text_id uuid NOT NULL REFERENCES consent_text,
  granted boolean NOT NULL,
  purposes text[] NOT NULL CHECK (cardinality(purposes) <= 16 AND array_position(purposes, NULL) IS NULL),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (id, visitor_id)
);
CREATE INDEX consent_event_visitor ON consent_event (visitor_id, created_at, id);
COMMENT ON TABLE consent_event IS 'Append-only; the newest event of a visitor holds';
COMMENT ON COLUMN consent_event.purposes IS 'train: snapshots may use it; review: others may judge it; publish: it may be released';

CREATE TABLE withdrawal (
  id uuid PRIMARY KEY,
  visitor_id uuid NOT NULL UNIQUE REFERENCES visitor,
  conversations bigint NOT NULL,
  votes bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE withdrawal IS 'A receipt code was used: what it took back';

CREATE TRIGGER consent_text_append BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_text EXECUTE FUNCTION refuse_change();
CREATE TRIGGER consent_event_append BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_event EXECUTE FUNCTION refuse_change();
CREATE TRIGGER withdrawal_append BEFORE UPDATE OR DELETE OR TRUNCATE ON withdrawal EXECUTE FUNCTION refuse_change();

CREATE VIEW current_consent AS
  SELECT DISTINCT ON (visitor_id) visitor_id, id AS consent_event_id, granted, purposes
  FROM consent_event ORDER BY visitor_id, created_at DESC, id DESC;
COMMENT ON VIEW current_consent IS 'What each visitor allows now';
