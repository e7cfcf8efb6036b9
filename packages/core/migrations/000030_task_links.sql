--! version: 0.30.0
--! name: task_links
--! description: What a waiting task refers to is checked only when it refers to something
--! type: schema
--! depends_on: 0.29.0
--! breaking: false

--! up
-- A foreign key queues an event for every row, also for one that refers to nothing: four of them were a quarter of the cost of a bulk
-- insert and a tenth of a claim. Triggers with a condition cost nothing for such rows and keep the same promise: what is referred to
-- exists, what is deleted is set to NULL.
ALTER TABLE tasks.queue
  DROP CONSTRAINT queue_tenant_id_assigned_agent_id_fkey,
  DROP CONSTRAINT queue_tenant_id_created_by_agent_id_fkey,
  DROP CONSTRAINT queue_compression_request,
  DROP CONSTRAINT queue_algorithm;

-- The lock is that of a foreign key: a deletion waits for the task to be committed and then finds it, or the task waits for the deletion and then finds nothing.
CREATE FUNCTION tasks.check_links() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  missing text;
BEGIN
  IF NEW.assigned_agent_id IS NOT NULL THEN
    PERFORM FROM agents.registry r WHERE r.tenant_id = NEW.tenant_id AND r.agent_id = NEW.assigned_agent_id FOR KEY SHARE;
    IF NOT FOUND THEN missing := 'assigned_agent_id'; END IF;
  END IF;
  IF NEW.created_by_agent_id IS NOT NULL AND NEW.created_by_agent_id IS DISTINCT FROM NEW.assigned_agent_id THEN
    PERFORM FROM agents.registry r WHERE r.tenant_id = NEW.tenant_id AND r.agent_id = NEW.created_by_agent_id FOR KEY SHARE;
    IF NOT FOUND THEN missing := 'created_by_agent_id'; END IF;
  END IF;
  IF NEW.compression_request_id IS NOT NULL THEN
    PERFORM FROM compression.requests r WHERE r.tenant_id = NEW.tenant_id AND r.request_id = NEW.compression_request_id FOR KEY SHARE;
    IF NOT FOUND THEN missing := 'compression_request_id'; END IF;
  END IF;
  IF NEW.algorithm_id IS NOT NULL THEN
    PERFORM FROM compression.algorithms a WHERE a.tenant_id = NEW.tenant_id AND a.algorithm_id = NEW.algorithm_id FOR KEY SHARE;
    IF NOT FOUND THEN missing := 'algorithm_id'; END IF;
  END IF;
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'insert or update on table "queue" violates foreign key constraint "queue_%"', missing USING
      ERRCODE = 'foreign_key_violation', SCHEMA = 'tasks', TABLE = 'queue', COLUMN = missing, CONSTRAINT = 'queue_' || missing,
      DETAIL = format('What %s of task %s refers to does not exist in tenant %s.', missing, NEW.task_id, NEW.tenant_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER check_links AFTER INSERT ON tasks.queue FOR EACH ROW
  WHEN (NEW.assigned_agent_id IS NOT NULL OR NEW.created_by_agent_id IS NOT NULL OR NEW.compression_request_id IS NOT NULL OR NEW.algorithm_id IS NOT NULL)
  EXECUTE FUNCTION tasks.check_links();
CREATE TRIGGER check_changed_links AFTER UPDATE OF tenant_id, assigned_agent_id, created_by_agent_id, compression_request_id, algorithm_id ON tasks.queue FOR EACH ROW
  WHEN (NEW.assigned_agent_id IS NOT NULL OR NEW.created_by_agent_id IS NOT NULL OR NEW.compression_request_id IS NOT NULL OR NEW.algorithm_id IS NOT NULL)
  EXECUTE FUNCTION tasks.check_links();

-- Its argument says which table it stands on. A snapshot that was taken before the deletion waited would not show the tasks it must unlink.
CREATE FUNCTION tasks.unlink() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    RAISE EXCEPTION 'The key of %.% does not change: tasks may refer to it.', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
  END IF;
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    RAISE EXCEPTION 'Rows of %.% that tasks may refer to are deleted in READ COMMITTED, not in %.', TG_TABLE_SCHEMA, TG_TABLE_NAME, upper(current_setting('transaction_isolation'))
      USING ERRCODE = 'feature_not_supported', HINT = 'Delete in a transaction of its own with the isolation READ COMMITTED.';
  END IF;
  CASE TG_ARGV[0]
    WHEN 'agent' THEN
      -- Both at once: the check of one would miss the agent in the other.
      UPDATE tasks.queue q SET assigned_agent_id = nullif(q.assigned_agent_id, OLD.agent_id), created_by_agent_id = nullif(q.created_by_agent_id, OLD.agent_id)
      WHERE q.tenant_id = OLD.tenant_id AND (q.assigned_agent_id = OLD.agent_id OR q.created_by_agent_id = OLD.agent_id);
    WHEN 'request' THEN
      UPDATE tasks.queue q SET compression_request_id = NULL WHERE q.tenant_id = OLD.tenant_id AND q.compression_request_id = OLD.request_id;
    WHEN 'algorithm' THEN
      UPDATE tasks.queue q SET algorithm_id = NULL WHERE q.tenant_id = OLD.tenant_id AND q.algorithm_id = OLD.algorithm_id;
  END CASE;
  RETURN NULL;
END $$;
CREATE TRIGGER unlink_tasks AFTER DELETE ON agents.registry FOR EACH ROW EXECUTE FUNCTION tasks.unlink('agent');
CREATE TRIGGER unlink_tasks AFTER DELETE ON compression.requests FOR EACH ROW EXECUTE FUNCTION tasks.unlink('request');
CREATE TRIGGER unlink_tasks AFTER DELETE ON compression.algorithms FOR EACH ROW EXECUTE FUNCTION tasks.unlink('algorithm');
CREATE TRIGGER keep_key AFTER UPDATE OF tenant_id, agent_id ON agents.registry FOR EACH ROW
  WHEN ((OLD.tenant_id, OLD.agent_id) IS DISTINCT FROM (NEW.tenant_id, NEW.agent_id)) EXECUTE FUNCTION tasks.unlink();
CREATE TRIGGER keep_key AFTER UPDATE OF tenant_id, request_id ON compression.requests FOR EACH ROW
  WHEN ((OLD.tenant_id, OLD.request_id) IS DISTINCT FROM (NEW.tenant_id, NEW.request_id)) EXECUTE FUNCTION tasks.unlink();
CREATE TRIGGER keep_key AFTER UPDATE OF tenant_id, algorithm_id ON compression.algorithms FOR EACH ROW
  WHEN ((OLD.tenant_id, OLD.algorithm_id) IS DISTINCT FROM (NEW.tenant_id, NEW.algorithm_id)) EXECUTE FUNCTION tasks.unlink();

--! down
DROP TRIGGER keep_key ON compression.algorithms;
DROP TRIGGER keep_key ON compression.requests;
DROP TRIGGER keep_key ON agents.registry;
DROP TRIGGER unlink_tasks ON compression.algorithms;
DROP TRIGGER unlink_tasks ON compression.requests;
DROP TRIGGER unlink_tasks ON agents.registry;
DROP TRIGGER check_changed_links ON tasks.queue;
DROP TRIGGER check_links ON tasks.queue;
DROP FUNCTION tasks.unlink(), tasks.check_links();
ALTER TABLE tasks.queue
  ADD FOREIGN KEY (tenant_id, assigned_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (assigned_agent_id),
  ADD FOREIGN KEY (tenant_id, created_by_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (created_by_agent_id),
  ADD CONSTRAINT queue_compression_request FOREIGN KEY (tenant_id, compression_request_id)
    REFERENCES compression.requests (tenant_id, request_id) ON DELETE SET NULL (compression_request_id),
  ADD CONSTRAINT queue_algorithm FOREIGN KEY (tenant_id, algorithm_id)
    REFERENCES compression.algorithms (tenant_id, algorithm_id) ON DELETE SET NULL (algorithm_id);
