--! version: 0.14.0
--! name: leaders
--! description: Who leads a task that one process at a time may do (relay, schedules, upkeep)
--! type: schema
--! depends_on: 0.5.0
--! breaking: false

--! up
-- One row a duty, never many, updated every few seconds. `term` grows each time the duty changes hands or its lease
-- had run out, so that what an earlier leader still does can be told from what the present one does.
CREATE TABLE tx.leaders (
  duty text PRIMARY KEY,
  holder uuid NOT NULL,
  term bigint NOT NULL CHECK (term >= 1),
  lease_until timestamptz NOT NULL,
  acquired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT non_empty_duty CHECK (duty <> '')
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON tx.leaders TO maintenance_user;

--! down
DROP TABLE tx.leaders;
