--! version: 0.1.0
--! name: foundation
--! description: Schemas, group roles, enum types and the helper functions that every later migration uses
--! type: schema
--! depends_on: -
--! breaking: true

--! up
CREATE SCHEMA agents;
CREATE SCHEMA conversations;
CREATE SCHEMA security;
CREATE SCHEMA tx;
CREATE SCHEMA types;

-- Group roles belong to the cluster, not to this database: they may exist already, and `down` leaves them.
-- Several databases of one cluster may be migrated at the same moment, so a lost race is not an error.
DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['application_user', 'agent_user', 'admin_user', 'readonly_user', 'maintenance_user'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END;
    END IF;
    IF NOT pg_has_role(current_user, role_name, 'MEMBER') THEN
      BEGIN
        EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
      EXCEPTION WHEN unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

GRANT USAGE ON SCHEMA agents, conversations, security, tx, types
  TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- The tenant of the current transaction; NULL (which equals nothing) when none is set, so that every
-- policy built on it fails closed.
CREATE FUNCTION security.current_tenant() RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.tenant_id', true), '');

CREATE FUNCTION security.current_actor() RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.actor', true), '');

-- Puts a table of user data behind row-level security and gives the group roles their rights.
-- The table must have a column tenant_id.
CREATE FUNCTION security.protect(target regclass) RETURNS void
  LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id SET NOT NULL', target);
  EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id SET DEFAULT security.current_tenant()', target);
  EXECUTE format('ALTER TABLE %s ADD CHECK (tenant_id <> '''')', target);
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  EXECUTE format(
    'CREATE POLICY tenant_isolation ON %s TO application_user, agent_user, admin_user, readonly_user '
    'USING (tenant_id = security.current_tenant()) WITH CHECK (tenant_id = security.current_tenant())', target);
  EXECUTE format('CREATE POLICY maintenance ON %s TO maintenance_user USING (true) WITH CHECK (true)', target);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO application_user, agent_user, admin_user, maintenance_user', target);
  EXECUTE format('GRANT SELECT ON %s TO readonly_user', target);
END $$;

-- BEFORE UPDATE trigger of every table that has the column updated_at, and only of those.
CREATE FUNCTION public.set_updated_at() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $$;

--! down
DROP FUNCTION public.set_updated_at();
DROP SCHEMA types, tx, security, conversations, agents CASCADE;
