-- How the answers stood before a person, as their page measured it when both were whole: beside each other, or one below
-- the other as on a phone, where "left" is above. It comes with the act, so that a vote that waited for the network
-- brings it too. Absent where no page told: programs, imports, votes of before.

ALTER TABLE preference
  ADD COLUMN shown_layout text CHECK (shown_layout IN ('side_by_side', 'stacked')),
  ADD COLUMN shown_width_px integer CHECK (shown_width_px BETWEEN 1 AND 20000),
  ADD COLUMN shown_height_px integer CHECK (shown_height_px BETWEEN 1 AND 20000),
  ADD CONSTRAINT preference_shown CHECK ((shown_width_px IS NULL) = (shown_height_px IS NULL)
    AND (shown_layout IS NOT NULL OR shown_width_px IS NULL));
ALTER TABLE submission
  ADD COLUMN shown_layout text CHECK (shown_layout IN ('side_by_side', 'stacked')),
  ADD COLUMN shown_width_px integer CHECK (shown_width_px BETWEEN 1 AND 20000),
  ADD COLUMN shown_height_px integer CHECK (shown_height_px BETWEEN 1 AND 20000),
  ADD CONSTRAINT submission_shown CHECK ((shown_width_px IS NULL) = (shown_height_px IS NULL)
    AND (shown_layout IS NOT NULL OR shown_width_px IS NULL));
COMMENT ON COLUMN preference.shown_layout IS 'stacked: what exposure.a_on_left calls left stood above; NULL: unknown';
COMMENT ON COLUMN preference.shown_width_px IS 'Of the window''s inside, CSS pixels; gone when the person is erased';
COMMENT ON COLUMN submission.shown_layout IS 'side_by_side: at least two on one line; NULL: unknown, or one answer alone';
COMMENT ON COLUMN submission.shown_width_px IS 'Of the window''s inside, CSS pixels; gone when the person is erased';

-- A window's size is near to a device's name: erasing takes it along, and leaves the layout like the grade. What is
-- hashed stays the words, as in the tombstones there are.
ALTER TABLE erasable DISABLE TRIGGER erasable_append;
UPDATE erasable SET said = format('(%s) OR shown_width_px IS NOT NULL', said),
  columns = columns || '{shown_width_px,shown_height_px}',
  blank = blank || ', shown_width_px = NULL, shown_height_px = NULL'
  WHERE object_kind IN ('preference', 'submission');
ALTER TABLE erasable ENABLE TRIGGER erasable_append;

-- A view keeps the columns it was made with, and replacing it takes its options away.
CREATE OR REPLACE VIEW standing_preference AS
  SELECT p.* FROM preference p
  JOIN visitor v ON v.id = p.visitor_id
  JOIN pair ON pair.id = p.pair_id
  JOIN conversation c ON c.id = pair.conversation_id
  WHERE p.outcome <> 'retracted' AND v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL
    AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = p.id);
DO $$ BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    ALTER VIEW standing_preference SET (security_invoker = true);
  END IF;
END $$;
