--! version: 0.39.0
--! name: task_lists
--! description: Lists of an agent's tasks, and of those that did not complete, read what they show
--! type: schema
--! depends_on: 0.38.0
--! breaking: false

--! up
-- Neither has a row for a plain task that completed, which most are: their end costs nothing more.
CREATE INDEX archive_agent ON tasks.archive (assigned_agent_id, task_id) WHERE assigned_agent_id IS NOT NULL;
CREATE INDEX archive_not_completed ON tasks.archive (tenant_id, task_id) WHERE status <> 'completed';

--! down
DROP INDEX tasks.archive_not_completed;
DROP INDEX tasks.archive_agent;
