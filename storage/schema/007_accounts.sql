-- Organisations' rooms, and who may do what in them. Public visitors belong to the public workspace.

CREATE TABLE workspace (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT workspace_name_key UNIQUE (name)
);
INSERT INTO workspace (id, name) VALUES ('00000000-0000-7000-8000-000000000001', 'public');

CREATE TABLE account (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  annotator_id uuid NOT NULL REFERENCES annotator,
  visitor_id uuid REFERENCES visitor,
  password_hash text NOT NULL DEFAULT '',
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT account_name_key UNIQUE (name)
);
COMMENT ON COLUMN account.name IS 'Sign-in name, a pseudonym: never an e-mail';
COMMENT ON COLUMN account.visitor_id IS 'The consent under which this person writes and judges; NULL: none given yet';

CREATE TABLE membership (
  workspace_id uuid NOT NULL REFERENCES workspace,
  account_id uuid NOT NULL REFERENCES account,
  role text NOT NULL CHECK (role IN ('annotator', 'reviewer', 'engineer', 'admin', 'auditor')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (workspace_id, account_id)
);
CREATE INDEX membership_account ON membership (account_id);

ALTER TABLE visitor ADD COLUMN workspace_id uuid NOT NULL DEFAULT '00000000-0000-7000-8000-000000000001' REFERENCES workspace;
ALTER TABLE conversation ADD COLUMN workspace_id uuid NOT NULL DEFAULT '00000000-0000-7000-8000-000000000001' REFERENCES workspace;
