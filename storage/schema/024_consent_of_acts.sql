-- A verdict stands under the consent that its reviewer had when they gave it, and falls with it. Nobody's act takes the
-- place of somebody else's, whatever id it was given. What else a request asked for is kept with its key.

ALTER TABLE adjudication ADD COLUMN visitor_id uuid REFERENCES visitor;
CREATE INDEX adjudication_visitor ON adjudication (visitor_id) WHERE visitor_id IS NOT NULL;
COMMENT ON COLUMN adjudication.visitor_id IS 'The reviewer''s consent at that time; NULL: the account had given none';

-- Of before: the reviewer's newest consent of that time, and where there was none yet their first: so no withdrawal
-- that took a verdict back is undone.
ALTER TABLE adjudication DISABLE TRIGGER adjudication_erase;
UPDATE adjudication a SET visitor_id = coalesce(
  (SELECT v.id FROM account r JOIN visitor v ON v.annotator_id = r.annotator_id
   WHERE r.id = a.account_id AND v.created_at <= a.created_at ORDER BY v.created_at DESC, v.id DESC LIMIT 1),
  (SELECT v.id FROM account r JOIN visitor v ON v.annotator_id = r.annotator_id
   WHERE r.id = a.account_id ORDER BY v.created_at, v.id LIMIT 1));
ALTER TABLE adjudication ENABLE TRIGGER adjudication_erase;

-- What a reviewer wrote is theirs by that consent; without one, by the person.
ALTER TABLE erasable DISABLE TRIGGER erasable_append;
UPDATE erasable SET whose = 'visitor_id = $1 OR (visitor_id IS NULL AND account_id IN (SELECT a.id FROM account a '
  'JOIN visitor v ON v.annotator_id = a.annotator_id WHERE v.id = $1))' WHERE object_kind = 'adjudication';
ALTER TABLE erasable ENABLE TRIGGER erasable_append;

CREATE OR REPLACE VIEW standing_adjudication AS
  SELECT a.* FROM adjudication a JOIN item i ON i.id = a.item_id JOIN conversation c ON c.id = i.conversation_id
  WHERE c.withdrawn_at IS NULL AND NOT EXISTS (SELECT FROM adjudication later WHERE later.supersedes_id = a.id)
    AND NOT EXISTS (SELECT FROM visitor me WHERE me.id = a.visitor_id AND me.withdrawn_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM submission s JOIN visitor v ON v.id = s.visitor_id
                    WHERE s.id = a.submission_id AND v.withdrawn_at IS NOT NULL);
COMMENT ON VIEW standing_adjudication IS 'Verdicts that count: the last of their line, of nobody who withdrew, whose item and chosen text nobody withdrew';

-- Items whose reviewer withdrew before this are disputed again, where their submissions part as verdict.h says.
UPDATE item i SET disputed = CASE p.kind
    WHEN 'pairwise' THEN (
      SELECT coalesce((min(s.graded) < 0 AND max(s.graded) > 0) OR max(s.graded) - min(s.graded) >= 3
        OR (bool_or(s.outcome = 'both_good') AND bool_or(s.outcome = 'both_bad')), false)
      FROM (SELECT outcome, coalesce(grade, 0) AS graded FROM standing_submission
            WHERE item_id = i.id AND outcome <> 'cannot_judge') s)
    WHEN 'ranking' THEN i.spread >= 0.5
    WHEN 'rating' THEN i.spread >= 2
    ELSE i.spread > 0 END
  FROM project p, adjudication a, visitor v
  WHERE p.id = i.project_id AND a.item_id = i.id AND v.id = a.visitor_id AND v.withdrawn_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM adjudication later WHERE later.supersedes_id = a.id)
    AND i.overlap IS NOT NULL AND i.spread IS NOT NULL;

-- 023 made rewrites of what submissions on single answers had said; the submissions name them, as later ones do.
ALTER TABLE submission DISABLE TRIGGER submission_erase;
UPDATE submission s SET rewrite_id = r.id FROM rewrite r
  WHERE r.act_id = s.id AND r.generation_id IS NOT NULL AND s.rewrite_id IS NULL;
ALTER TABLE submission ENABLE TRIGGER submission_erase;

-- Clients name their votes and notes themselves: one that bears the id of somebody else's act takes nothing of that
-- act's along when it is corrected.
CREATE OR REPLACE VIEW standing_aspect_rating AS
  SELECT d.* FROM aspect_rating d JOIN visitor v ON v.id = d.visitor_id
  JOIN generation g ON g.id = d.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later
                    WHERE later.supersedes_id = d.act_id AND later.visitor_id = d.visitor_id)
    AND NOT EXISTS (SELECT FROM answer_note later
                    WHERE later.supersedes_id = d.act_id AND later.visitor_id = d.visitor_id);
