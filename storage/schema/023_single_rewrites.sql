-- A rewrite may be of one answer that stands in no pair: it comes with a note in the chat, or with a task whose item has
-- one answer. It is there beside the act that brought it, so that it trains as those of pairs do.

ALTER TABLE rewrite ALTER COLUMN exposure_id DROP NOT NULL, ALTER COLUMN pair_id DROP NOT NULL,
  ADD COLUMN generation_id uuid REFERENCES generation,
  ADD CONSTRAINT rewrite_of_pair_or_answer
    CHECK ((exposure_id IS NULL) = (pair_id IS NULL) AND (exposure_id IS NULL) = (generation_id IS NOT NULL)),
  ADD FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id);
CREATE INDEX rewrite_generation ON rewrite (generation_id, visitor_id) WHERE generation_id IS NOT NULL;
COMMENT ON TABLE rewrite IS 'An answer somebody wrote that is better than those it was shown beside; of an exposure, and of one person and answer, the newest stands';
COMMENT ON COLUMN rewrite.generation_id IS 'The answer it is better than, where that stands in no pair';
COMMENT ON COLUMN rewrite.act_id IS 'The vote, note or submission it came with and falls with; NULL: it stands by itself';

-- What was written before. Nothing that was erased.
INSERT INTO rewrite (id, generation_id, visitor_id, annotator_id, text, sha256, idempotency_key, source, created_at, act_id)
  SELECT gen_random_uuid(), n.generation_id, n.visitor_id, n.annotator_id, n.rewrite,
    encode(sha256(convert_to(n.rewrite, 'UTF8')), 'hex'), n.id::text, n.source, n.created_at, n.id
  FROM answer_note n WHERE n.rewrite <> '';
INSERT INTO rewrite (id, generation_id, visitor_id, annotator_id, text, sha256, idempotency_key, source, created_at, act_id)
  SELECT gen_random_uuid(), a.generation_id, s.visitor_id, s.annotator_id, s.rewrite,
    encode(sha256(convert_to(s.rewrite, 'UTF8')), 'hex'), s.id::text, s.source, s.created_at, s.id
  FROM submission s JOIN item_answer a ON a.item_id = s.item_id
  WHERE s.rewrite <> '' AND s.rewrite_id IS NULL AND s.phase = 'work'
    AND NOT EXISTS (SELECT FROM item_answer other WHERE other.item_id = s.item_id AND other.position <> a.position);

ALTER TABLE snapshot_member DROP CONSTRAINT snapshot_member_rewrite_has_pair;
COMMENT ON COLUMN snapshot_member.pair_id IS 'NULL: two answers of a ranking, which were shown together with others, or a rewrite of one answer';

-- Rewrites of one answer that count: of the newest note of their writer, of nobody who withdrew.
CREATE VIEW standing_single_rewrite AS
  SELECT DISTINCT ON (r.generation_id, r.visitor_id) r.* FROM rewrite r JOIN visitor v ON v.id = r.visitor_id
  JOIN generation g ON g.id = r.generation_id JOIN conversation c ON c.id = g.conversation_id
  WHERE v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL AND r.text <> ''
    AND NOT EXISTS (SELECT FROM answer_note later WHERE later.supersedes_id = r.act_id)
  ORDER BY r.generation_id, r.visitor_id, r.created_at DESC, r.id DESC;
COMMENT ON VIEW standing_single_rewrite IS 'Of each person and answer that stands in no pair the newest rewrite that counts';

DO $$
BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    ALTER VIEW standing_single_rewrite SET (security_invoker = true);
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT ON standing_single_rewrite TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON standing_single_rewrite TO afina_trainer;
  END IF;
END $$;
