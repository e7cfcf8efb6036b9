--! version: 0.5.0
--! name: outbox
--! description: The event log in SQL: messages, streams, consumers with their places, deliveries under way, dead letters
--! type: schema
--! depends_on: 0.4.0
--! breaking: true

--! up
-- Streams and the subjects they take. A subject belongs to one stream; `subject_regex` is made from `subjects` when they are set.
CREATE TABLE tx.streams (
  name text PRIMARY KEY,
  subjects text[] NOT NULL,
  subject_regex text NOT NULL,
  max_age_ms bigint NOT NULL DEFAULT 0 CHECK (max_age_ms >= 0),
  max_messages bigint CHECK (max_messages >= 1),
  max_bytes bigint CHECK (max_bytes >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT some_subject CHECK (cardinality(subjects) > 0)
);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON tx.streams FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
GRANT SELECT ON tx.streams TO application_user, agent_user, admin_user, readonly_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON tx.streams TO maintenance_user;

-- The log. Ids are taken before the commit, so their order is not the order in which rows appear: consumers read by
-- (xid, outbox_id) and only below the oldest transaction that still runs, so that a late commit is never passed over.
-- No foreign key to tx.streams: each message would lock the row of its stream.
CREATE TABLE tx.outbox (
  tenant_id text NOT NULL,
  outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  stream text NOT NULL,
  msg_id text NOT NULL,
  subject text NOT NULL,
  payload jsonb NOT NULL,
  headers jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz,
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  last_error text,
  CONSTRAINT one_of_an_id UNIQUE (tenant_id, stream, msg_id)
);
CREATE INDEX outbox_order ON tx.outbox (stream, xid, outbox_id);
SELECT security.protect('tx.outbox');

-- Durable consumers. Everything up to the cursor has been handed out: it is acknowledged, or a row of tx.deliveries.
-- A consumer that wants only what is new keeps the snapshot of its beginning.
CREATE TABLE tx.consumers (
  stream text NOT NULL REFERENCES tx.streams ON DELETE CASCADE,
  name text NOT NULL,
  filter text NOT NULL,
  filter_regex text NOT NULL,
  ack_wait_ms bigint NOT NULL CHECK (ack_wait_ms > 0),
  max_deliver integer NOT NULL CHECK (max_deliver > 0),
  cursor_xid xid8 NOT NULL,
  cursor_id bigint NOT NULL DEFAULT 0,
  since_snapshot pg_snapshot,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (stream, name)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON tx.consumers TO maintenance_user;

-- Messages handed out and not yet acknowledged. `lease_until` is in no index, so that giving a lease is a HOT update.
CREATE TABLE tx.deliveries (
  stream text NOT NULL,
  consumer text NOT NULL,
  outbox_id bigint NOT NULL REFERENCES tx.outbox ON DELETE CASCADE,
  deliveries integer NOT NULL CHECK (deliveries >= 1),
  lease_until timestamptz NOT NULL,
  PRIMARY KEY (stream, consumer, outbox_id),
  FOREIGN KEY (stream, consumer) REFERENCES tx.consumers ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX deliveries_outbox ON tx.deliveries (outbox_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON tx.deliveries TO maintenance_user;

-- Messages given up; they stay when the log is trimmed.
CREATE TABLE tx.dead_letters (
  tenant_id text NOT NULL,
  dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stream text NOT NULL,
  consumer text NOT NULL,
  outbox_id bigint NOT NULL,
  msg_id text NOT NULL,
  subject text NOT NULL,
  payload jsonb NOT NULL,
  headers jsonb NOT NULL DEFAULT '{}',
  deliveries integer NOT NULL,
  message_created_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT one_of_a_message UNIQUE (tenant_id, stream, consumer, outbox_id)
);
CREATE INDEX dead_letters_consumer ON tx.dead_letters (stream, consumer, dead_letter_id);
SELECT security.protect('tx.dead_letters');

--! down
DROP TABLE tx.dead_letters;
DROP TABLE tx.deliveries;
DROP TABLE tx.consumers;
DROP TABLE tx.outbox;
DROP TABLE tx.streams;
