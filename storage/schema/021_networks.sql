-- One network that makes many visitors must not weigh as many people: of each stranger a keyed hash of the network they
-- came from, never the address. Who serves people holds the key and writes, and cannot read what was written; who makes
-- snapshots reads the hashes and has no key to turn them back with.

CREATE TABLE installation_secret (
  name text PRIMARY KEY CHECK (name ~ '^[a-z_]{1,40}$'),
  secret text NOT NULL CHECK (secret ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE installation_secret IS 'Keys of this installation, each made when it is first needed and never changed';
CREATE TRIGGER installation_secret_append BEFORE UPDATE OR DELETE OR TRUNCATE ON installation_secret
  EXECUTE FUNCTION refuse_change();

CREATE TABLE visitor_network (
  visitor_id uuid PRIMARY KEY REFERENCES visitor,
  network text NOT NULL CHECK (network ~ '^[0-9a-f]{16}$')
);
COMMENT ON TABLE visitor_network IS 'Where a visitor without an account came from; deleted when they withdraw';
COMMENT ON COLUMN visitor_network.network IS 'First 8 bytes of HMAC-SHA-256(installation_secret "network", IPv4 /24 or IPv6 /48)';

CREATE FUNCTION forget_network() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM visitor_network WHERE visitor_id = NEW.id;
  RETURN NEW;
END $$;
CREATE TRIGGER visitor_forget_network AFTER UPDATE OF withdrawn_at ON visitor FOR EACH ROW
  WHEN (OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL) EXECUTE FUNCTION forget_network();

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT SELECT, INSERT ON installation_secret TO afina_web;
    GRANT INSERT ON visitor_network TO afina_web;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
    GRANT SELECT ON visitor_network TO afina_trainer;
  END IF;
END $$;
