--! version: 0.8.0
--! name: histories
--! description: Histories: the ordered items of a session, one row each, with the operations that changed them
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
CREATE SCHEMA histories;
GRANT USAGE ON SCHEMA histories TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- Every change of the items adds one to `revision` under this row's lock, so that who finds the revision it has read
-- knows that the items are those it has read. `last_seq` only grows: a position is never used twice.
-- Nothing that a change writes here is in an index: it stays a HOT update.
CREATE TABLE histories.histories (
  tenant_id text NOT NULL,
  history_id uuid PRIMARY KEY,
  namespace varchar(255) NOT NULL DEFAULT '',
  history_key varchar(255) NOT NULL,
  revision bigint NOT NULL DEFAULT 1 CHECK (revision >= 1),
  last_seq bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
  item_count bigint NOT NULL DEFAULT 0 CHECK (item_count >= 0),
  ttl_ms bigint CHECK (ttl_ms > 0),
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, history_id),
  UNIQUE (tenant_id, namespace, history_key),
  CONSTRAINT non_empty_key CHECK (history_key <> ''),
  CONSTRAINT ttl_has_end CHECK ((ttl_ms IS NULL) = (expires_at IS NULL))
) WITH (fillfactor = 70);
CREATE TRIGGER update_histories_timestamp BEFORE UPDATE ON histories.histories
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('histories.histories');

-- json, not jsonb: it keeps the text as it was written, so that equal items have equal texts, and it holds \u0000,
-- which the output of a tool may contain and jsonb refuses.
CREATE TABLE histories.items (
  tenant_id text NOT NULL,
  history_id uuid NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  added_at timestamptz NOT NULL DEFAULT now(),
  item json NOT NULL,
  PRIMARY KEY (history_id, seq),
  FOREIGN KEY (tenant_id, history_id) REFERENCES histories.histories (tenant_id, history_id) ON DELETE CASCADE
);
SELECT security.protect('histories.items');

-- What was applied already, written with the change itself. `result` is what a repeated call must get again (a popped item).
CREATE TABLE histories.operations (
  tenant_id text NOT NULL,
  history_id uuid NOT NULL,
  operation_id varchar(255) NOT NULL,
  change_digest bytea NOT NULL,
  result json,
  applied_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (history_id, operation_id),
  FOREIGN KEY (tenant_id, history_id) REFERENCES histories.histories (tenant_id, history_id) ON DELETE CASCADE,
  CONSTRAINT non_empty_operation CHECK (operation_id <> '')
);
SELECT security.protect('histories.operations');

--! down
DROP TABLE histories.operations;
DROP TABLE histories.items;
DROP TABLE histories.histories;
DROP SCHEMA histories;
