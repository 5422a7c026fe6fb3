-- Every kind of run that the trainer knows, and the share of judgements of a pair that called both answers equal.

ALTER TABLE run DROP CONSTRAINT run_kind_check;
ALTER TABLE run ADD CONSTRAINT run_kind_check CHECK (kind IN ('sft', 'dpo', 'kto', 'cpo', 'orpo', 'bco', 'reward'));

ALTER TABLE snapshot_member ADD COLUMN tie double precision NOT NULL DEFAULT 0 CHECK (tie BETWEEN 0 AND 1);
ALTER TABLE snapshot_member ADD CONSTRAINT snapshot_member_tie_within_q CHECK (tie <= 2 * (1 - soft_label) + 1e-9);
COMMENT ON COLUMN snapshot_member.tie IS 'Share of judgements that called both equal; part of q: win = q - tie/2';
