--! version: 0.27.0
--! name: collaboration
--! description: Partnerships of agents, collaboration requests and their states, compatibility, fused insights
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

--! up
CREATE SCHEMA collaboration;
GRANT USAGE ON SCHEMA collaboration TO application_user, agent_user, admin_user, readonly_user, maintenance_user;
CREATE TYPE types.collaboration_status AS ENUM ('pending', 'accepted', 'in_progress', 'completed', 'failed', 'declined', 'expired', 'cancelled');
CREATE TYPE types.collaboration_answer AS ENUM ('pending', 'accepted', 'declined');

-- Shares that begin at one half and weigh four, two and one assumed collaborations against those that were; docs/reference/collaboration.md.
-- Success: (s + 2) / (n + 4).
CREATE FUNCTION collaboration.success_share(total bigint, successes bigint) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (successes + 2)::numeric / (total + 4);
-- Satisfaction: ratings 1..5 as 0..1, with two assumed ones of the middle.
CREATE FUNCTION collaboration.satisfaction_share(ratings bigint, rating_sum bigint) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ((rating_sum - ratings)::numeric / 4 + 1) / (ratings + 2);
-- Speed: an hour until a request is accepted is one half; so is no answer yet.
CREATE FUNCTION collaboration.speed_share(responses bigint, response_ms bigint) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN 3600000::numeric * (responses + 1) / (3600000::numeric * (responses + 2) + response_ms);

CREATE TABLE collaboration.partnerships (
  tenant_id text NOT NULL,
  partnership_id uuid PRIMARY KEY,
  partnership_key varchar(255) CHECK (partnership_key <> ''),
  primary_agent_id uuid NOT NULL,
  secondary_agent_id uuid NOT NULL,
  partnership_type varchar(30) NOT NULL CHECK (partnership_type <> ''),
  name text NOT NULL DEFAULT '',
  description text NOT NULL DEFAULT '',
  collaboration_focus jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(collaboration_focus) = 'array'),
  total_collaborations bigint NOT NULL DEFAULT 0,
  successful_collaborations bigint NOT NULL DEFAULT 0,
  ratings bigint NOT NULL DEFAULT 0,
  rating_sum bigint NOT NULL DEFAULT 0,
  responses bigint NOT NULL DEFAULT 0,
  response_ms bigint NOT NULL DEFAULT 0,
  average_user_satisfaction numeric(3,2) NOT NULL GENERATED ALWAYS AS (CASE WHEN ratings = 0 THEN 0 ELSE rating_sum::numeric / ratings END) STORED,
  effectiveness_score numeric(5,4) NOT NULL GENERATED ALWAYS AS (
    0.6 * collaboration.success_share(total_collaborations, successful_collaborations)
    + 0.3 * collaboration.satisfaction_share(ratings, rating_sum) + 0.1 * collaboration.speed_share(responses, response_ms)) STORED
    CHECK (effectiveness_score BETWEEN 0 AND 1),
  is_active boolean NOT NULL DEFAULT true,
  auto_trigger_conditions jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(auto_trigger_conditions) = 'object'),
  max_concurrent_collaborations integer NOT NULL DEFAULT 5 CHECK (max_concurrent_collaborations >= 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, partnership_id),
  CONSTRAINT partnership_key_once UNIQUE (tenant_id, partnership_key),
  CONSTRAINT two_partners CHECK (primary_agent_id <> secondary_agent_id),
  CONSTRAINT counted_partnership CHECK (successful_collaborations BETWEEN 0 AND total_collaborations AND rating_sum BETWEEN ratings AND 5 * ratings AND responses >= 0 AND response_ms >= 0),
  FOREIGN KEY (tenant_id, primary_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, secondary_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE
) WITH (fillfactor = 80);
-- A pair has one partnership of a type, whoever of the two is named first.
CREATE UNIQUE INDEX partnership_pair_once ON collaboration.partnerships
  (tenant_id, least(primary_agent_id, secondary_agent_id), greatest(primary_agent_id, secondary_agent_id), partnership_type);
CREATE INDEX partnerships_primary ON collaboration.partnerships (tenant_id, primary_agent_id);
CREATE INDEX partnerships_secondary ON collaboration.partnerships (tenant_id, secondary_agent_id);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON collaboration.partnerships FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('collaboration.partnerships');

