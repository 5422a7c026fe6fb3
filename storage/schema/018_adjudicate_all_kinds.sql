-- Reviewers settle every kind of dispute: of a flagging item they say which flags there are, of rewrites they choose one.

ALTER TABLE adjudication
  ADD COLUMN flags jsonb CHECK (jsonb_typeof(flags) = 'array' AND octet_length(flags::text) <= 16384),
  ADD COLUMN submission_id uuid REFERENCES submission,
  DROP CONSTRAINT adjudication_check1,
  ADD CONSTRAINT adjudication_says_one_thing CHECK (num_nonnulls(outcome, tiers, ratings, flags, submission_id) = 1);
CREATE INDEX adjudication_submission ON adjudication (submission_id) WHERE submission_id IS NOT NULL;
COMMENT ON COLUMN adjudication.flags IS 'Of a flagging item: side and kind of each; an empty list: nothing to flag';
COMMENT ON COLUMN adjudication.submission_id IS 'Of a rewrite item: whose rewrite was chosen';

-- What chose the text of somebody who withdrew since decides nothing any more. The verdicts before it do not come back:
-- the reviewer had taken them back.
CREATE OR REPLACE VIEW standing_adjudication AS
  SELECT a.* FROM adjudication a JOIN item i ON i.id = a.item_id JOIN conversation c ON c.id = i.conversation_id
  WHERE c.withdrawn_at IS NULL AND NOT EXISTS (SELECT FROM adjudication later WHERE later.supersedes_id = a.id)
    AND NOT EXISTS (SELECT FROM submission s JOIN visitor v ON v.id = s.visitor_id
                    WHERE s.id = a.submission_id AND v.withdrawn_at IS NOT NULL);
COMMENT ON VIEW standing_adjudication IS 'Verdicts that count: the last of their line, whose item and chosen text nobody withdrew';

-- Replacing a view takes its options away; with its owner's eyes it would see other workspaces.
DO $$ BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    ALTER VIEW standing_adjudication SET (security_invoker = true);
  END IF;
END $$;
