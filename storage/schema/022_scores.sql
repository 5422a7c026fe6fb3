-- Marks of answers keep what was asked and on what scale, so that several questions about one answer stand beside each
-- other, and a file that is read again on another scale corrects its marks.

ALTER TABLE answer_score
  ADD COLUMN question text NOT NULL DEFAULT '' CHECK (octet_length(question) <= 200),
  ADD COLUMN scale double precision CHECK (scale > 1 AND scale <= 1000);
COMMENT ON COLUMN answer_score.question IS 'As the tool names it (helpfulness, toxicity); empty where it asks one, and of marks of before';
COMMENT ON COLUMN answer_score.scale IS 'Best mark of the scale on which the file was read, the worst is 1; NULL: the file itself gives 0..1, or a thumb. Of marks of one person, answer and question that were read on different scales those of the newest scale stand';
