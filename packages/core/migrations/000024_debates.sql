--! version: 0.24.0
--! name: debates
--! description: Debates: participants, rounds, turns, arguments, votes, and what came of them
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

--! up
CREATE SCHEMA debates;
GRANT USAGE ON SCHEMA debates TO application_user, agent_user, admin_user, readonly_user, maintenance_user;
CREATE TYPE types.debate_mode AS ENUM ('structured', 'free', 'adversarial', 'panel');
CREATE TYPE types.debate_status AS ENUM ('initialized', 'active', 'voting', 'completed', 'failed', 'cancelled');
CREATE TYPE types.debate_role AS ENUM ('speaker', 'moderator');
-- pending: not begun; calling: a function was called for it; awaiting: its participant is to submit it from outside.
CREATE TYPE types.debate_turn_status AS ENUM ('pending', 'calling', 'awaiting', 'done', 'skipped');

-- `fence` grows with every process that runs the debate: what an earlier one still writes names an older one and is refused.
-- The lease is in no index, so that renewing it is a HOT update. `algorithm_id` names a compression algorithm.
CREATE TABLE debates.debates (
  tenant_id text NOT NULL,
  debate_id uuid PRIMARY KEY,
  debate_key text NOT NULL CHECK (length(debate_key) BETWEEN 1 AND 255),
  topic text NOT NULL CHECK (topic <> ''),
  problem_statement text,
  debate_mode types.debate_mode NOT NULL DEFAULT 'structured',
  status types.debate_status NOT NULL DEFAULT 'initialized',
  configuration jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(configuration) = 'object'),
  algorithm_id varchar(50),
  consensus_score double precision NOT NULL DEFAULT 0 CHECK (consensus_score BETWEEN 0 AND 1),
  winning_position varchar(100),
  conclusion text,
  total_arguments integer NOT NULL DEFAULT 0 CHECK (total_arguments >= 0),
  total_tokens bigint NOT NULL DEFAULT 0 CHECK (total_tokens >= 0),
  orchestration_failures integer NOT NULL DEFAULT 0 CHECK (orchestration_failures >= 0),
  last_orchestration_error text,
  -- Why no further round was begun.
  end_reason text CHECK (end_reason IN ('rounds', 'consensus', 'silence', 'time', 'tokens')),
  paused_at timestamptz,
  paused_ms bigint NOT NULL DEFAULT 0 CHECK (paused_ms >= 0),
  fence bigint NOT NULL DEFAULT 0 CHECK (fence >= 0),
  lease_owner uuid,
  lease_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  completed_at timestamptz,
  duration_seconds numeric(14, 3) GENERATED ALWAYS AS (round(extract(epoch FROM completed_at - started_at), 3)) STORED,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT debate_key_once UNIQUE (tenant_id, debate_key),
  CONSTRAINT debate_in_tenant UNIQUE (tenant_id, debate_id),
  CONSTRAINT whole_lease CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
  CONSTRAINT ended_has_time CHECK ((completed_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled'))),
  CONSTRAINT ended_without_lease CHECK (completed_at IS NULL OR lease_owner IS NULL),
  CONSTRAINT begun_has_start CHECK (status IN ('initialized', 'cancelled') OR started_at IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX debates_status ON debates.debates (tenant_id, status);
CREATE INDEX debates_mode ON debates.debates (tenant_id, debate_mode);
CREATE INDEX debates_newest ON debates.debates (tenant_id, created_at DESC, debate_id DESC);
CREATE INDEX debates_algorithm ON debates.debates (tenant_id, algorithm_id) WHERE algorithm_id IS NOT NULL;
-- Written once, at the end.
CREATE INDEX debates_consensus ON debates.debates (tenant_id, consensus_score DESC) WHERE status = 'completed';
CREATE TRIGGER set_updated_at BEFORE UPDATE ON debates.debates FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('debates.debates');

-- A debate that is completed or cancelled stays so; one that failed may be taken up again where it stopped.
CREATE FUNCTION debates.check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (NEW.status = ANY (CASE OLD.status
    WHEN 'initialized' THEN ARRAY['active', 'cancelled']
    WHEN 'active' THEN ARRAY['voting', 'failed', 'cancelled']
    WHEN 'voting' THEN ARRAY['completed', 'failed', 'cancelled']
    WHEN 'failed' THEN ARRAY['active', 'voting', 'cancelled']
    ELSE ARRAY[]::text[] END::types.debate_status[]))
  THEN
    RAISE EXCEPTION 'a debate does not go from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation', CONSTRAINT = 'debate_transition';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER check_transition BEFORE UPDATE OF status ON debates.debates
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION debates.check_transition();

CREATE TABLE debates.participants (
  tenant_id text NOT NULL,
  debate_id uuid NOT NULL,
  -- The order of speaking.
  participant_no integer NOT NULL CHECK (participant_no >= 1),
  participant_name text NOT NULL CHECK (length(participant_name) BETWEEN 1 AND 255),
  agent_id uuid,
  role types.debate_role NOT NULL DEFAULT 'speaker',
  position varchar(100) CHECK (position <> ''),
  weight double precision NOT NULL DEFAULT 1 CHECK (weight > 0 AND weight <= 1000000),
  PRIMARY KEY (tenant_id, debate_id, participant_no),
  CONSTRAINT participant_name_once UNIQUE (tenant_id, debate_id, participant_name),
  FOREIGN KEY (tenant_id, debate_id) REFERENCES debates.debates (tenant_id, debate_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (agent_id)
);
CREATE INDEX participants_agent ON debates.participants (tenant_id, agent_id) WHERE agent_id IS NOT NULL;
SELECT security.protect('debates.participants');

CREATE TABLE debates.rounds (
  tenant_id text NOT NULL,
  round_id uuid PRIMARY KEY,
  debate_id uuid NOT NULL,
  round_no integer NOT NULL CHECK (round_no >= 1),
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  summary jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(summary) = 'object'),
  CONSTRAINT round_once UNIQUE (tenant_id, debate_id, round_no),
  FOREIGN KEY (tenant_id, debate_id) REFERENCES debates.debates (tenant_id, debate_id) ON DELETE CASCADE
);
SELECT security.protect('debates.rounds');

-- Who speaks when; one row a turn, made with its round. `attempts` counts calls begun, `failures` those that failed.
CREATE TABLE debates.turns (
  tenant_id text NOT NULL,
  debate_id uuid NOT NULL,
  round_no integer NOT NULL,
  turn_no integer NOT NULL CHECK (turn_no >= 1),
  participant_no integer NOT NULL,
  status types.debate_turn_status NOT NULL DEFAULT 'pending',
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  opened_at timestamptz,
  closed_at timestamptz,
  error text,
  PRIMARY KEY (tenant_id, debate_id, round_no, turn_no),
  CONSTRAINT closed_has_time CHECK ((closed_at IS NOT NULL) = (status IN ('done', 'skipped'))),
  FOREIGN KEY (tenant_id, debate_id, round_no) REFERENCES debates.rounds (tenant_id, debate_id, round_no) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, debate_id, participant_no) REFERENCES debates.participants ON DELETE CASCADE
) WITH (fillfactor = 80);
SELECT security.protect('debates.turns');

-- One argument a turn: the key of the turn is unique, so that none is stored twice. `seq` counts all of a debate.
CREATE TABLE debates.arguments (
  tenant_id text NOT NULL,
  argument_id uuid PRIMARY KEY,
  debate_id uuid NOT NULL,
  round_no integer NOT NULL,
  turn_no integer NOT NULL,
  participant_no integer NOT NULL,
  seq integer NOT NULL CHECK (seq >= 1),
  position varchar(100) CHECK (position <> ''),
  content text NOT NULL,
  confidence double precision CHECK (confidence BETWEEN 0 AND 1),
  evidence jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(evidence) = 'array'),
  reply_to uuid,
  tokens integer NOT NULL DEFAULT 0 CHECK (tokens >= 0),
  operation_id text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT argument_in_debate UNIQUE (tenant_id, debate_id, argument_id),
  CONSTRAINT one_of_a_turn UNIQUE (tenant_id, debate_id, round_no, turn_no),
  CONSTRAINT seq_once UNIQUE (tenant_id, debate_id, seq),
  CONSTRAINT operation_once UNIQUE (tenant_id, debate_id, operation_id),
  FOREIGN KEY (tenant_id, debate_id, round_no, turn_no) REFERENCES debates.turns ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, debate_id, participant_no) REFERENCES debates.participants ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, debate_id, reply_to) REFERENCES debates.arguments (tenant_id, debate_id, argument_id)
);
CREATE INDEX arguments_reply ON debates.arguments (tenant_id, debate_id, reply_to) WHERE reply_to IS NOT NULL;
SELECT security.protect('debates.arguments');

