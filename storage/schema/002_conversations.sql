-- What people wrote and what models answered. Texts are never changed: a new answer is a new generation.

CREATE TABLE conversation (
  id uuid PRIMARY KEY,
  visitor_id uuid NOT NULL REFERENCES visitor,
  consent_event_id uuid NOT NULL,
  locale text NOT NULL DEFAULT '' CHECK (octet_length(locale) <= 35),
  mode text NOT NULL CHECK (mode IN ('chat', 'arena')),
  source text NOT NULL CHECK (source IN ('web', 'api', 'demo', 'import')),
  client_key text CHECK (octet_length(client_key) BETWEEN 1 AND 64),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  withdrawn_at timestamptz,
  CONSTRAINT conversation_key UNIQUE (visitor_id, client_key),
  FOREIGN KEY (consent_event_id, visitor_id) REFERENCES consent_event (id, visitor_id)
);
COMMENT ON COLUMN conversation.client_key IS 'Idempotency key of the client that began it';

CREATE TABLE run (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  kind text NOT NULL CHECK (kind IN ('sft', 'dpo')),
  config json NOT NULL,
  config_sha256 text NOT NULL DEFAULT '',
  model text NOT NULL,
  base_sha256 text NOT NULL DEFAULT '',
  snapshot_id uuid,
  data_path text NOT NULL DEFAULT '',
  data_sha256 text NOT NULL DEFAULT '',
  start_adapter_id uuid,
  seed bigint NOT NULL,
  max_steps bigint NOT NULL DEFAULT 0 CHECK (max_steps >= 0),
  out_folder text NOT NULL DEFAULT '',
  state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
  step bigint NOT NULL DEFAULT 0 CHECK (step >= 0),
  attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  host text NOT NULL DEFAULT '',
  version text NOT NULL DEFAULT '',
  error text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  heartbeat_at timestamptz,
  finished_at timestamptz,
  CONSTRAINT run_name_key UNIQUE (name),
  CHECK ((state = 'queued') = (attempt = 0)),
  CHECK ((state IN ('finished', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);
COMMENT ON COLUMN run.config IS 'As the run was given it; order of keys kept';
COMMENT ON COLUMN run.attempt IS 'Rises each time a process takes the run up; holders of older numbers can write nothing';

CREATE TABLE adapter (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
  run_id uuid REFERENCES run,
  path text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  base_model text NOT NULL DEFAULT '',
  base_sha256 text NOT NULL DEFAULT '',
  parent_id uuid REFERENCES adapter,
  r integer NOT NULL CHECK (r > 0),
  lora_alpha double precision NOT NULL,
  target_modules text[] NOT NULL,
  template_sha256 text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT adapter_name_key UNIQUE (name)
);
CREATE INDEX adapter_run ON adapter (run_id);
CREATE INDEX adapter_parent ON adapter (parent_id);
COMMENT ON COLUMN adapter.name IS 'The model name under which it is served';
COMMENT ON COLUMN adapter.sha256 IS 'Of its numbers';
ALTER TABLE run ADD CONSTRAINT run_start_adapter_fkey FOREIGN KEY (start_adapter_id) REFERENCES adapter;

CREATE TABLE generation (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES conversation,
  turn integer NOT NULL CHECK (turn >= 0),
  slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 25),
  attempt smallint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  model text NOT NULL CHECK (octet_length(model) BETWEEN 1 AND 500),
  upstream text NOT NULL DEFAULT '',
  adapter_id uuid REFERENCES adapter,
  base_sha256 text NOT NULL DEFAULT '',
  params jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(params::text) <= 8192),
  seed bigint,
  text text NOT NULL,
  finish_reason text NOT NULL DEFAULT '' CHECK (octet_length(finish_reason) <= 64),
  prompt_tokens bigint CHECK (prompt_tokens >= 0),
  completion_tokens bigint CHECK (completion_tokens >= 0),
  prompt_ids integer[],
  completion_ids integer[],
  template_sha256 text NOT NULL DEFAULT '',
  first_token_ms double precision CHECK (first_token_ms >= 0),
  total_ms double precision CHECK (total_ms >= 0),
  error text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT generation_slot_key UNIQUE (conversation_id, turn, slot, attempt),
  UNIQUE (id, conversation_id, turn)
);
CREATE INDEX generation_adapter ON generation (adapter_id) WHERE adapter_id IS NOT NULL;
COMMENT ON COLUMN generation.turn IS 'The position in the conversation that the answer would take';
COMMENT ON COLUMN generation.slot IS '0 is A, 1 is B';
COMMENT ON COLUMN generation.prompt_ids IS 'The ids the model really read, where the upstream tells them';

CREATE TABLE message (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES conversation,
  turn integer NOT NULL CHECK (turn >= 0),
  role text NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
  content text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  generation_id uuid REFERENCES generation,
  client_key text CHECK (octet_length(client_key) BETWEEN 1 AND 64),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT message_turn_key UNIQUE (conversation_id, turn),
  CONSTRAINT message_client_key UNIQUE (conversation_id, client_key)
);
COMMENT ON COLUMN message.generation_id IS 'Of an assistant message: the answer it repeats';

CREATE TRIGGER message_append BEFORE UPDATE OR DELETE OR TRUNCATE ON message EXECUTE FUNCTION refuse_change();
CREATE TRIGGER generation_append BEFORE UPDATE OR DELETE OR TRUNCATE ON generation EXECUTE FUNCTION refuse_change();
