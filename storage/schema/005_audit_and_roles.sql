-- The audit chain, and three roles: whoever migrates owns, web serves people, trainer trains.

CREATE TABLE audit_event (
  number bigint PRIMARY KEY CHECK (number > 0),
  row text NOT NULL,
  hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE audit_event IS 'hash = SHA-256(previous hash || row), the first previous hash being 32 zero bytes';
CREATE TRIGGER audit_event_append BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event EXECUTE FUNCTION refuse_change();

-- Roles belong to the whole server: another database's migration may be making them at this moment, and a hosted server
-- may not let us. Both are fine.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['afina_web', 'afina_trainer'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
        RAISE NOTICE 'role % was not created: %', wanted, SQLERRM;
      END;
    END IF;
  END LOOP;

  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT USAGE ON SCHEMA public TO afina_web;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO afina_web;
    GRANT INSERT ON annotator, visitor, consent_text, consent_event, withdrawal, conversation, message, generation,
      pair, exposure, preference, rewrite, audit_event TO afina_web;
    GRANT UPDATE (session_sha256, withdrawn_at) ON visitor TO afina_web;
    GRANT UPDATE (withdrawn_at) ON conversation TO afina_web;
    GRANT UPDATE (revealed_at) ON exposure TO afina_web;
  END IF;

  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT USAGE ON SCHEMA public TO afina_trainer;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO afina_trainer;
    GRANT INSERT ON snapshot, snapshot_member, snapshot_member_preference, run, run_attempt, metric, training_example,
      reference_logp, adapter, audit_event TO afina_trainer;
    GRANT UPDATE ON run, metric TO afina_trainer;
  END IF;
END $$;
