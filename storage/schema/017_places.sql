-- A place in a workspace may be for one project. Who has such a place works there only: the first fence is in the
-- queries, the second one here. Engineers, admins and auditors act on the whole workspace, so theirs is never for one.

-- They never were held to it in what they could make, import or export: their places keep what they were.
UPDATE membership SET project_id = NULL WHERE role NOT IN ('annotator', 'reviewer');
UPDATE invite SET revoked_at = now()
  WHERE project_id IS NOT NULL AND role NOT IN ('annotator', 'reviewer') AND revoked_at IS NULL;

ALTER TABLE membership ADD CONSTRAINT membership_project_role
  CHECK (project_id IS NULL OR role IN ('annotator', 'reviewer'));
ALTER TABLE invite ADD CONSTRAINT invite_project_role
  CHECK (project_id IS NULL OR role IN ('annotator', 'reviewer') OR revoked_at IS NOT NULL);

-- Of the same workspace. Not asked of rows that were there before: a place for a project that never was opens nothing.
ALTER TABLE project ADD CONSTRAINT project_in_workspace UNIQUE (workspace_id, id);
DROP INDEX project_workspace;  -- the same columns
ALTER TABLE membership ADD CONSTRAINT membership_project
  FOREIGN KEY (workspace_id, project_id) REFERENCES project (workspace_id, id) NOT VALID;
ALTER TABLE invite ADD CONSTRAINT invite_project
  FOREIGN KEY (workspace_id, project_id) REFERENCES project (workspace_id, id) NOT VALID;
CREATE INDEX membership_of_project ON membership (project_id) WHERE project_id IS NOT NULL;
CREATE INDEX invite_of_project ON invite (project_id) WHERE project_id IS NOT NULL;

CREATE FUNCTION in_project(row_project uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE RETURN
  coalesce(current_setting('app.project', true), '') IN ('', row_project::text);
COMMENT ON FUNCTION in_project(uuid) IS 'Whether this transaction may see such a row: SET LOCAL app.project; unset: every project';
CREATE POLICY in_project ON project AS RESTRICTIVE USING (in_project(id));

DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'afina_web') THEN
    GRANT UPDATE (project_id) ON membership TO afina_web;
  END IF;
END $$;
