-- Members of snapshots may stand on more than votes on a pair: on rankings of tasks, and on verdicts of reviewers.

ALTER TABLE snapshot_member ALTER COLUMN pair_id DROP NOT NULL;
ALTER TABLE snapshot_member ADD CONSTRAINT snapshot_member_rewrite_has_pair
  CHECK (pair_id IS NOT NULL OR chosen_rewrite_id IS NULL);
COMMENT ON COLUMN snapshot_member.pair_id IS 'NULL: two answers of a ranking, which were shown together with others';

CREATE TABLE snapshot_member_submission (
  snapshot_id uuid NOT NULL,
  position bigint NOT NULL,
  submission_id uuid NOT NULL REFERENCES submission,
  PRIMARY KEY (snapshot_id, position, submission_id),
  FOREIGN KEY (snapshot_id, position) REFERENCES snapshot_member (snapshot_id, position)
);
CREATE INDEX snapshot_member_submission_back ON snapshot_member_submission (submission_id);
COMMENT ON TABLE snapshot_member_submission IS 'The rankings behind a member';

CREATE TABLE snapshot_member_adjudication (
  snapshot_id uuid NOT NULL,
  position bigint NOT NULL,
  adjudication_id uuid NOT NULL REFERENCES adjudication,
  PRIMARY KEY (snapshot_id, position, adjudication_id),
  FOREIGN KEY (snapshot_id, position) REFERENCES snapshot_member (snapshot_id, position)
);
CREATE INDEX snapshot_member_adjudication_back ON snapshot_member_adjudication (adjudication_id);
COMMENT ON TABLE snapshot_member_adjudication IS 'The reviewer''s verdict behind a member; the votes it took the place of are not behind it';

-- A published leaderboard has an author, and is published once however often it is asked for.
ALTER TABLE rating_snapshot ADD COLUMN account_id uuid NOT NULL REFERENCES account,
  ADD COLUMN idempotency_key text NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 64),
  ADD CONSTRAINT rating_snapshot_key UNIQUE (account_id, idempotency_key);

CREATE TRIGGER snapshot_member_submission_append BEFORE UPDATE OR DELETE OR TRUNCATE ON snapshot_member_submission
  EXECUTE FUNCTION refuse_change();
CREATE TRIGGER snapshot_member_adjudication_append BEFORE UPDATE OR DELETE OR TRUNCATE ON snapshot_member_adjudication
  EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT ON snapshot_member_submission, snapshot_member_adjudication TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT, INSERT ON snapshot_member_submission, snapshot_member_adjudication TO afina_trainer;
  END IF;
END $$;
