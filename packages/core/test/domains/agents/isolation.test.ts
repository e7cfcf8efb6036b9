import { describe, expect, test } from 'vitest'
import type { AgentsService } from '../../../src/domains/agents/index.ts'
import { isCairnError } from '../../../src/errors/index.ts'
import { sqlTargets } from '../../harness/engines.ts'
import { failure, useAgents } from './agents-fixture.ts'

interface Theirs {
  readonly id: string
  readonly otherId: string
  readonly instanceId: string
}

/** Each method that names a thing, called with a thing of another tenant. Those that find nothing give an error or an empty answer. */
const CALLS: readonly (readonly [name: string, call: (agents: AgentsService, theirs: Theirs) => Promise<unknown>])[] = [
  ['get', (a, t) => a.get(t.id)],
  ['get by key', (a) => a.get('theirs')],
  ['find', (a, t) => a.find(t.id)],
  ['list', (a) => a.list({ includeRetired: true })],
  ['list below', (a, t) => a.list({ parentId: t.id })],
  ['register below', (a, t) => a.register({ name: 'x', type: 'llm', parentId: t.id })],
  ['register with the id', (a, t) => a.register({ id: t.id, name: 'y', type: 'llm' })],
  ['register with their type', (a) => a.register({ name: 'z', type: 'their-type' })],
  ['update', (a, t) => a.update(t.id, { name: 'stolen' })],
  ['update the parent', (a, t) => a.update('mine', { parentId: t.id })],
  ['setStatus', (a, t) => a.setStatus(t.id, 'idle')],
  ['activate', (a, t) => a.activate(t.id)],
  ['retire', (a, t) => a.retire(t.id)],
  ['setHealth', (a, t) => a.setHealth(t.id, 'unhealthy')],
  ['heartbeat', (a, t) => a.heartbeat(t.id)],
  ['exists', (a, t) => a.exists([t.id])],
  ['resolveId', (a) => a.resolveId('theirs')],
  ['activeWithInstances', (a) => a.activeWithInstances()],
  ['types.remove', (a) => a.types.remove('their-type')],
  ['instances.start', (a, t) => a.instances.start({ agentId: t.id, hostName: 'h' })],
  ['instances.get', (a, t) => a.instances.get(t.instanceId)],
  ['instances.heartbeat', (a, t) => a.instances.heartbeat(t.instanceId)],
  ['instances.setStatus', (a, t) => a.instances.setStatus(t.instanceId, 'error')],
  ['instances.restart', (a, t) => a.instances.restart(t.instanceId)],
  ['instances.stop', (a, t) => a.instances.stop(t.instanceId)],
  ['instances.list', (a, t) => a.instances.list(t.id)],
  ['instances.stale', (a) => a.instances.stale({ olderThanMs: 0.001 })],
  ['instances.markCrashed', (a) => a.instances.markCrashed({ olderThanMs: 0.001 })],
  ['capabilities.set', (a, t) => a.capabilities.set(t.id, 'x')],
  ['capabilities.remove', (a, t) => a.capabilities.remove(t.id, 'search')],
  ['capabilities.list', (a, t) => a.capabilities.list(t.id)],
  ['capabilities.match', (a) => a.capabilities.match({ anyOf: ['search'] })],
  ['dependencies.add', (a, t) => a.dependencies.add(t.id, 'mine')],
  ['dependencies.add on', (a, t) => a.dependencies.add('mine', t.id)],
  ['dependencies.remove', (a, t) => a.dependencies.remove(t.id, t.otherId)],
  ['dependencies.list', (a, t) => a.dependencies.list(t.id)],
  ['dependencies.dependents', (a, t) => a.dependencies.dependents(t.otherId)],
  ['dependencies.startOrder', (a, t) => a.dependencies.startOrder([t.id])],
  ['connections.add', (a, t) => a.connections.add(t.id, { connectionId: 'c2', host: 'h', databaseName: 'd' })],
  ['connections.list', (a, t) => a.connections.list(t.id)],
  ['connections.use', (a, t) => a.connections.use(t.id)],
  ['connections.activate', (a, t) => a.connections.activate(t.id, 'db')],
  ['connections.deactivate', (a, t) => a.connections.deactivate(t.id, 'db')],
  ['hierarchy.children', (a, t) => a.hierarchy.children(t.id)],
  ['hierarchy.ancestors', (a, t) => a.hierarchy.ancestors(t.otherId)],
  ['hierarchy.tree', (a, t) => a.hierarchy.tree(t.id)],
  ['events.list', (a, t) => a.events.list(t.id)],
  ['performance.recordTask', (a, t) => a.performance.recordTask(t.id, { succeeded: true, durationMs: 1 })],
  ['performance.recordInteraction', (a, t) => a.performance.recordInteraction(t.id, { succeeded: true, responseTimeMs: 1 })],
  ['performance.getSummary', (a, t) => a.performance.getSummary(t.id)],
]

/** Methods that name nothing of another tenant, or are tried in the other test below. */
const NAMELESS = new Set(['types.list', 'types.add', 'ensurePartitions'])