-- One row a voter, made when the voting begins. Without a position while open, and for who abstains.
CREATE TABLE debates.votes (
  tenant_id text NOT NULL,
  debate_id uuid NOT NULL,
  participant_no integer NOT NULL,
  status types.debate_turn_status NOT NULL DEFAULT 'pending',
  position varchar(100) CHECK (position <> ''),
  confidence double precision CHECK (confidence BETWEEN 0 AND 1),
  reason text,
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  opened_at timestamptz,
  closed_at timestamptz,
  error text,
  PRIMARY KEY (tenant_id, debate_id, participant_no),
  CONSTRAINT cast_has_position CHECK ((position IS NOT NULL) = (status = 'done')),
  CONSTRAINT closed_has_time CHECK ((closed_at IS NOT NULL) = (status IN ('done', 'skipped'))),
  FOREIGN KEY (tenant_id, debate_id, participant_no) REFERENCES debates.participants ON DELETE CASCADE
) WITH (fillfactor = 80);
SELECT security.protect('debates.votes');

-- Compression requests that a debate is about.
CREATE TABLE debates.requests (
  tenant_id text NOT NULL,
  debate_id uuid NOT NULL,
  compression_request_id varchar(36) NOT NULL CHECK (compression_request_id <> ''),
  PRIMARY KEY (tenant_id, debate_id, compression_request_id),
  FOREIGN KEY (tenant_id, debate_id) REFERENCES debates.debates (tenant_id, debate_id) ON DELETE CASCADE
);
CREATE INDEX requests_request ON debates.requests (tenant_id, compression_request_id);
SELECT security.protect('debates.requests');

