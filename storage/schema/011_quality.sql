-- Estimates about annotators and models, as they were published. Estimates are never changed: a newer one follows.

CREATE TABLE reliability_estimate (
  id uuid PRIMARY KEY,
  workspace_id uuid REFERENCES workspace,
  model text NOT NULL CHECK (model IN ('dawid_skene', 'mace', 'noisy_bradley_terry')),
  purpose text NOT NULL CHECK (octet_length(purpose) BETWEEN 1 AND 200),
  votes bigint NOT NULL CHECK (votes >= 0),
  pairs bigint NOT NULL CHECK (pairs >= 0),
  settings jsonb NOT NULL CHECK (octet_length(settings::text) <= 8192),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE reliability_estimate IS 'One fit over many annotators at once';
COMMENT ON COLUMN reliability_estimate.workspace_id IS 'Whose votes; NULL: of every workspace, as training snapshots use them';
COMMENT ON COLUMN reliability_estimate.purpose IS 'What asked for it: snapshot:ID, project:ID or report';

CREATE TABLE annotator_reliability (
  estimate_id uuid NOT NULL REFERENCES reliability_estimate,
  annotator_id uuid NOT NULL REFERENCES annotator,
  reliability double precision NOT NULL CHECK (reliability BETWEEN 0 AND 1),
  low double precision NOT NULL CHECK (low BETWEEN 0 AND 1),
  high double precision NOT NULL CHECK (high BETWEEN low AND 1),
  weight double precision NOT NULL CHECK (weight BETWEEN 0 AND 1),
  votes bigint NOT NULL CHECK (votes >= 0),
  PRIMARY KEY (estimate_id, annotator_id)
);
CREATE INDEX annotator_reliability_annotator ON annotator_reliability (annotator_id);
COMMENT ON COLUMN annotator_reliability.reliability IS 'Posterior accuracy, with the 95 % interval of its Beta in low and high';
COMMENT ON COLUMN annotator_reliability.weight IS 'r in soft labels: 1 perfect, 0 no better than chance';

CREATE TABLE rating_snapshot (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace,
  model text NOT NULL CHECK (model IN ('bradley_terry', 'davidson', 'rao_kupper')),
  filter jsonb NOT NULL CHECK (octet_length(filter::text) <= 2048),
  votes bigint NOT NULL CHECK (votes >= 0),
  annotators bigint NOT NULL CHECK (annotators >= 0),
  body jsonb NOT NULL CHECK (octet_length(body::text) <= 1048576),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rating_snapshot_newest ON rating_snapshot (workspace_id, created_at DESC, id DESC);
COMMENT ON TABLE rating_snapshot IS 'A leaderboard as it was published: ratings, intervals and the covariance behind them';

CREATE TRIGGER reliability_estimate_append BEFORE UPDATE OR DELETE OR TRUNCATE ON reliability_estimate
  EXECUTE FUNCTION refuse_change();
CREATE TRIGGER annotator_reliability_append BEFORE UPDATE OR DELETE OR TRUNCATE ON annotator_reliability
  EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rating_snapshot_append BEFORE UPDATE OR DELETE OR TRUNCATE ON rating_snapshot EXECUTE FUNCTION refuse_change();

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT ON reliability_estimate, annotator_reliability, rating_snapshot TO afina_web;
    GRANT INSERT ON rating_snapshot TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON reliability_estimate, annotator_reliability, rating_snapshot TO afina_trainer;
    GRANT INSERT ON reliability_estimate, annotator_reliability TO afina_trainer;
  END IF;
END $$;