describe.each(sqlTargets)('tenants and agents on $name', (target) => {
  const { tenant, database } = useAgents(target)

  test('every public method is among the calls tried', () => {
    const { agents } = tenant()
    const names = methodsOf(agents)
    for (const [room, service] of Object.entries(agents)) names.push(...methodsOf(service as object).map((name) => `${room}.${name}`))
    expect(names.length).toBeGreaterThan(40)
    const tried = new Set(CALLS.map(([name]) => name.split(' ')[0]))
    expect(names.filter((name) => !tried.has(name) && !NAMELESS.has(name))).toEqual([])
  })

  test("no method reads or writes another tenant's agent", async () => {
    const [mine, other] = [tenant(), tenant()]
    await mine.agents.register({ name: 'mine', type: 'llm', status: 'active' })
    await other.agents.types.add('their-type')
    const { id } = await other.agents.register({ name: 'theirs', type: 'their-type', status: 'active', capabilities: ['search'] })
    const { id: otherId } = await other.agents.register({ name: 'second', type: 'llm', parentId: id })
    const { id: instanceId } = await other.agents.instances.start({ agentId: id, hostName: 'h' })
    await other.agents.dependencies.add(id, otherId)
    await other.agents.connections.add(id, { connectionId: 'db', host: 'h', databaseName: 'd' })
    const before = await dump(id)

    for (const [name, call] of CALLS) {
      const result = await call(mine.agents, { id, otherId, instanceId }).catch((error: unknown) => error)
      if (result instanceof Error) {
        const expected = ['AGENT_NOT_FOUND', 'NOT_FOUND']
        if (name === 'register with the id') expected.push('DUPLICATE_KEY')
        if (name === 'register with their type') expected.push('INVALID_ARGUMENT')
        expect(expected, `${name}: ${result.message}`).toContain(isCairnError(result) ? result.code : 'no CairnError')
        expect(JSON.stringify(isCairnError(result) ? result.details : {}), name).not.toMatch(/their-type|search/)
      } else {
        expect(JSON.stringify(result) ?? '', name).not.toMatch(new RegExp(`${id}|${otherId}|${instanceId}|their`))
      }
    }
    expect(await dump(id)).toEqual(before)

    async function dump(agentId: string) {
      return {
        agents: (await other.agents.list({ includeRetired: true })).items,
        types: (await other.agents.types.list()).items,
        events: (await other.agents.events.list(agentId)).items,
        instances: (await other.agents.instances.list(agentId)).items,
        capabilities: (await other.agents.capabilities.list(agentId)).items,
        dependencies: (await other.agents.dependencies.list(agentId)).items,
        connections: (await other.agents.connections.list(agentId)).items,
      }
    }
  })

  test('plain SQL of a tenant sees and writes only its own rows, and without a tenant none', async () => {
    const [mine, other] = [tenant(), tenant()]
    const theirs = await other.agents.register({ name: 'theirs', type: 'llm', capabilities: ['x'] })
    await other.agents.types.add('their-type')
    for (const table of ['registry', 'capabilities', 'lifecycle_events']) {
      expect(await mine.sql(`SELECT * FROM agents.${table}`), table).toEqual([])
    }
    expect(await mine.sql(`SELECT agent_type FROM agents.agent_types WHERE tenant_id <> '*'`)).toEqual([])
    expect(await mine.sql(`UPDATE agents.registry SET description = 'x' RETURNING 1`)).toEqual([])
    expect(await mine.sql(`DELETE FROM agents.registry RETURNING 1`)).toEqual([])
    expect(await mine.sql(`UPDATE agents.agent_types SET description = 'x' RETURNING 1`)).toEqual([])
    await failure(mine.sql(`INSERT INTO agents.agent_types (tenant_id, agent_type) VALUES ('*', 'everywhere')`), 'PERMISSION_DENIED')
    await failure(mine.sql(`INSERT INTO agents.lifecycle_events (tenant_id, agent_id, event_type) VALUES ($1, $2, 'forged')`, [other.tenant, theirs.id]), 'PERMISSION_DENIED')
    await failure(mine.sql(`INSERT INTO agents.registry (tenant_id, agent_name, agent_type) VALUES ($1, 'planted', 'llm')`, [other.tenant]), 'PERMISSION_DENIED')
    await failure(mine.sql(`INSERT INTO agents.capabilities (agent_id, capability_name) VALUES ($1, 'planted')`, [theirs.id]), 'CONSTRAINT_VIOLATION')
    await failure(mine.sql(`DELETE FROM agents.lifecycle_events`), 'PERMISSION_DENIED')
    await failure(other.sql(`UPDATE agents.lifecycle_events SET event_type = 'forged'`), 'PERMISSION_DENIED')
    await failure(mine.sql(`SELECT * FROM agents.lifecycle_events_default`), 'PERMISSION_DENIED')
    expect(await mine.sql(`SELECT * FROM agents.get_agent_performance_summary($1)`, [theirs.id])).toEqual([])
    expect(await mine.sql(`SELECT agent_id FROM agents.update_agent_status($1, 'active')`, [theirs.id])).toEqual([])

    const rows = await database().engine.transaction(mine.identity, async (session) => {
      await session.query(`SELECT set_config('app.tenant_id', '', true)`)
      return (await session.query(`SELECT agent_id FROM agents.registry`)).rows
    })
    expect(rows).toEqual([])
  })
})

function methodsOf(service: object): string[] {
  return Object.getOwnPropertyNames(Object.getPrototypeOf(service)).filter((name) => name !== 'constructor')
}
