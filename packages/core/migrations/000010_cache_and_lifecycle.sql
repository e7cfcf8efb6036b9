--! version: 0.10.0
--! name: cache_and_lifecycle
--! description: Knowledge documents behind the data router, and the session data of agents
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
CREATE SCHEMA knowledge;
CREATE SCHEMA sessions;
GRANT USAGE ON SCHEMA knowledge, sessions TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- What agents know, as JSON under a key of the tenant's own. `version` counts up by one with each write.
CREATE TABLE knowledge.documents (
  tenant_id text NOT NULL,
  document_key varchar(255) NOT NULL CHECK (document_key <> ''),
  content jsonb NOT NULL,
  version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, document_key)
);
CREATE INDEX documents_content ON knowledge.documents USING gin (content jsonb_path_ops);
CREATE INDEX documents_page ON knowledge.documents (tenant_id, document_key COLLATE "C");
CREATE TRIGGER set_updated_at BEFORE UPDATE ON knowledge.documents FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('knowledge.documents');

-- One blob an agent (S1 §26): the session that is active, and those that ended.
CREATE TABLE sessions.agent_sessions (
  tenant_id text NOT NULL,
  session_id uuid PRIMARY KEY,
  agent_id uuid NOT NULL,
  session_data jsonb NOT NULL DEFAULT '{}',
  is_active boolean NOT NULL DEFAULT true,
  last_activity_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX agent_sessions_active ON sessions.agent_sessions (tenant_id, agent_id) WHERE is_active;
CREATE INDEX agent_sessions_agent ON sessions.agent_sessions (agent_id);
SELECT security.protect('sessions.agent_sessions');

--! down
DROP SCHEMA sessions CASCADE;
DROP SCHEMA knowledge CASCADE;