-- What happens in a debate, as events.debates.<id>, with the transaction it tells of.
CREATE FUNCTION debates.emit_status() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  kind text := CASE
    WHEN TG_OP = 'INSERT' THEN 'created'
    WHEN OLD.status IS DISTINCT FROM NEW.status THEN CASE WHEN NEW.status = 'active' THEN CASE WHEN OLD.status = 'failed' THEN 'resumed' ELSE 'started' END ELSE NEW.status::text END
    WHEN NEW.paused_at IS NOT NULL THEN 'paused' ELSE 'resumed' END;
BEGIN
  PERFORM tx.emit('events.debates.' || NEW.debate_id, jsonb_build_object('type', kind, 'debateId', NEW.debate_id, 'key', NEW.debate_key, 'status', NEW.status,
    'consensus', NEW.consensus_score, 'winningPosition', NEW.winning_position, 'totalArguments', NEW.total_arguments), '{}', NULL, NEW.tenant_id);
  RETURN NULL;
END $$;
CREATE TRIGGER emit_created AFTER INSERT ON debates.debates FOR EACH ROW EXECUTE FUNCTION debates.emit_status();
CREATE TRIGGER emit_status AFTER UPDATE OF status, paused_at ON debates.debates FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status OR (OLD.paused_at IS NULL) IS DISTINCT FROM (NEW.paused_at IS NULL)) EXECUTE FUNCTION debates.emit_status();

