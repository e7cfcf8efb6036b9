import { beforeAll, describe, expect, test } from 'vitest'
import { AgentsService } from '../../../src/domains/agents/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { SILENT_LOGGER } from '../../../src/observability/index.ts'
import { sqlTargets } from '../../harness/engines.ts'
import { failure, refusedBy, useAgents } from './agents-fixture.ts'

describe.each(sqlTargets)('agents schema on $name', (target) => {
  const { tenant, database } = useAgents(target)
  const owner = async <Row>(text: string, values: readonly unknown[] = []) => (await database().engine.query<Row>(OWNER, text, values)).rows

  // proves S4-9.2-02
  // proves S4-9.1-06
  test.each([
    ['an empty name', `agent_name = ''`, 'valid_agent_name'],
    ['a long name', `agent_name = repeat('x', 256)`, 'valid_agent_name'],
    ['an unknown type', `agent_type = 'wizard'`, 'registry_agent_type_fkey'],
    ['itself as parent', `parent_agent_id = agent_id`, 'no_self_parent'],
    ['a parent that does not exist', `parent_agent_id = gen_random_uuid()`, 'registry_parent_fkey'],
    ['metadata with a bad time', `metadata = '{"created_at": "2026-13-01T00:00:00Z"}'`, 'valid_metadata'],
    ['metadata without a version', `metadata = '{"version": null}'`, 'valid_metadata'],
    ['metadata that is a text', `metadata = '"x"'`, 'valid_metadata'],
    ['a deployment kind', `deployment_kind = 'cloud'`, 'valid_deployment_kind'],
    ['more successes than tasks', `success_count = 2`, 'task_count_covers_outcomes'],
    ['a retirement without the status', `retired_at = now()`, 'retired_when_terminated'],
    ['a port of zero requests', `max_concurrent_requests = 0`, 'registry_max_concurrent_requests_check'],
    ['a key like an id', `agent_key = gen_random_uuid()::text`, 'valid_agent_key'],
  ])('the registry refuses %s', async (_case, change, constraint) => {
    const { agents, sql } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    expect(await refusedBy(sql(`UPDATE agents.registry SET ${change}`))).toBe(constraint)
  })

  test.each([
    ['a status outside its words', `status = 'bogus'`],
    ['a health word outside its words', `health_status = 'bogus'`],
    ['a date that does not exist', `metadata = '{"created_at": "2026-02-30T00:00:00Z"}'`],
  ])('the registry refuses %s as bad data', async (_case, change) => {
    const { agents, sql } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    await failure(sql(`UPDATE agents.registry SET ${change}`), 'INVALID_ARGUMENT')
  })

  // proves S4-9.1-01
  test('domains over uuid take NULL, so that a root has no parent', async () => {
    const [row] = await owner<{ a: unknown; b: unknown; c: unknown }>(
      `SELECT NULL::types.agent_id_type AS a, NULL::types.task_id_type AS b, NULL::types.message_id_type AS c`,
    )
    expect(row).toEqual({ a: null, b: null, c: null })
    await failure(owner(`SELECT 'x'::types.agent_id_type`), 'INVALID_ARGUMENT')
  })

  // proves S1-11-01
  test('there is one foreign key a column, and what an agent owns goes with it', async () => {
    const keys = await owner<{ table: string; columns: string; kind: string }>(
      `SELECT conrelid::regclass::text AS "table", conkey::text AS columns, confdeltype::text AS kind FROM pg_constraint
       WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'agents'::regnamespace`,
    )
    const names = keys.map((key) => `${key.table} ${key.columns}`)
    expect(new Set(names).size).toBe(names.length)
    for (const table of ['instances', 'capabilities', 'dependencies', 'connections']) {
      const own = keys.filter((key) => key.table === `agents.${table}`)
      expect(own.map((key) => key.kind), table).toEqual(table === 'dependencies' ? ['c', 'c'] : ['c'])
    }
    const { agents, sql } = tenant()
    const { id } = await agents.register({ name: 'a', type: 'llm', capabilities: ['x'] })
    const child = await agents.register({ name: 'b', type: 'llm', parentId: id })
    await agents.dependencies.add(child.id, id)
    await agents.instances.start({ agentId: id, hostName: 'h' })
    await agents.connections.add(id, { connectionId: 'c', host: 'h', databaseName: 'd' })
    expect(await sql(`DELETE FROM agents.registry WHERE agent_id = $1 RETURNING 1`, [id])).toHaveLength(1)
    for (const table of ['instances', 'capabilities', 'dependencies', 'connections']) expect(await sql(`SELECT 1 FROM agents.${table}`), table).toEqual([])
    expect((await agents.get(child.id)).parentId).toBeNull()
    // The history of a deleted agent stays.
    expect(await sql(`SELECT 1 FROM agents.lifecycle_events WHERE agent_id = $1`, [id])).not.toEqual([])
  })

  // proves S2-11-02
  test('updated_at moves with an update, and only tables that have it carry the trigger', async () => {
    const { agents, sql } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    await sql(`UPDATE agents.registry SET compression_priority = 1`)
    expect(await sql(`SELECT updated_at > created_at AS moved FROM agents.registry`)).toEqual([{ moved: true }])
    const wrong = await owner(
      `SELECT t.tgrelid::regclass::text AS name FROM pg_trigger t
       WHERE t.tgfoid = 'public.set_updated_at'::regproc AND NOT EXISTS (
         SELECT FROM pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attname = 'updated_at' AND NOT a.attisdropped)`,
    )
    expect(wrong).toEqual([])
  })

  test('a status_change event must change the status; others need none', async () => {
    const { sql } = tenant()
    const insert = (type: string, previous: string | null, next: string | null) =>
      sql(
        `INSERT INTO agents.lifecycle_events (agent_id, event_type, previous_status, new_status)
         VALUES (gen_random_uuid(), $1, $2::types.agent_status, $3::types.agent_status)`,
        [type, previous, next],
      )
    await insert('config_changed', null, null)
    await insert('heartbeat', 'active', 'active')
    expect(await refusedBy(insert('status_change', 'active', 'active'))).toBe('status_change')
    expect(await refusedBy(insert('status_change', null, 'active'))).toBe('status_change')
  })

  test('graph changes under repeatable read are refused, because they cannot see other writers', async () => {
    const { agents, identity } = tenant()
    const [a, b] = await Promise.all(['a', 'b'].map((name) => agents.register({ name, type: 'llm' })))
    const insert = (isolation: 'repeatable read' | 'serializable') =>
      database().engine.transaction(
        identity,
        (session) => session.query(`INSERT INTO agents.dependencies (agent_id, depends_on_agent_id) VALUES ($1, $2)`, [a!.id, b!.id]),
        { isolation },
      )
    await expect(insert('repeatable read')).rejects.toThrow(/repeatable read/)
    expect((await insert('serializable')).rowCount).toBe(1)
  })

  describe('partitions of the lifecycle events', () => {
    test('months are made ahead once, and rows that waited in the default partition move into theirs', async () => {
      const { agents, sql, identity } = tenant()
      const insert = (months: number) =>
        sql(`INSERT INTO agents.lifecycle_events (agent_id, event_type, created_at)
          SELECT gen_random_uuid(), 'x', date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => $1) + n * interval '1 day'
          FROM generate_series(0, 9) n`, [months])
      const where = () =>
        sql<{ name: string; count: number }>(
          `SELECT tableoid::regclass::text AS name, count(*) AS count FROM agents.lifecycle_events WHERE event_type = 'x' GROUP BY 1 ORDER BY 1`,
        )
      // The database may have been made last month.
      await agents.ensurePartitions(3)
      await insert(0)
      await insert(5)
      await insert(8)
      expect((await where()).map((row) => [row.name.endsWith('default'), row.count]).sort()).toEqual([[false, 10], [true, 20]])

      const rounds = await Promise.all([agents.ensurePartitions(6), agents.ensurePartitions(6)])
      const made = rounds.flat()
      expect(made.map((partition) => partition.rowsMoved)).toEqual([0, 10, 0])
      expect(made[0]?.from).toBeInstanceOf(Date)
      expect(await agents.ensurePartitions(6)).toEqual([])
      expect((await where()).map((row) => row.count)).toEqual([10, 10, 10])
      // What lies beyond still waits in the default partition.
      expect((await where()).filter((row) => row.name.endsWith('default'))).toEqual([{ name: 'agents.lifecycle_events_default', count: 10 }])
      expect((await agents.ensurePartitions(9)).map((partition) => partition.rowsMoved)).toEqual([0, 10, 0])
      expect((await where()).some((row) => row.name.endsWith('default'))).toBe(false)
      await failure(agents.ensurePartitions(-1), 'INVALID_ARGUMENT')

      // Another tenant does not see the moved rows either.
      const other = new AgentsService({ sql: database().engine, identity: { ...identity, tenant: 'elsewhere' }, log: SILENT_LOGGER })
      expect((await other.list()).items).toEqual([])
      expect((await database().engine.query({ ...identity, tenant: 'elsewhere' }, 'SELECT 1 FROM agents.lifecycle_events')).rows).toEqual([])
    })

    test('events written while partitions are made are not lost', async () => {
      const { agents } = tenant()
      await agents.register({ name: 'a', type: 'llm', status: 'active' })
      const writes = Array.from({ length: 40 }, (_, index) => agents.update('a', { description: `d${index}` }))
      await Promise.all([...writes, agents.ensurePartitions(12), agents.ensurePartitions(14)])
      expect((await agents.events.list('a', { type: 'config_changed' })).items).toHaveLength(40)
    })
  })

  describe('indexes', () => {
    const agent = '018f2f5e-0000-7000-8000-000000000001'

    beforeAll(async () => {
      await database().engine.transaction(OWNER, async (session) => {
        await session.exec(`
          INSERT INTO agents.registry (tenant_id, agent_id, agent_name, agent_type, parent_agent_id, status, health_status, last_active_at,
            last_heartbeat, specialization, configuration, metadata, claude_cli_config)
          SELECT 't', ('018f2f5e-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a' || n,
            CASE WHEN n % 50 = 0 THEN 'llm' ELSE 'analyst' END, CASE WHEN n % 100 = 2 THEN '${agent}'::uuid END,
            CASE WHEN n % 20 = 0 THEN 'active' ELSE 'idle' END::types.agent_status,
            CASE WHEN n % 100 = 1 THEN 'degraded' ELSE 'healthy' END::types.health_status,
            now() - make_interval(mins => n), now() - make_interval(mins => n), 'topic' || n,
            jsonb_build_object('type', 'kind' || n), jsonb_build_object('team', 'team' || n), jsonb_build_object('model', 'm' || n)
          FROM generate_series(1, 2000) n;
          INSERT INTO agents.capabilities (tenant_id, agent_id, capability_name) SELECT 't', agent_id, 'can-' || agent_name FROM agents.registry WHERE tenant_id = 't';
          INSERT INTO agents.lifecycle_events (tenant_id, agent_id, event_type, new_status, created_at)
          SELECT 't', gen_random_uuid(), 'kind' || n % 40, CASE WHEN n % 40 = 7 THEN 'error' END::types.agent_status, now()
          FROM generate_series(1, 4000) n;`)
      })
      await database().engine.query(OWNER, 'VACUUM (ANALYZE) agents.registry')
      await database().engine.query(OWNER, 'VACUUM (ANALYZE) agents.lifecycle_events')
    }, 120_000)

    // proves S0-2-08
    // proves S0-2-09
    // proves S1-10-01
    // proves S1-13-04
    // proves S4-9.3-01
    // proves S4-9.3-04
    test.each([
      ['registry', `tenant_id = 't' AND agent_type = 'llm' AND status = 'active'`, 'registry_type_status'],
      ['registry', `tenant_id = 't' AND health_status = 'degraded'`, 'registry_health'],
      ['registry', `tenant_id = 't' AND last_active_at > now() - interval '9 minutes'`, 'registry_last_active'],
      ['registry', `tenant_id = 't' AND parent_agent_id = '018f2f5e-0000-7000-8000-000000000001'`, 'registry_parent'],
      ['registry', `tenant_id = 't' AND status = 'active' AND last_heartbeat < now() - interval '1990 minutes'`, 'registry_active_heartbeat'],
      ['registry', `to_tsvector('simple', coalesce(specialization, '')) @@ plainto_tsquery('simple', 'topic7')`, 'registry_specialization'],
      ['registry', `capabilities @> '{can-a7}'`, 'registry_capabilities'],
      ['registry', `configuration -> 'type' @> '"kind7"'`, 'registry_configuration_type'],
      ['registry', `metadata @> '{"team": "team7"}'`, 'registry_metadata'],
      ['registry', `claude_cli_config @> '{"model": "m7"}'`, 'registry_claude_cli_config'],
      ['lifecycle_events', `tenant_id = 't' AND agent_id = '018f2f5e-0000-7000-8000-000000000007' AND created_at > now() - interval '1 hour'`, 'tenant_id_agent_id_created_at'],
      ['lifecycle_events', `tenant_id = 't' AND event_type = 'kind7' AND created_at > now() - interval '1 hour'`, 'tenant_id_event_type_created_at'],
      ['lifecycle_events', `tenant_id = 't' AND new_status = 'error' AND created_at > now() - interval '1 hour'`, 'tenant_id_new_status_created_at'],
    ])('%s: %s is served by an index', async (table, condition, index) => {
      const plan = await database().engine.transaction(OWNER, async (session) => {
        return (await session.query<{ 'QUERY PLAN': string }>(`EXPLAIN SELECT 1 FROM agents.${table} WHERE ${condition}`)).rows
      })
      expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toContain(index)
    })
  })
})