CREATE OR REPLACE VIEW standing_answer_flag AS
  SELECT d.* FROM answer_flag d JOIN visitor v ON v.id = d.visitor_id
  JOIN generation g ON g.id = d.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later
                    WHERE later.supersedes_id = d.act_id AND later.visitor_id = d.visitor_id)
    AND NOT EXISTS (SELECT FROM answer_note later
                    WHERE later.supersedes_id = d.act_id AND later.visitor_id = d.visitor_id);
CREATE OR REPLACE VIEW standing_span_note AS
  SELECT d.* FROM span_note d JOIN visitor v ON v.id = d.visitor_id
  JOIN generation g ON g.id = d.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later
                    WHERE later.supersedes_id = d.act_id AND later.visitor_id = d.visitor_id)
    AND NOT EXISTS (SELECT FROM answer_note later
                    WHERE later.supersedes_id = d.act_id AND later.visitor_id = d.visitor_id);
CREATE OR REPLACE VIEW standing_rewrite AS
  SELECT DISTINCT ON (r.exposure_id) r.* FROM rewrite r JOIN visitor v ON v.id = r.visitor_id
  JOIN pair ON pair.id = r.pair_id JOIN conversation c ON c.id = pair.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later
                    WHERE later.supersedes_id = r.act_id AND later.visitor_id = r.visitor_id)
  ORDER BY r.exposure_id, r.created_at DESC, r.id DESC;
CREATE OR REPLACE VIEW standing_single_rewrite AS
  SELECT DISTINCT ON (r.generation_id, r.visitor_id) r.* FROM rewrite r JOIN visitor v ON v.id = r.visitor_id
  JOIN generation g ON g.id = r.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL AND r.text <> ''
    AND NOT EXISTS (SELECT FROM answer_note later
                    WHERE later.supersedes_id = r.act_id AND later.visitor_id = r.visitor_id)
  ORDER BY r.generation_id, r.visitor_id, r.created_at DESC, r.id DESC;

-- Replacing a view takes its options away.
DO $$
DECLARE
  named text;
BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    FOREACH named IN ARRAY ARRAY['standing_adjudication', 'standing_aspect_rating', 'standing_answer_flag',
                                 'standing_span_note', 'standing_rewrite', 'standing_single_rewrite'] LOOP
      EXECUTE format('ALTER VIEW %I SET (security_invoker = true)', named);
    END LOOP;
  END IF;
END $$;

-- Files that were brought into projects stood under the workspace's importer, whatever was declared with them. A file's
-- batches are known by their hash: its items' conversations become its owner's, under what the owner allows now.
UPDATE conversation c SET visitor_id = owner.id, consent_event_id = owner.consent_event_id,
    withdrawn_at = coalesce(c.withdrawn_at, owner.withdrawn_at)
  FROM item i, (
    SELECT DISTINCT ON (b.id) b.id AS batch_id, v.id, v.withdrawn_at, e.id AS consent_event_id
    FROM item_batch b JOIN project p ON p.id = b.project_id
      JOIN import m ON m.workspace_id = p.workspace_id AND m.created_at <= b.created_at
      JOIN generate_series(0, (SELECT count(*) FROM item_batch WHERE starts_with(idempotency_key, 'import-'))) n
        ON b.body_sha256 = encode(sha256(convert_to(m.sha256 || ':' || n, 'UTF8')), 'hex')
      JOIN visitor v ON v.id = m.visitor_id
      JOIN LATERAL (SELECT id FROM consent_event WHERE visitor_id = v.id ORDER BY created_at DESC, id DESC LIMIT 1) e
        ON true
    WHERE b.source = 'import' AND b.idempotency_key = 'import-' || left(b.body_sha256, 32)
    ORDER BY b.id, m.created_at DESC, m.id DESC) owner
  WHERE i.batch_id = owner.batch_id AND c.id = i.conversation_id;

-- What was typed after a withdrawal, and noted after an erasure.
DELETE FROM draft USING assignment s, account a, visitor v
  WHERE draft.assignment_id = s.id AND a.id = s.account_id AND v.id = a.visitor_id AND v.withdrawn_at IS NOT NULL;
UPDATE assignment s SET skip_reason = '' FROM account a, visitor v
  WHERE a.id = s.account_id AND v.id = a.visitor_id AND v.withdrawn_at IS NOT NULL AND s.skip_reason <> '';
DO $$
DECLARE
  person uuid;
BEGIN
  FOR person IN SELECT DISTINCT e.visitor_id FROM erasure e JOIN adjudication a ON a.visitor_id = e.visitor_id
    WHERE a.note <> '' LOOP
    PERFORM erase_withdrawn(person);
  END LOOP;
END $$;

ALTER TABLE message ADD COLUMN wishes text CHECK (octet_length(wishes) <= 200);
ALTER TABLE regeneration ADD COLUMN wishes text CHECK (octet_length(wishes) <= 200);
COMMENT ON COLUMN message.wishes IS 'What its request asked for beside the text, as the key must ask again: how many answers, how paired, after which attempt; NULL: unknown';
COMMENT ON COLUMN regeneration.wishes IS 'How many answers its request asked for, as the key must ask again; NULL: unknown';
