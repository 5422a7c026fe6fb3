-- What happened, for webhooks; optional self-descriptions; retention.

CREATE TABLE outbox (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace,
  type text NOT NULL CHECK (octet_length(type) BETWEEN 1 AND 64),
  payload jsonb NOT NULL CHECK (octet_length(payload::text) <= 16384),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE outbox IS 'Written in the transaction of the act itself: an event is there exactly when its act is';
