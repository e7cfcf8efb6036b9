--! version: 0.31.0
--! name: collaboration_triggers
--! description: Partnerships whose automatic triggers open requests are found without reading the others
--! type: schema
--! depends_on: 0.29.0
--! breaking: false

--! up
-- Asked every two seconds. The counts of a partnership, which change often, are not in it.
CREATE INDEX partnerships_opening ON collaboration.partnerships (partnership_id) WHERE is_active AND auto_trigger_conditions ->> 'action' = 'open';

--! down
DROP INDEX collaboration.partnerships_opening;