-- How two agents worked together, in any partnership or none.
CREATE TABLE collaboration.compatibility (
  tenant_id text NOT NULL,
  agent_a uuid NOT NULL,
  agent_b uuid NOT NULL,
  collaborations bigint NOT NULL DEFAULT 0,
  successes bigint NOT NULL DEFAULT 0,
  ratings bigint NOT NULL DEFAULT 0,
  rating_sum bigint NOT NULL DEFAULT 0,
  score numeric(5,4) NOT NULL GENERATED ALWAYS AS (
    0.7 * collaboration.success_share(collaborations, successes) + 0.3 * collaboration.satisfaction_share(ratings, rating_sum)) STORED CHECK (score BETWEEN 0 AND 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, agent_a, agent_b),
  CONSTRAINT ordered_pair CHECK (agent_a < agent_b),
  FOREIGN KEY (tenant_id, agent_a) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, agent_b) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX compatibility_b ON collaboration.compatibility (tenant_id, agent_b);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON collaboration.compatibility FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('collaboration.compatibility');

-- task_id has no foreign key: a task moves from the queue to the archive, and out of it.
CREATE TABLE collaboration.requests (
  tenant_id text NOT NULL,
  request_id uuid PRIMARY KEY,
  request_key varchar(255) CHECK (request_key <> ''),
  requesting_agent_id uuid NOT NULL,
  collaboration_type varchar(30) NOT NULL CHECK (collaboration_type <> ''),
  partnership_id uuid,
  user_id text CHECK (length(user_id) BETWEEN 1 AND 255),
  session_id uuid,
  task_id uuid,
  context_data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(context_data) = 'object'),
  priority types.task_priority NOT NULL DEFAULT 'normal',
  expected_outcome text NOT NULL DEFAULT '',
  deadline timestamptz,
  needed_answers smallint NOT NULL DEFAULT 1 CHECK (needed_answers >= 1),
  status types.collaboration_status NOT NULL DEFAULT 'pending',
  participating_agents uuid[] NOT NULL DEFAULT '{}',
  collaboration_result jsonb NOT NULL DEFAULT '{}',
  end_reason text,
  user_feedback_rating smallint CHECK (user_feedback_rating BETWEEN 1 AND 5),
  user_feedback_text text,
  request_metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(request_metadata) = 'object'),
  -- Which rules opened it, and why; empty when an agent or a user did.
  trigger_explanation jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(trigger_explanation) = 'object'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  accepted_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, request_id),
  CONSTRAINT request_key_once UNIQUE (tenant_id, request_key),
  CONSTRAINT ended_has_time CHECK ((status IN ('completed', 'failed', 'declined', 'expired', 'cancelled')) = (completed_at IS NOT NULL)),
  CONSTRAINT accepted_has_time CHECK (status NOT IN ('accepted', 'in_progress', 'completed', 'failed') OR accepted_at IS NOT NULL),
  CONSTRAINT started_has_time CHECK (status NOT IN ('in_progress', 'completed', 'failed') OR started_at IS NOT NULL),
  CONSTRAINT rated_when_ended CHECK (user_feedback_rating IS NULL OR status IN ('completed', 'failed')),
  FOREIGN KEY (tenant_id, requesting_agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, partnership_id) REFERENCES collaboration.partnerships (tenant_id, partnership_id) ON DELETE SET NULL (partnership_id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES conversations.chat_sessions (tenant_id, chat_session_id) ON DELETE SET NULL (session_id)
) WITH (fillfactor = 80);
CREATE INDEX idx_collaboration_requests_user_status_time ON collaboration.requests (tenant_id, user_id, status, created_at DESC);
CREATE INDEX requests_agent ON collaboration.requests (tenant_id, requesting_agent_id, request_id);
CREATE INDEX requests_partnership ON collaboration.requests (tenant_id, partnership_id) WHERE partnership_id IS NOT NULL;
CREATE INDEX requests_session ON collaboration.requests (tenant_id, session_id) WHERE session_id IS NOT NULL;
CREATE INDEX requests_task ON collaboration.requests (tenant_id, task_id) WHERE task_id IS NOT NULL;
-- For the pass that expires: a row leaves it when the request ends.
CREATE INDEX requests_deadline ON collaboration.requests (deadline) WHERE deadline IS NOT NULL AND completed_at IS NULL;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON collaboration.requests FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('collaboration.requests');

