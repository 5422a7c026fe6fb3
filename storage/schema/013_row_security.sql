-- The second fence around workspaces; the first is WHERE workspace_id = … in every query. Rows of a workspace are seen
-- and written only by transactions that named it (SET LOCAL app.workspace). Owners and superusers pass: whoever
-- migrates, the workbench on one's own cluster, pg_dump. The trainer reads all.

DO $$
DECLARE
  named text;
BEGIN
  -- What is asked before the workspace is known stays open: sessions, tokens, invitations, members, visitors. The audit
  -- chain is one for all.
  FOR named IN
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname = 'workspace_id' AND NOT a.attisdropped
      AND c.relname NOT IN ('workspace', 'membership', 'invite', 'account_session', 'api_token', 'visitor', 'audit_event')
    ORDER BY c.relname
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', named);
    EXECUTE format('CREATE POLICY in_workspace ON %I USING (in_workspace(workspace_id))', named);
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_trainer') THEN
      EXECUTE format('CREATE POLICY trainer_reads ON %I FOR SELECT TO afina_trainer USING (true)', named);
    END IF;
  END LOOP;

  -- A view would look with its owner's eyes.
  IF current_setting('server_version_num')::integer >= 150000 THEN
    FOR named IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v' LOOP
      EXECUTE format('ALTER VIEW %I SET (security_invoker = true)', named);
    END LOOP;
  END IF;
END $$;
