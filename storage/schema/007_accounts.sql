-- Organisations' rooms, who may do what in them, and what they sign in with. Public visitors belong to the public
-- workspace. Secrets are stored as hashes only. Row-level security, the second fence, is switched on in 013.

CREATE TABLE workspace (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT workspace_name_key UNIQUE (name)
);
INSERT INTO workspace (id, name) VALUES ('00000000-0000-7000-8000-000000000001', 'public');

-- Parallel safe: the setting travels to the workers.
CREATE FUNCTION current_workspace() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE RETURN
  nullif(nullif(current_setting('app.workspace', true), ''), '*')::uuid;
COMMENT ON FUNCTION current_workspace() IS 'Of this transaction (SET LOCAL app.workspace); NULL: none, or all of them (*)';
CREATE FUNCTION in_workspace(row_workspace uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE RETURN
  coalesce(current_setting('app.workspace', true), '') IN ('*', row_workspace::text);
COMMENT ON FUNCTION in_workspace(uuid) IS 'Whether this transaction may see such a row: the one rule of all row policies';

CREATE TABLE account (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  annotator_id uuid NOT NULL REFERENCES annotator,
  visitor_id uuid REFERENCES visitor,
  password_hash text NOT NULL DEFAULT '' CHECK (octet_length(password_hash) <= 200),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT account_name_key UNIQUE (name),
  CONSTRAINT account_annotator_key UNIQUE (annotator_id),
  FOREIGN KEY (visitor_id, annotator_id) REFERENCES visitor (id, annotator_id)
);
COMMENT ON COLUMN account.name IS 'Sign-in name, a pseudonym: never an e-mail';
COMMENT ON COLUMN account.visitor_id IS 'The consent under which this person writes and judges; NULL: none given yet';
COMMENT ON COLUMN account.password_hash IS 'argon2id with its salt and costs; empty: nobody can sign in';
CREATE INDEX account_visitor ON account (visitor_id) WHERE visitor_id IS NOT NULL;

CREATE TABLE membership (
  workspace_id uuid NOT NULL REFERENCES workspace,
  account_id uuid NOT NULL REFERENCES account,
  role text NOT NULL CHECK (role IN ('annotator', 'reviewer', 'engineer', 'admin', 'auditor')),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
  project_id uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (workspace_id, account_id)
);
CREATE INDEX membership_account ON membership (account_id);
COMMENT ON COLUMN membership.status IS 'An admin closes the door of their own workspace only';
COMMENT ON COLUMN membership.project_id IS 'The project the invitation was for; NULL: every project';

CREATE TABLE invite (
  id uuid PRIMARY KEY,
  token_sha256 text NOT NULL CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
  workspace_id uuid NOT NULL REFERENCES workspace,
  role text NOT NULL CHECK (role IN ('annotator', 'reviewer', 'engineer', 'admin', 'auditor')),
  project_id uuid,
  name text NOT NULL DEFAULT '' CHECK (octet_length(name) <= 200),
  note text NOT NULL DEFAULT '' CHECK (octet_length(note) <= 500),
  max_uses integer NOT NULL DEFAULT 1 CHECK (max_uses BETWEEN 1 AND 1000),
  uses integer NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND max_uses),
  created_by uuid REFERENCES account,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '72 hours',
  revoked_at timestamptz,
  CONSTRAINT invite_token_key UNIQUE (token_sha256)
);
CREATE INDEX invite_workspace ON invite (workspace_id, id);
CREATE INDEX invite_created_by ON invite (created_by);
COMMENT ON COLUMN invite.name IS 'Where not empty only this sign-in name may join';

CREATE TABLE account_session (
  id uuid PRIMARY KEY,
  token_sha256 text NOT NULL CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
  csrf_token text NOT NULL CHECK (csrf_token ~ '^[0-9a-f]{64}$'),
  account_id uuid NOT NULL REFERENCES account,
  workspace_id uuid NOT NULL REFERENCES workspace,
  idle interval NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  CONSTRAINT account_session_token_key UNIQUE (token_sha256)
);
CREATE INDEX account_session_account ON account_session (account_id, created_at);
CREATE INDEX account_session_workspace ON account_session (workspace_id);
COMMENT ON COLUMN account_session.csrf_token IS 'Sent back in a header by the page: what another site cannot do';

CREATE TABLE api_token (
  id uuid PRIMARY KEY,
  secret_sha256 text NOT NULL CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
  account_id uuid NOT NULL REFERENCES account,
  workspace_id uuid NOT NULL REFERENCES workspace,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  scopes text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 8 AND
    scopes <@ ARRAY['chat', 'judge', 'tasks', 'review', 'read', 'data', 'admin', 'proxy']),
  rate_class text NOT NULL DEFAULT 'normal' CHECK (rate_class IN ('normal', 'bulk')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX api_token_account ON api_token (account_id);
CREATE INDEX api_token_workspace ON api_token (workspace_id, id);
COMMENT ON TABLE api_token IS 'afina_<id>_<secret>: looked up by id, the secret compared in constant time';
COMMENT ON COLUMN api_token.rate_class IS 'bulk: ten times the acts a minute of a person';

ALTER TABLE visitor ADD COLUMN workspace_id uuid NOT NULL
  DEFAULT coalesce(current_workspace(), '00000000-0000-7000-8000-000000000001') REFERENCES workspace;
ALTER TABLE conversation ADD COLUMN workspace_id uuid NOT NULL
  DEFAULT coalesce(current_workspace(), '00000000-0000-7000-8000-000000000001') REFERENCES workspace;
CREATE INDEX conversation_workspace ON conversation (workspace_id, id);
ALTER TABLE audit_event ADD COLUMN workspace_id uuid REFERENCES workspace;
CREATE INDEX audit_event_workspace ON audit_event (workspace_id, number);
COMMENT ON COLUMN audit_event.workspace_id IS 'As the row itself says: whose admins may read it; NULL: the operator''s only';

DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT ON workspace, account, membership, invite, account_session, api_token TO afina_web;
    GRANT INSERT ON account, membership, invite, account_session, api_token TO afina_web;
    GRANT UPDATE (visitor_id, password_hash) ON account TO afina_web;
    GRANT UPDATE (role, status) ON membership TO afina_web;
    GRANT UPDATE (uses, revoked_at) ON invite TO afina_web;
    GRANT UPDATE (last_used_at, ended_at) ON account_session TO afina_web;
    GRANT DELETE ON account_session TO afina_web;
    GRANT UPDATE (last_used_at, revoked_at) ON api_token TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON workspace, membership TO afina_trainer;
  END IF;
END $$;