CREATE FUNCTION debates.emit_argument() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tx.emit('events.debates.' || NEW.debate_id, jsonb_build_object('type', 'argument', 'debateId', NEW.debate_id, 'argumentId', NEW.argument_id,
    'round', NEW.round_no, 'turn', NEW.turn_no, 'seq', NEW.seq, 'position', NEW.position, 'participant', (SELECT p.participant_name FROM debates.participants p
      WHERE p.tenant_id = NEW.tenant_id AND p.debate_id = NEW.debate_id AND p.participant_no = NEW.participant_no)), '{}', 'argument-' || NEW.argument_id, NEW.tenant_id);
  RETURN NULL;
END $$;
CREATE TRIGGER emit_argument AFTER INSERT ON debates.arguments FOR EACH ROW EXECUTE FUNCTION debates.emit_argument();

CREATE FUNCTION debates.emit_round() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tx.emit('events.debates.' || NEW.debate_id, jsonb_build_object('type', 'round_ended', 'debateId', NEW.debate_id, 'round', NEW.round_no, 'summary', NEW.summary), '{}', 'round-' || NEW.round_id, NEW.tenant_id);
  RETURN NULL;
END $$;
CREATE TRIGGER emit_round AFTER UPDATE OF ended_at ON debates.rounds FOR EACH ROW
  WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION debates.emit_round();

-- A participant wins when the position it was given, or without one the position it voted for, is the winning one.
CREATE VIEW debates.agent_results WITH (security_invoker = true) AS
SELECT p.tenant_id, p.debate_id, d.debate_mode, p.participant_name, p.agent_id, p.weight, coalesce(p.position, v.position) AS position,
  coalesce(coalesce(p.position, v.position) = d.winning_position, false) AS won, d.winning_position IS NULL AS undecided,
  (SELECT count(*) FROM debates.arguments a WHERE a.tenant_id = p.tenant_id AND a.debate_id = p.debate_id AND a.participant_no = p.participant_no) AS arguments,
  d.completed_at
FROM debates.participants p
JOIN debates.debates d ON d.tenant_id = p.tenant_id AND d.debate_id = p.debate_id
LEFT JOIN debates.votes v ON v.tenant_id = p.tenant_id AND v.debate_id = p.debate_id AND v.participant_no = p.participant_no
WHERE d.status = 'completed' AND p.role = 'speaker';
GRANT SELECT ON debates.agent_results TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

CREATE VIEW debates.mode_statistics WITH (security_invoker = true) AS
SELECT d.tenant_id, d.debate_mode, count(*) AS debates, count(*) FILTER (WHERE d.status = 'completed') AS completed, count(*) FILTER (WHERE d.status = 'failed') AS failed,
  count(*) FILTER (WHERE d.status = 'completed' AND d.winning_position IS NOT NULL) AS decided,
  avg(d.consensus_score) FILTER (WHERE d.status = 'completed') AS average_consensus, avg(d.total_arguments) FILTER (WHERE d.status = 'completed') AS average_arguments,
  avg(d.duration_seconds) FILTER (WHERE d.status = 'completed') AS average_duration_seconds,
  sum(d.total_tokens) AS total_tokens, sum(d.orchestration_failures) AS orchestration_failures
FROM debates.debates d GROUP BY d.tenant_id, d.debate_mode;
GRANT SELECT ON debates.mode_statistics TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

--! down
DELETE FROM tx.outbox WHERE stream = 'EVENTS' AND split_part(subject, '.', 2) = 'debates';
DROP VIEW debates.mode_statistics, debates.agent_results;
DROP TABLE debates.requests, debates.votes, debates.arguments, debates.turns, debates.rounds, debates.participants, debates.debates;
DROP FUNCTION debates.emit_round(), debates.emit_argument(), debates.emit_status(), debates.check_transition();
DROP TYPE types.debate_turn_status, types.debate_role, types.debate_status, types.debate_mode;
DROP SCHEMA debates;
