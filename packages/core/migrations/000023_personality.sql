--! version: 0.23.0
--! name: personality
--! description: Profiles learned from interactions: sums by user, topics, versions of the profile, the interactions themselves
--! type: schema
--! depends_on: 0.19.0
--! breaking: false

--! up
CREATE SCHEMA personality;
GRANT USAGE ON SCHEMA personality TO application_user, agent_user, admin_user, readonly_user, maintenance_user;

-- Adds two objects of whole numbers, name by name; what becomes 0 is left out. Associative and commutative, so that it does not matter who
-- learned first.
CREATE FUNCTION personality.add_counts(a jsonb, b jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (
    SELECT coalesce(jsonb_object_agg(added.name, added.n), '{}')
    FROM (
      SELECT both_sides.name, sum(both_sides.n::numeric) AS n
      FROM (SELECT l.key AS name, l.value AS n FROM jsonb_each_text(a) AS l UNION ALL SELECT r.key, r.value FROM jsonb_each_text(b) AS r) AS both_sides
      GROUP BY both_sides.name HAVING sum(both_sides.n::numeric) <> 0
    ) AS added);

CREATE AGGREGATE personality.sum_counts(jsonb) (SFUNC = personality.add_counts, STYPE = jsonb, INITCOND = '{}');

-- Users are those of the caller: an opaque text. Whoever learns, forgets or rolls back holds the lock of this row.
-- sums = pruned + the counts of all interactions that are kept and counted.
CREATE TABLE personality.users (
  tenant_id text NOT NULL,
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 255),
  time_zone text NOT NULL DEFAULT 'UTC' CHECK (time_zone <> ''),
  learning boolean NOT NULL DEFAULT true,
  preferences jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(preferences) = 'object'),
  sums jsonb NOT NULL DEFAULT '{}',
  pruned jsonb NOT NULL DEFAULT '{}',
  last_seq bigint NOT NULL DEFAULT 0,
  -- Interactions up to here were deleted.
  pruned_seq bigint NOT NULL DEFAULT 0,
  -- Interactions that a rollback took out of the sums.
  excluded int8multirange NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id)
) WITH (fillfactor = 80);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON personality.users FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
SELECT security.protect('personality.users');

-- One row a version. What was learned is as it was when the version was made; sample_size and confidence of the active one go on.
CREATE TABLE personality.personality_profiles (
  tenant_id text NOT NULL,
  profile_id uuid PRIMARY KEY,
  user_id text NOT NULL,
  version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  is_active boolean NOT NULL DEFAULT true,
  communication_style jsonb NOT NULL DEFAULT '{}',
  preferred_topics jsonb NOT NULL DEFAULT '[]',
  response_patterns jsonb NOT NULL DEFAULT '{}',
  motivation_triggers jsonb NOT NULL DEFAULT '[]',
  learning_preferences jsonb NOT NULL DEFAULT '{}',
  goal_orientation jsonb NOT NULL DEFAULT '{}',
  preferences jsonb NOT NULL DEFAULT '{}',
  sample_size bigint NOT NULL DEFAULT 0 CHECK (sample_size >= 0),
  -- n / (n + 20): half sure after 20 messages, 0.9 after 180.
  confidence_score numeric(5,4) NOT NULL GENERATED ALWAYS AS (sample_size::numeric / (sample_size + 20)) STORED CHECK (confidence_score BETWEEN 0 AND 1),
  -- Messages that it was made of, and the last interaction then.
  snapshot_size bigint NOT NULL DEFAULT 0,
  through_seq bigint NOT NULL DEFAULT 0,
  excluded int8multirange NOT NULL DEFAULT '{}',
  reasons text[] NOT NULL DEFAULT '{}',
  restored_from integer,
  last_updated timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, profile_id),
  UNIQUE (tenant_id, user_id, version),
  FOREIGN KEY (tenant_id, user_id) REFERENCES personality.users (tenant_id, user_id) ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX one_active_profile ON personality.personality_profiles (tenant_id, user_id) WHERE is_active;
SELECT security.protect('personality.personality_profiles');

-- How often a user used a word, in how many messages, and how many of those were followed by praise or blame.
CREATE TABLE personality.topics (
  tenant_id text NOT NULL,
  user_id text NOT NULL,
  term text NOT NULL CHECK (length(term) BETWEEN 1 AND 64),
  uses bigint NOT NULL DEFAULT 0,
  messages bigint NOT NULL DEFAULT 0,
  positive bigint NOT NULL DEFAULT 0,
  negative bigint NOT NULL DEFAULT 0,
  -- The part that comes from interactions that were deleted.
  pruned bigint[] NOT NULL DEFAULT '{0,0,0,0}' CHECK (cardinality(pruned) = 4),
  PRIMARY KEY (tenant_id, user_id, term),
  FOREIGN KEY (tenant_id, user_id) REFERENCES personality.users (tenant_id, user_id) ON DELETE CASCADE
) WITH (fillfactor = 80);
-- In how many users' messages a word occurs.
CREATE INDEX topics_term ON personality.topics (tenant_id, term);
SELECT security.protect('personality.topics');

-- What was learned from each interaction, as counts: no text is kept.
CREATE TABLE personality.learning_interactions (
  tenant_id text NOT NULL,
  interaction_id uuid PRIMARY KEY,
  user_id text NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  interaction_key text CHECK (interaction_key <> ''),
  profile_id uuid,
  agent_id uuid,
  session_id text,
  signal jsonb NOT NULL CHECK (jsonb_typeof(signal -> 'counts') = 'object' AND jsonb_typeof(signal -> 'terms') = 'object'),
  feedback jsonb NOT NULL DEFAULT '{}',
  feedback_counts jsonb NOT NULL DEFAULT '{}',
  counted boolean NOT NULL DEFAULT true,
  observed_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (tenant_id, user_id, seq),
  CONSTRAINT interaction_key_once UNIQUE (tenant_id, user_id, interaction_key),
  FOREIGN KEY (tenant_id, user_id) REFERENCES personality.users (tenant_id, user_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, profile_id) REFERENCES personality.personality_profiles (tenant_id, profile_id) ON DELETE SET NULL (profile_id),
  FOREIGN KEY (tenant_id, agent_id) REFERENCES agents.registry (tenant_id, agent_id) ON DELETE SET NULL (agent_id)
) WITH (fillfactor = 90);
CREATE INDEX learning_interactions_profile ON personality.learning_interactions (profile_id) WHERE profile_id IS NOT NULL;
CREATE INDEX learning_interactions_agent ON personality.learning_interactions (tenant_id, agent_id) WHERE agent_id IS NOT NULL;
-- For the pass that ends what is too old.
CREATE INDEX learning_interactions_age ON personality.learning_interactions (created_at);
SELECT security.protect('personality.learning_interactions');

-- The size of the sample is that of the interactions that count; deleting old ones does not take it back.
CREATE FUNCTION personality.update_personality_sample_size() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  change integer := NEW.counted::integer - CASE WHEN TG_OP = 'UPDATE' THEN OLD.counted::integer ELSE 0 END;
BEGIN
  IF change <> 0 THEN
    UPDATE personality.personality_profiles p SET sample_size = p.sample_size + change, last_updated = now()
    WHERE p.tenant_id = NEW.tenant_id AND p.user_id = NEW.user_id AND p.is_active;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER update_personality_sample_size AFTER INSERT OR UPDATE OF counted ON personality.learning_interactions
  FOR EACH ROW EXECUTE FUNCTION personality.update_personality_sample_size();

--! down
DROP SCHEMA personality CASCADE;
