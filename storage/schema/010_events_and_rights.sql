-- What happened, for webhooks; what people say about themselves; retention: erasing the texts of who withdrew.

CREATE TABLE outbox (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace,
  type text NOT NULL CHECK (octet_length(type) BETWEEN 1 AND 64),
  payload jsonb NOT NULL CHECK (octet_length(payload::text) <= 16384),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE outbox IS 'Written in the transaction of the act itself: an event is there exactly when its act is';

CREATE TABLE webhook (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace,
  url text NOT NULL CHECK (octet_length(url) BETWEEN 1 AND 2000),
  types text[] NOT NULL CHECK (cardinality(types) BETWEEN 1 AND 32 AND array_position(types, NULL) IS NULL),
  secret text NOT NULL CHECK (octet_length(secret) BETWEEN 32 AND 200),
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
  disabled_reason text NOT NULL DEFAULT '' CHECK (octet_length(disabled_reason) <= 200),
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  disabled_at timestamptz,
  CHECK ((state = 'disabled') = (disabled_at IS NOT NULL))
);
CREATE INDEX webhook_workspace ON webhook (workspace_id) WHERE state = 'active';
COMMENT ON COLUMN webhook.types IS 'Event types it wants; * for all';
COMMENT ON COLUMN webhook.secret IS 'Key of the signature: both sides need it, so it is kept as it is and never shown again';
COMMENT ON COLUMN webhook.failures IS 'Deliveries given up since the last one that arrived';

CREATE TABLE delivery (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  event_id uuid NOT NULL REFERENCES outbox ON DELETE CASCADE,
  webhook_id uuid NOT NULL REFERENCES webhook,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
  tries integer NOT NULL DEFAULT 0 CHECK (tries BETWEEN 0 AND 10),
  next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_status integer NOT NULL DEFAULT 0,
  last_error text NOT NULL DEFAULT '' CHECK (octet_length(last_error) <= 500),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  CONSTRAINT delivery_once UNIQUE (webhook_id, event_id),
  CHECK ((state = 'waiting') = (finished_at IS NULL))
);
CREATE INDEX delivery_due ON delivery (next_try_at) WHERE state = 'waiting';
CREATE INDEX delivery_event ON delivery (event_id);
COMMENT ON TABLE delivery IS 'One event on its way to one webhook; made with the event, so that none is missed';
COMMENT ON COLUMN delivery.next_try_at IS 'While it is being sent: when another sender may take it up';

CREATE TABLE annotator_profile (
  annotator_id uuid PRIMARY KEY REFERENCES annotator,
  country text CHECK (country ~ '^[A-Z]{2}$'),
  languages text[] NOT NULL DEFAULT '{}'
    CHECK (cardinality(languages) <= 16 AND array_position(languages, NULL) IS NULL),
  dialect text CHECK (octet_length(dialect) BETWEEN 1 AND 64),
  age_band text CHECK (age_band IN ('18-24', '25-34', '35-44', '45-54', '55-64', '65+')),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE annotator_profile IS 'What people chose to say about themselves; all optional, gone when they withdraw';
COMMENT ON COLUMN annotator_profile.country IS 'ISO 3166-1 alpha-2';
COMMENT ON COLUMN annotator_profile.languages IS 'BCP 47';

CREATE TABLE tombstone (
  object_kind text NOT NULL CHECK (object_kind ~ '^[a-z_]{1,40}$'),
  object_id uuid NOT NULL,
  object_part text NOT NULL DEFAULT '' CHECK (octet_length(object_part) <= 100),
  visitor_id uuid NOT NULL REFERENCES visitor,
  reason text NOT NULL CHECK (reason IN ('withdrawn')),
  sha256_of_removed text NOT NULL CHECK (sha256_of_removed ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (object_kind, object_id, object_part)
);
CREATE INDEX tombstone_visitor ON tombstone (visitor_id);
COMMENT ON TABLE tombstone IS 'Texts that were erased for good: what remains is their hash, which tells nothing but proves identity';
COMMENT ON COLUMN tombstone.object_part IS 'The rest of the key of a row that has more than an id';
CREATE TRIGGER tombstone_append BEFORE UPDATE OR DELETE OR TRUNCATE ON tombstone EXECUTE FUNCTION refuse_change();

CREATE TABLE erasure (
  visitor_id uuid PRIMARY KEY REFERENCES visitor,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE erasure IS 'Whose texts were erased';
CREATE TRIGGER erasure_append BEFORE UPDATE OR DELETE OR TRUNCATE ON erasure EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_early_tombstone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM visitor WHERE id = NEW.visitor_id AND withdrawn_at IS NOT NULL) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'only texts of people who withdrew are erased' USING ERRCODE = '42501';
END $$;
CREATE TRIGGER tombstone_of_withdrawn BEFORE INSERT ON tombstone FOR EACH ROW EXECUTE FUNCTION refuse_early_tombstone();

-- Which tables hold people's words: how a row is named in its tombstone, what of it is hashed, which rows say anything,
-- which columns become blank and how, and whose rows they are ($1: the visitor). Written by the schema only.
CREATE TABLE erasable (
  object_kind text PRIMARY KEY,
  id_column text NOT NULL DEFAULT 'id',
  part_columns text[] NOT NULL DEFAULT '{}',
  hashed text NOT NULL,
  said text NOT NULL,
  columns text[] NOT NULL,
  blank text NOT NULL,
  whose text NOT NULL
);
CREATE TRIGGER erasable_append BEFORE UPDATE OR DELETE OR TRUNCATE ON erasable EXECUTE FUNCTION refuse_change();

CREATE FUNCTION row_part(whole jsonb, columns text[]) RETURNS text LANGUAGE sql IMMUTABLE RETURN
  (SELECT coalesce(string_agg(whole ->> c, '/' ORDER BY n), '') FROM unnest(columns) WITH ORDINALITY AS u(c, n));

-- Append-only but for one thing: the columns of erasable may become blank where the row has a tombstone.
CREATE FUNCTION refuse_change_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  rule erasable;
  old_rest jsonb := to_jsonb(OLD);
  new_rest jsonb := to_jsonb(NEW);
  erased text;
BEGIN
  SELECT * INTO STRICT rule FROM erasable WHERE object_kind = TG_TABLE_NAME;
  FOREACH erased IN ARRAY rule.columns LOOP
    IF coalesce(new_rest ->> erased, '') <> '' THEN
      RAISE EXCEPTION 'rows of % are never changed but to erase them', TG_TABLE_NAME USING ERRCODE = '42501';
    END IF;
    old_rest := old_rest - erased;
    new_rest := new_rest - erased;
  END LOOP;
  IF old_rest = new_rest
    AND EXISTS (SELECT FROM tombstone WHERE object_kind = TG_TABLE_NAME
                AND object_id = (old_rest ->> rule.id_column)::uuid
                AND object_part = row_part(old_rest, rule.part_columns)) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'rows of % are never changed but to erase them', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;

-- A rewrite says something when it is written; only erasing empties it.
ALTER TABLE rewrite DROP CONSTRAINT rewrite_text_check;
CREATE FUNCTION refuse_empty_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a row of % must have a text', TG_TABLE_NAME USING ERRCODE = '23514';
END $$;
CREATE TRIGGER rewrite_says_something BEFORE INSERT ON rewrite FOR EACH ROW WHEN (NEW.text = '')
  EXECUTE FUNCTION refuse_empty_text();

-- Adds a table to erasable's and lets its rows become blank.
CREATE FUNCTION make_erasable(rule erasable) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO erasable SELECT rule.*;
  EXECUTE format('DROP TRIGGER IF EXISTS %I ON %I', rule.object_kind || '_append', rule.object_kind);
  EXECUTE format('CREATE TRIGGER %I BEFORE DELETE OR TRUNCATE ON %I EXECUTE FUNCTION refuse_change()',
                 rule.object_kind || '_append', rule.object_kind);
  EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure()',
                 rule.object_kind || '_erase', rule.object_kind);
END $$;

-- object_kind, id, parts, hashed, said, columns, blank, whose
SELECT make_erasable(ROW('message', 'id', '{}', 'content', $$content <> ''$$, '{content}', $$content = ''$$,
  'conversation_id IN (SELECT id FROM conversation WHERE visitor_id = $1)')::erasable);
SELECT make_erasable(ROW('generation', 'id', '{}', 'text',
  $$text <> '' OR prompt_ids IS NOT NULL OR completion_ids IS NOT NULL$$, '{text,prompt_ids,completion_ids}',
  $$text = '', prompt_ids = NULL, completion_ids = NULL$$,
  'conversation_id IN (SELECT id FROM conversation WHERE visitor_id = $1)')::erasable);
SELECT make_erasable(ROW('preference', 'id', '{}', 'reason', $$reason <> ''$$, '{reason}', $$reason = ''$$,
  'visitor_id = $1')::erasable);
SELECT make_erasable(ROW('rewrite', 'id', '{}', 'text', $$text <> ''$$, '{text}', $$text = ''$$,
  'visitor_id = $1 OR pair_id IN (SELECT p.id FROM pair p JOIN conversation c ON c.id = p.conversation_id '
  'WHERE c.visitor_id = $1)')::erasable);
SELECT make_erasable(ROW('answer_flag', 'act_id', '{generation_id,kind}', 'note', $$note <> ''$$, '{note}', $$note = ''$$,
  'visitor_id = $1')::erasable);
SELECT make_erasable(ROW('span_note', 'act_id', '{ordinal}', 'note', $$note <> ''$$, '{note}', $$note = ''$$,
  'visitor_id = $1')::erasable);
SELECT make_erasable(ROW('answer_note', 'id', '{}', 'reason || chr(10) || rewrite', $$reason <> '' OR rewrite <> ''$$,
  '{reason,rewrite}', $$reason = '', rewrite = ''$$, 'visitor_id = $1')::erasable);

ALTER TABLE submission DROP CONSTRAINT submission_rewrite_check,
  ADD CONSTRAINT submission_rewrite_check CHECK (octet_length(rewrite) <= 32768);
CREATE TRIGGER submission_says_something BEFORE INSERT ON submission FOR EACH ROW WHEN (NEW.rewrite = '')
  EXECUTE FUNCTION refuse_empty_text();
SELECT make_erasable(ROW('submission', 'id', '{}', $$reason || chr(10) || coalesce(rewrite, '')$$,
  $$reason <> '' OR rewrite <> ''$$, '{reason,rewrite}', $$reason = '', rewrite = left(rewrite, 0)$$,
  'visitor_id = $1')::erasable);
SELECT make_erasable(ROW('adjudication', 'id', '{}', 'note', $$note <> ''$$, '{note}', $$note = ''$$,
  'account_id IN (SELECT a.id FROM account a JOIN visitor v ON v.annotator_id = a.annotator_id WHERE v.id = $1)'
  )::erasable);

-- Erases what one person wrote and what was answered to them. Runs as the owner of the tables, whoever calls it: it can
-- do nothing but this, to nobody who has not withdrawn.
CREATE FUNCTION erase_withdrawn(person uuid) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  one erasable;
  done jsonb := '{}';
  rows bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM visitor WHERE id = person AND withdrawn_at IS NOT NULL) THEN
    RAISE EXCEPTION 'only texts of people who withdrew are erased' USING ERRCODE = '42501';
  END IF;
  FOR one IN SELECT * FROM erasable ORDER BY object_kind LOOP
    EXECUTE format('INSERT INTO tombstone (object_kind, object_id, object_part, visitor_id, reason, sha256_of_removed) '
                   'SELECT %L, %I, row_part(to_jsonb(t), $2), $1, ''withdrawn'', '
                   'encode(sha256(convert_to(%s, ''UTF8'')), ''hex'') FROM %I t WHERE (%s) AND (%s) '
                   'ON CONFLICT DO NOTHING',
                   one.object_kind, one.id_column, one.hashed, one.object_kind, one.whose, one.said)
      USING person, one.part_columns;
    EXECUTE format('UPDATE %I SET %s WHERE (%s) AND (%s)', one.object_kind, one.blank, one.whose, one.said)
      USING person;
    GET DIAGNOSTICS rows = ROW_COUNT;
    done := done || jsonb_build_object(one.object_kind, rows);
  END LOOP;
  INSERT INTO erasure (visitor_id) VALUES (person) ON CONFLICT DO NOTHING;
  RETURN done;
END $$;
REVOKE ALL ON FUNCTION erase_withdrawn(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION make_erasable(erasable) FROM PUBLIC;

-- Programs that call through the proxy also send what tools answered.
ALTER TABLE message DROP CONSTRAINT message_role_check,
  ADD CONSTRAINT message_role_check CHECK (role IN ('system', 'user', 'assistant', 'tool'));

-- Through the proxy a client sees one half of a pair: a vote on it is no side-by-side comparison.
ALTER TABLE exposure ADD COLUMN shown text NOT NULL DEFAULT 'both' CHECK (shown IN ('both', 'a', 'b'));
COMMENT ON COLUMN exposure.shown IS 'Which answers the person saw; where it is one, that one counts as the left';

-- Who withdraws is forgotten at once where nothing append-only is in the way.
CREATE FUNCTION forget_at_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM annotator_profile WHERE annotator_id = NEW.annotator_id;
  DELETE FROM draft USING assignment s, account a
  WHERE draft.assignment_id = s.id AND s.account_id = a.id AND a.annotator_id = NEW.annotator_id;
  UPDATE assignment SET skip_reason = '' FROM account a
  WHERE assignment.account_id = a.id AND a.annotator_id = NEW.annotator_id AND skip_reason <> '';
  RETURN NEW;
END $$;
CREATE TRIGGER visitor_forget AFTER UPDATE OF withdrawn_at ON visitor FOR EACH ROW
  WHEN (OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL) EXECUTE FUNCTION forget_at_once();

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT ON outbox, webhook, delivery, annotator_profile, tombstone, erasure, erasable TO afina_web;
    GRANT INSERT ON outbox, webhook, delivery, annotator_profile TO afina_web;
    GRANT UPDATE (state, disabled_reason, failures, disabled_at) ON webhook TO afina_web;
    GRANT UPDATE (state, tries, next_try_at, last_status, last_error, finished_at) ON delivery TO afina_web;
    GRANT UPDATE (country, languages, dialect, age_band, updated_at) ON annotator_profile TO afina_web;
    GRANT DELETE ON outbox, delivery, annotator_profile TO afina_web;
    GRANT EXECUTE ON FUNCTION erase_withdrawn(uuid) TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON outbox, annotator_profile, tombstone TO afina_trainer;
  END IF;
END $$;
