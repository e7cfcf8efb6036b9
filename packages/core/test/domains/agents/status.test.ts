import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { AGENT_STATUSES, type AgentStatus } from '../../../src/domains/agents/index.ts'
import { sqlTargets } from '../../harness/engines.ts'
import { failure, refusedBy, useAgents } from './agents-fixture.ts'

/** Written out a second time on purpose: the table in the database must equal it. */
const ALLOWED: Readonly<Record<AgentStatus, readonly AgentStatus[]>> = {
  initializing: ['active', 'idle', 'inactive', 'error', 'terminated'],
  active: ['idle', 'inactive', 'suspended', 'maintenance', 'error', 'terminated'],
  idle: ['active', 'inactive', 'suspended', 'maintenance', 'error', 'terminated'],
  inactive: ['initializing', 'active', 'idle', 'maintenance', 'error', 'terminated'],
  suspended: ['active', 'idle', 'inactive', 'maintenance', 'error', 'terminated'],
  maintenance: ['initializing', 'active', 'idle', 'inactive', 'error', 'terminated'],
  error: ['initializing', 'active', 'idle', 'inactive', 'suspended', 'maintenance', 'terminated'],
  terminated: [],
}

describe.each(sqlTargets)('agent status on $name', (target) => {
  const { tenant } = useAgents(target)

  // proves S1-3-03
  // proves S1-17-01
  // proves S2-2-02
  // proves S4-9.1-02
  describe.each(AGENT_STATUSES)('from %s', (from) => {
    test.each(AGENT_STATUSES)('to %s', async (to) => {
      const { agents, sql } = tenant()
      const [row] = await sql<{ id: string }>(
        `INSERT INTO agents.registry (agent_name, agent_type, status) VALUES ('a', 'llm', $1::types.agent_status) RETURNING agent_id AS id`,
        [from],
      )
      const id = row?.id as string
      if (from === to) {
        expect((await agents.setStatus(id, to)).status).toBe(to)
        expect((await agents.events.list(id, { type: 'status_change' })).items).toEqual([])
      } else if (ALLOWED[from].includes(to)) {
        const agent = await agents.setStatus(id, to, { reason: 'because' })
        expect(agent.status).toBe(to)
        expect(agent.retiredAt === null).toBe(to !== 'terminated')
        const events = await agents.events.list(id, { type: 'status_change' })
        expect(events.items).toMatchObject([{ previousStatus: from, newStatus: to, data: { reason: 'because' } }])
      } else {
        const error = await failure(agents.setStatus(id, to), 'INVALID_TRANSITION')
        expect(error.details).toMatchObject({ from, to })
        expect(new Set(error.details['allowed'] as string[])).toEqual(new Set(ALLOWED[from]))
        expect(await refusedBy(sql(`UPDATE agents.registry SET status = $1::types.agent_status`, [to]))).toBe('agent_status_transition')
        expect((await agents.get(id)).status).toBe(from)
        expect((await agents.events.list(id, { type: 'status_change' })).items).toEqual([])
      }
    })
  })

  test('aliases and any case are understood; unknown words are refused with the known ones', async () => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    expect((await agents.setStatus('a', 'online')).status).toBe('active')
    expect((await agents.setStatus('a', 'offline')).status).toBe('inactive')
    expect((await agents.setStatus('a', 'IDLE' as 'idle')).status).toBe('idle')
    const error = await failure(agents.setStatus('a', 'asleep' as 'idle'), 'INVALID_ARGUMENT')
    expect(error.details['known']).toEqual([...AGENT_STATUSES])
    await failure(agents.setStatus('nobody', 'active'), 'AGENT_NOT_FOUND')
    await failure(agents.setStatus(randomUUID(), 'active'), 'AGENT_NOT_FOUND')
  })

  // proves S0-2-05
  test.each([
    ['healthy', 'healthy'],
    ['warning', 'degraded'],
    ['error', 'unhealthy'],
    ['CRITICAL', 'unhealthy'],
    ['unknown', 'unknown'],
  ])('the health word %s is %s', async (word, stored) => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    const agent = await agents.setHealth('a', word as 'healthy')
    expect(agent.health).toBe(stored)
    expect(agent.lastHealthCheck).toBeInstanceOf(Date)
    await failure(agents.setHealth('a', 'fine' as 'healthy'), 'INVALID_ARGUMENT')
    const events = await agents.events.list('a', { type: 'health_change' })
    expect(events.items.map((event) => event.data)).toEqual(stored === 'unknown' ? [] : [{ previous: 'unknown', new: stored }])
  })

  // proves S4-9.2-07
  test('the history tells who did what and why, newest first, in pages', async () => {
    const actor = randomUUID()
    const { agents } = tenant(actor)
    const by = randomUUID()
    await agents.register({ name: 'a', type: 'llm' })
    await agents.activate('a', { reason: 'ready', triggeredBy: by })
    await agents.setHealth('a', 'healthy')
    await agents.update('a', { description: 'x' })
    await agents.retire('a', 'too old')
    const all = (await agents.events.list('a')).items
    expect(all.map((event) => event.type)).toEqual(['retired', 'status_change', 'config_changed', 'health_change', 'status_change', 'registered'])
    expect(all[4]).toMatchObject({ previousStatus: 'initializing', newStatus: 'active', data: { reason: 'ready' }, triggeredBy: by })
    expect(all[3]).toMatchObject({ previousStatus: null, newStatus: null, triggeredBy: actor, actor: `service:${actor}` })
    expect(all[0]).toMatchObject({ data: { reason: 'too old' }, newStatus: 'terminated' })
    const first = await agents.events.list('a', { limit: 4 })
    const second = await agents.events.list('a', { limit: 4, cursor: first.nextCursor as string })
    expect([...first.items, ...second.items]).toEqual(all)
    expect(second.nextCursor).toBeNull()
    await failure(agents.events.list('nobody'), 'AGENT_NOT_FOUND')
  })

  test('a change that is rolled back leaves no event', async () => {
    const { agents, sql, identity } = tenant()
    const made = await agents.register({ name: 'a', type: 'llm' })
    await failure(
      sql(`WITH changed AS (SELECT * FROM agents.update_agent_status($1::uuid, 'active')) SELECT 1 / (count(*) - 1) FROM changed`, [made.id]),
      'INVALID_ARGUMENT',
    )
    expect(identity.role).toBe('application')
    expect((await agents.get('a')).status).toBe('initializing')
    expect((await agents.events.list('a')).items.map((event) => event.type)).toEqual(['registered'])
  })

  test('retiring stops instances and connections, keeps the agent readable, and is final', async () => {
    const { agents } = tenant()
    const made = await agents.register({ name: 'a', type: 'llm', status: 'active' })
    const instance = await agents.instances.start({ agentId: 'a', hostName: 'h' })
    await agents.connections.add('a', { connectionId: 'db', host: 'db.example', databaseName: 'd' })
    const retired = await agents.retire('a', 'done')
    expect(retired).toMatchObject({ status: 'terminated' })
    expect(retired.retiredAt).toBeInstanceOf(Date)
    expect((await agents.instances.get(instance.id)).status).toBe('stopped')
    await failure(agents.connections.use('a'), 'NO_ACTIVE_CONNECTION')
    expect((await agents.retire('a')).retiredAt).toEqual(retired.retiredAt)
    expect((await failure(agents.activate('a'), 'INVALID_TRANSITION')).details['allowed']).toEqual([])
    await failure(agents.heartbeat('a'), 'INVALID_TRANSITION')
    await failure(agents.instances.start({ agentId: 'a', hostName: 'h' }), 'INVALID_TRANSITION')
    await failure(agents.instances.restart(instance.id), 'INVALID_TRANSITION')
    expect((await agents.get(made.id)).status).toBe('terminated')
    await failure(agents.register({ name: 'a', type: 'llm' }), 'DUPLICATE_KEY')
  })

  test('of many status changes at once each is told once, and they form one chain', async () => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm', status: 'active' })
    const words = ['idle', 'suspended', 'maintenance', 'inactive', 'error', 'active'] as const
    await Promise.allSettled(Array.from({ length: 24 }, (_, index) => agents.setStatus('a', words[index % words.length] as AgentStatus)))
    const chain = (await agents.events.list('a', { type: 'status_change' })).items
    expect(chain.length).toBeGreaterThan(0)
    const left = new Map<string, number>()
    for (const { previousStatus, newStatus } of chain) {
      left.set(previousStatus as string, (left.get(previousStatus as string) ?? 0) - 1)
      left.set(newStatus as string, (left.get(newStatus as string) ?? 0) + 1)
    }
    const { status } = await agents.get('a')
    const open = [...left].filter(([, count]) => count !== 0)
    expect(open.sort()).toEqual(status === 'active' ? [] : [['active', -1], [status, 1]].sort())
  })
})