CREATE TABLE collaboration.request_targets (
  tenant_id text NOT NULL,
  request_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  answer types.collaboration_answer NOT NULL DEFAULT 'pending',
  reason text,
  answered_at timestamptz,
  contribution jsonb NOT NULL DEFAULT 'null',
  rating smallint CHECK (rating BETWEEN 1 AND 5),
  feedback text,
  PRIMARY KEY (tenant_id, request_id, agent_id),
  CONSTRAINT answered_has_time CHECK ((answer = 'pending') = (answered_at IS NULL)),
  FOREIGN KEY (tenant_id, request_id) REFERENCES collaboration.requests (tenant_id, request_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX request_targets_agent ON collaboration.request_targets (tenant_id, agent_id, request_id);
SELECT security.protect('collaboration.request_targets');

-- Which status may follow which. After its deadline a request can only expire or be cancelled, whether or not the pass that expires came by.
CREATE FUNCTION collaboration.enforce_request_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  room integer;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'pending' THEN
      RAISE EXCEPTION 'a request begins as pending, not as %', NEW.status USING ERRCODE = 'check_violation', CONSTRAINT = 'collaboration_transition';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.status = OLD.status THEN RETURN NEW; END IF;
  IF NOT (NEW.status = ANY (CASE OLD.status
    WHEN 'pending' THEN ARRAY['accepted', 'declined', 'expired', 'cancelled']::types.collaboration_status[]
    WHEN 'accepted' THEN ARRAY['in_progress', 'expired', 'cancelled']::types.collaboration_status[]
    WHEN 'in_progress' THEN ARRAY['completed', 'failed', 'expired', 'cancelled']::types.collaboration_status[]
    ELSE ARRAY[]::types.collaboration_status[] END)) THEN
    RAISE EXCEPTION 'a request that is % may not become %', OLD.status, NEW.status USING ERRCODE = 'check_violation', CONSTRAINT = 'collaboration_transition';
  END IF;
  IF NEW.status = 'expired' AND (NEW.deadline IS NULL OR NEW.deadline > clock_timestamp()) THEN
    RAISE EXCEPTION 'the deadline of the request has not come' USING ERRCODE = 'check_violation', CONSTRAINT = 'collaboration_deadline';
  END IF;
  IF NEW.status NOT IN ('expired', 'cancelled') AND NEW.deadline <= clock_timestamp() THEN
    RAISE EXCEPTION 'the deadline of the request has passed' USING ERRCODE = 'check_violation', CONSTRAINT = 'collaboration_deadline';
  END IF;
  NEW.accepted_at := CASE WHEN NEW.status = 'accepted' THEN clock_timestamp() ELSE OLD.accepted_at END;
  NEW.started_at := CASE WHEN NEW.status = 'in_progress' THEN clock_timestamp() ELSE OLD.started_at END;
  NEW.completed_at := CASE WHEN NEW.status IN ('completed', 'failed', 'declined', 'expired', 'cancelled') THEN clock_timestamp() END;
  IF NEW.status = 'in_progress' AND NEW.partnership_id IS NOT NULL THEN
    -- The lock makes those that begin at once wait for each other.
    SELECT p.max_concurrent_collaborations INTO room FROM collaboration.partnerships p
      WHERE p.tenant_id = NEW.tenant_id AND p.partnership_id = NEW.partnership_id FOR NO KEY UPDATE;
    IF (SELECT count(*) FROM collaboration.requests r WHERE r.tenant_id = NEW.tenant_id AND r.partnership_id = NEW.partnership_id AND r.status = 'in_progress') >= room THEN
      RAISE EXCEPTION 'the partnership has % collaborations in progress already', room USING ERRCODE = 'check_violation', CONSTRAINT = 'partnership_concurrency';
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER enforce_request_transition BEFORE INSERT OR UPDATE OF status ON collaboration.requests
  FOR EACH ROW EXECUTE FUNCTION collaboration.enforce_request_transition();

-- A request that ended, or whose rating changed, moves the sums of its partnership, in the same transaction. Cancelled and expired ones say nothing of
-- how well two work together.
CREATE FUNCTION collaboration.update_partnership_effectiveness() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  ended boolean := NEW.status <> OLD.status AND NEW.status IN ('completed', 'failed');
BEGIN
  IF NEW.partnership_id IS NULL THEN RETURN NULL; END IF;
  UPDATE collaboration.partnerships p SET
    total_collaborations = p.total_collaborations + ended::integer,
    successful_collaborations = p.successful_collaborations + (ended AND NEW.status = 'completed')::integer,
    responses = p.responses + ended::integer,
    response_ms = p.response_ms + CASE WHEN ended THEN greatest(0, extract(epoch FROM NEW.accepted_at - NEW.created_at) * 1000)::bigint ELSE 0 END,
    ratings = p.ratings + (NEW.user_feedback_rating IS NOT NULL)::integer - (OLD.user_feedback_rating IS NOT NULL)::integer,
    rating_sum = p.rating_sum + coalesce(NEW.user_feedback_rating, 0) - coalesce(OLD.user_feedback_rating, 0)
  WHERE p.tenant_id = NEW.tenant_id AND p.partnership_id = NEW.partnership_id;
  RETURN NULL;
END $$;

-- The same for each pair of those who took part, the requesting agent among them; in the order of their ids, as everybody does.
CREATE FUNCTION collaboration.update_collaboration_compatibility() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  ended boolean := NEW.status <> OLD.status AND NEW.status IN ('completed', 'failed');
BEGIN
  INSERT INTO collaboration.compatibility AS c (tenant_id, agent_a, agent_b, collaborations, successes, ratings, rating_sum)
  SELECT NEW.tenant_id, a.agent_id, b.agent_id, ended::integer, (ended AND NEW.status = 'completed')::integer,
    (NEW.user_feedback_rating IS NOT NULL)::integer - (OLD.user_feedback_rating IS NOT NULL)::integer,
    coalesce(NEW.user_feedback_rating, 0) - coalesce(OLD.user_feedback_rating, 0)
  FROM (SELECT DISTINCT m.agent_id FROM unnest(array_append(NEW.participating_agents, NEW.requesting_agent_id)) AS m (agent_id)
    JOIN agents.registry g ON g.tenant_id = NEW.tenant_id AND g.agent_id = m.agent_id) AS a
  JOIN (SELECT DISTINCT m.agent_id FROM unnest(array_append(NEW.participating_agents, NEW.requesting_agent_id)) AS m (agent_id)
    JOIN agents.registry g ON g.tenant_id = NEW.tenant_id AND g.agent_id = m.agent_id) AS b ON a.agent_id < b.agent_id
  ORDER BY 2, 3
  ON CONFLICT (tenant_id, agent_a, agent_b) DO UPDATE SET
    collaborations = c.collaborations + EXCLUDED.collaborations, successes = c.successes + EXCLUDED.successes,
    ratings = c.ratings + EXCLUDED.ratings, rating_sum = c.rating_sum + EXCLUDED.rating_sum;
  RETURN NULL;
END $$;
CREATE TRIGGER a_update_partnership_effectiveness AFTER UPDATE OF status, user_feedback_rating ON collaboration.requests
  FOR EACH ROW WHEN (NEW.status IN ('completed', 'failed')
    AND (NEW.status <> OLD.status OR NEW.user_feedback_rating IS DISTINCT FROM OLD.user_feedback_rating))
  EXECUTE FUNCTION collaboration.update_partnership_effectiveness();
CREATE TRIGGER b_update_collaboration_compatibility AFTER UPDATE OF status, user_feedback_rating ON collaboration.requests
  FOR EACH ROW WHEN (NEW.status IN ('completed', 'failed')
    AND (NEW.status <> OLD.status OR NEW.user_feedback_rating IS DISTINCT FROM OLD.user_feedback_rating))
  EXECUTE FUNCTION collaboration.update_collaboration_compatibility();

CREATE TABLE collaboration.fusion_results (
  tenant_id text NOT NULL,
  fusion_id uuid PRIMARY KEY,
  fusion_key varchar(255) CHECK (fusion_key <> ''),
  request_id uuid,
  user_id text CHECK (length(user_id) BETWEEN 1 AND 255),
  participating_agents jsonb NOT NULL CHECK (jsonb_typeof(participating_agents) = 'array'),
  individual_insights jsonb NOT NULL CHECK (jsonb_typeof(individual_insights) = 'array'),
  fusion_method varchar(30) NOT NULL,
  consensus_level numeric(5,4) NOT NULL CHECK (consensus_level BETWEEN 0 AND 1),
  confidence_score numeric(5,4) NOT NULL CHECK (confidence_score BETWEEN 0 AND 1),
  insight_quality_score numeric(5,4) NOT NULL CHECK (insight_quality_score BETWEEN 0 AND 1),
  actionability_score numeric(5,4) NOT NULL CHECK (actionability_score BETWEEN 0 AND 1),
  unified_insight text NOT NULL CHECK (unified_insight <> ''),
  unified_position text NOT NULL,
  key_recommendations jsonb NOT NULL DEFAULT '[]',
  conflicting_viewpoints jsonb NOT NULL DEFAULT '[]',
  provenance jsonb NOT NULL DEFAULT '[]',
  additional_context jsonb NOT NULL DEFAULT '{}',
  processing_time_seconds numeric(12,6) NOT NULL CHECK (processing_time_seconds >= 0),
  metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT fusion_key_once UNIQUE (tenant_id, fusion_key),
  FOREIGN KEY (tenant_id, request_id) REFERENCES collaboration.requests (tenant_id, request_id) ON DELETE CASCADE
);
CREATE INDEX fusion_results_request ON collaboration.fusion_results (tenant_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX fusion_results_newest ON collaboration.fusion_results (tenant_id, fusion_id);
SELECT security.protect('collaboration.fusion_results');

CREATE VIEW collaboration.active_partnerships_metrics WITH (security_invoker = true) AS
SELECT p.tenant_id, p.partnership_id, p.partnership_key, p.partnership_type, p.name, p.primary_agent_id, p.secondary_agent_id,
  p.total_collaborations, p.successful_collaborations,
  CASE WHEN p.total_collaborations = 0 THEN NULL ELSE round(p.successful_collaborations::numeric / p.total_collaborations, 4) END AS success_rate,
  p.average_user_satisfaction, p.effectiveness_score, c.score AS compatibility_score,
  CASE WHEN p.responses = 0 THEN NULL ELSE round(p.response_ms::numeric / p.responses, 0) END AS average_response_ms,
  (SELECT count(*) FROM collaboration.requests r WHERE r.tenant_id = p.tenant_id AND r.partnership_id = p.partnership_id AND r.status IN ('pending', 'accepted')) AS open_requests,
  (SELECT count(*) FROM collaboration.requests r WHERE r.tenant_id = p.tenant_id AND r.partnership_id = p.partnership_id AND r.status = 'in_progress') AS in_progress,
  p.max_concurrent_collaborations,
  (SELECT max(r.completed_at) FROM collaboration.requests r WHERE r.tenant_id = p.tenant_id AND r.partnership_id = p.partnership_id) AS last_collaboration_at
FROM collaboration.partnerships p
LEFT JOIN collaboration.compatibility c ON c.tenant_id = p.tenant_id
  AND c.agent_a = least(p.primary_agent_id, p.secondary_agent_id) AND c.agent_b = greatest(p.primary_agent_id, p.secondary_agent_id)
WHERE p.is_active;

-- Unfinished requests, and those that ended within a week.
CREATE VIEW collaboration.recent_collaboration_activity WITH (security_invoker = true) AS
SELECT r.tenant_id, r.request_id, r.request_key, r.collaboration_type, r.status, r.priority, r.requesting_agent_id, r.partnership_id, r.user_id, r.task_id,
  (SELECT coalesce(array_agg(t.agent_id ORDER BY t.agent_id), '{}') FROM collaboration.request_targets t WHERE t.tenant_id = r.tenant_id AND t.request_id = r.request_id) AS target_agents,
  r.participating_agents, r.deadline, r.user_feedback_rating, r.created_at, r.accepted_at, r.started_at, r.completed_at,
  (extract(epoch FROM coalesce(r.completed_at, clock_timestamp()) - r.created_at) * 1000)::bigint AS age_ms, n.fusions
FROM collaboration.requests r
CROSS JOIN LATERAL (SELECT count(*) AS fusions FROM collaboration.fusion_results f WHERE f.tenant_id = r.tenant_id AND f.request_id = r.request_id) AS n
WHERE r.completed_at IS NULL OR r.completed_at > clock_timestamp() - interval '7 days';
GRANT SELECT ON collaboration.active_partnerships_metrics, collaboration.recent_collaboration_activity
  TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

--! down
DROP SCHEMA collaboration CASCADE;
DROP TYPE types.collaboration_answer;
DROP TYPE types.collaboration_status;
