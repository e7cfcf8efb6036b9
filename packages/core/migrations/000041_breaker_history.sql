--! version: 0.41.0
--! name: breaker_history
--! description: Of each circuit breaker the newest 1,000 changes are kept, and the list of all reads only what it shows
--! type: schema
--! depends_on: 0.36.0
--! breaking: false

--! up
CREATE INDEX breaker_events_newest ON resilience.breaker_events (tenant_id, event_id DESC);

-- A service that is down for months changes its state each minute. The caller of a move has locked the breaker.
CREATE FUNCTION resilience.trim_breaker_events() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM resilience.breaker_events e WHERE e.tenant_id = NEW.tenant_id AND e.service_name = NEW.service_name AND e.event_id <= (
    SELECT o.event_id FROM resilience.breaker_events o WHERE o.tenant_id = NEW.tenant_id AND o.service_name = NEW.service_name ORDER BY o.event_id DESC OFFSET 1000 LIMIT 1);
  RETURN NULL;
END $$;
CREATE TRIGGER trim_breaker_events AFTER INSERT ON resilience.breaker_events FOR EACH ROW EXECUTE FUNCTION resilience.trim_breaker_events();

--! down
DROP TRIGGER trim_breaker_events ON resilience.breaker_events;
DROP FUNCTION resilience.trim_breaker_events();
DROP INDEX resilience.breaker_events_newest;
