import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Agent } from '../../../src/domains/agents/index.ts'
import { sqlTargets } from '../../harness/engines.ts'
import { failure, refusedBy, useAgents, type Tenant } from './agents-fixture.ts'

async function registerAll({ agents }: Tenant, ...names: string[]): Promise<Record<string, Agent>> {
  const made: Record<string, Agent> = {}
  for (const name of names) made[name] = await agents.register({ name, type: 'llm' })
  return made
}

describe.each(sqlTargets)('relations of agents on $name', (target) => {
  const { tenant } = useAgents(target)

  // proves S1-3-06
  // proves S0-2-03
  test('capabilities are set, replaced and removed, and the agent shows the enabled ones', async () => {
    const { agents } = tenant()
    const { id } = await agents.register({ name: 'a', type: 'llm', capabilities: ['search'] })
    const [set] = await agents.capabilities.set('a', { name: 'write', parameters: { style: 'dry' } })
    expect(set).toMatchObject({ agentId: id, name: 'write', version: '1.0.0', parameters: { style: 'dry' }, enabled: true })
    await agents.capabilities.set('a', ['zeta', 'Alpha', { name: 'search', version: '2.0.0', enabled: false }])
    expect((await agents.get('a')).capabilities).toEqual(['Alpha', 'write', 'zeta'])
    const first = await agents.capabilities.list('a', { limit: 2 })
    const second = await agents.capabilities.list('a', { limit: 2, cursor: first.nextCursor as string })
    expect([...first.items, ...second.items].map((each) => [each.name, each.version, each.enabled])).toEqual([
      ['Alpha', '1.0.0', true], ['search', '2.0.0', false], ['write', '1.0.0', true], ['zeta', '1.0.0', true],
    ])
    expect(await agents.capabilities.remove('a', 'write')).toBe(true)
    expect(await agents.capabilities.remove('a', 'write')).toBe(false)
    expect((await agents.get('a')).capabilities).toEqual(['Alpha', 'zeta'])
    expect(await agents.capabilities.set('a', [])).toEqual([])
    expect((await failure(agents.capabilities.set('a', ''), 'INVALID_ARGUMENT')).details['field']).toBe('capabilities.0')
    await failure(agents.capabilities.set(randomUUID(), 'x'), 'AGENT_NOT_FOUND')
    await failure(agents.capabilities.list('nobody'), 'AGENT_NOT_FOUND')
    await failure(agents.capabilities.remove(randomUUID(), 'x'), 'AGENT_NOT_FOUND')
  })

  test('the array of capabilities has one source: many writers at once, and no other way in', async () => {
    const { agents, sql } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    const names = Array.from({ length: 16 }, (_, index) => `c${String(index).padStart(2, '0')}`)
    await Promise.all(names.map((name) => agents.capabilities.set('a', name)))
    expect((await agents.get('a')).capabilities).toEqual(names)
    await Promise.all(names.slice(0, 8).map((name) => agents.capabilities.remove('a', name)))
    expect((await agents.get('a')).capabilities).toEqual(names.slice(8))
    expect(await refusedBy(sql(`UPDATE agents.registry SET capabilities = '{}'`))).toBe('capabilities_are_derived')
    expect(await refusedBy(sql(`INSERT INTO agents.registry (agent_name, agent_type, capabilities) VALUES ('b', 'llm', '{x}')`))).toBe('capabilities_are_derived')
  })

  // proves S1-3-07
  // proves S1-3-08
  // proves S1-12-01
  test('a dependency that closes a circle is refused with the way round', async () => {
    const own = tenant()
    const { agents } = own
    const { a, b, c } = (await registerAll(own, 'a', 'b', 'c')) as Record<'a' | 'b' | 'c', Agent>
    expect(await agents.dependencies.add('a', 'b')).toMatchObject({ agentId: a.id, dependsOnId: b.id, kind: 'required' })
    await agents.dependencies.add('b', c.id, 'optional')
    expect((await failure(agents.dependencies.add('c', 'a', 'preferred'), 'DEPENDENCY_CYCLE')).details['path']).toEqual([c.id, a.id, b.id, c.id])
    expect((await failure(agents.dependencies.add('b', 'a'), 'DEPENDENCY_CYCLE')).details['path']).toEqual([b.id, a.id, b.id])
    expect((await failure(agents.dependencies.add('a', 'a'), 'DEPENDENCY_CYCLE')).details['path']).toEqual([a.id, a.id])
    await failure(agents.dependencies.add('a', 'b', 'optional'), 'DUPLICATE_KEY')
    await failure(agents.dependencies.add('a', randomUUID()), 'AGENT_NOT_FOUND')
    await failure(agents.dependencies.add('a', 'c', 'maybe' as 'optional'), 'INVALID_ARGUMENT')
    await agents.dependencies.add('a', 'c')
    expect((await agents.dependencies.list('a')).items.map((each) => each.dependsOnId)).toEqual([b.id, c.id])
    expect((await agents.dependencies.dependents('c')).items.map((each) => each.agentId)).toEqual([b.id, a.id])
    const first = await agents.dependencies.list('a', { limit: 1 })
    expect((await agents.dependencies.list('a', { cursor: first.nextCursor as string })).items.map((each) => each.dependsOnId)).toEqual([c.id])
    expect(await agents.dependencies.remove('b', 'c')).toBe(true)
    expect(await agents.dependencies.remove('b', 'c')).toBe(false)
    await failure(agents.dependencies.remove('b', randomUUID()), 'AGENT_NOT_FOUND')
  })

  test('of dependencies that would close a circle together, added at once, at least one is refused', async () => {
    const own = tenant()
    const { agents } = own
    const size = 6
    const names = Array.from({ length: size }, (_, index) => `n${index}`)
    await registerAll(own, ...names)
    for (let round = 0; round < 5; round++) {
      const results = await Promise.allSettled(names.map((name, index) => agents.dependencies.add(name, names[(index + 1) % size] as string)))
      const refused = results.filter((result) => result.status === 'rejected')
      expect(refused).toHaveLength(1)
      expect(refused[0]?.reason).toMatchObject({ code: 'DEPENDENCY_CYCLE' })
      await Promise.all(names.map((name, index) => agents.dependencies.remove(name, names[(index + 1) % size] as string)))
    }
  })

  test('the start order puts every agent after what it needs', async () => {
    const own = tenant()
    const { agents } = own
    const all = await registerAll(own, 'web', 'api', 'db', 'cache', 'lone')
    for (const [from, to] of [['web', 'api'], ['web', 'cache'], ['api', 'db'], ['api', 'cache']] as const) await agents.dependencies.add(from, to)
    const order = await agents.dependencies.startOrder(['web', 'lone'])
    expect(new Set(order)).toEqual(new Set(Object.values(all).map((agent) => agent.id)))
    const at = (name: string) => order.indexOf(all[name]?.id as string)
    expect(at('db')).toBeLessThan(at('api'))
    expect(at('cache')).toBeLessThan(at('api'))
    expect(at('api')).toBeLessThan(at('web'))
    expect(await agents.dependencies.startOrder([])).toEqual([])
    await failure(agents.dependencies.startOrder([randomUUID()]), 'AGENT_NOT_FOUND')
  })

  test('agents form trees; none can be below itself', async () => {
    const own = tenant()
    const { agents } = own
    const { root, mid, leaf, other } = await registerAll(own, 'root', 'mid', 'leaf', 'other')
    await agents.update('mid', { parentId: 'root' })
    await agents.update('leaf', { parentId: mid!.id })
    await agents.update('other', { parentId: 'root' })
    expect((await agents.hierarchy.children('root')).items.map((agent) => agent.name)).toEqual(['mid', 'other'])
    expect((await agents.hierarchy.ancestors('leaf')).map((agent) => agent.name)).toEqual(['mid', 'root'])
    expect(await agents.hierarchy.ancestors('root')).toEqual([])
    const tree = await agents.hierarchy.tree('root')
    expect(tree).toMatchObject({
      agent: { id: root!.id },
      children: [{ agent: { id: mid!.id }, children: [{ agent: { id: leaf!.id }, children: [] }] }, { agent: { id: other!.id }, children: [] }],
    })
    expect((await agents.hierarchy.tree('mid')).agent.name).toBe('mid')
    expect((await failure(agents.update('root', { parentId: 'leaf' }), 'DEPENDENCY_CYCLE')).details['path']).toEqual([root!.id, leaf!.id, mid!.id, root!.id])
    expect((await failure(agents.update('root', { parentId: 'root' }), 'DEPENDENCY_CYCLE')).details['path']).toEqual([root!.id, root!.id])
    await failure(agents.update('root', { parentId: randomUUID() }), 'AGENT_NOT_FOUND')
    await failure(agents.register({ name: 'x', type: 'llm', parentId: randomUUID() }), 'AGENT_NOT_FOUND')
    expect((await agents.update('mid', { parentId: null })).parentId).toBeNull()
    await failure(agents.hierarchy.tree(randomUUID()), 'AGENT_NOT_FOUND')
    await failure(agents.hierarchy.ancestors('nobody'), 'AGENT_NOT_FOUND')
    await failure(agents.hierarchy.children(randomUUID()), 'AGENT_NOT_FOUND')
  })

  test('of two agents that become each the parent of the other at once, one is refused', async () => {
    const own = tenant()
    const { agents } = own
    await registerAll(own, 'a', 'b')
    for (let round = 0; round < 5; round++) {
      const results = await Promise.allSettled([agents.update('a', { parentId: 'b' }), agents.update('b', { parentId: 'a' })])
      expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1)
      await agents.update('a', { parentId: null })
      await agents.update('b', { parentId: null })
    }
  })

  // proves S1-25-01
  // proves S1-25-02
  test('connections are used in turn, without credentials, with TLS', async () => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    expect((await failure(agents.connections.use('a'), 'NO_ACTIVE_CONNECTION')).message).toContain('No active connection found for agent')
    const one = await agents.connections.add('a', { connectionId: 'one', host: 'db.example', databaseName: 'app', secretRef: 'vault/app' })
    expect(one).toMatchObject({ port: 5432, poolSize: 5, maxConnections: 10, active: true, sslMode: 'require', lastUsedAt: null })
    await agents.connections.add('a', { connectionId: 'two', host: '::1', port: 6543, databaseName: 'other', sslMode: 'verify-full', poolSize: 20 })
    expect(await agents.connections.use('a')).toEqual({
      id: one.id, connectionString: 'postgresql://db.example:5432/app?sslmode=require', poolSize: 5, maxConnections: 10, secretRef: 'vault/app',
    })
    expect(await agents.connections.use('a')).toMatchObject({
      connectionString: 'postgresql://[::1]:6543/other?sslmode=verify-full', poolSize: 20, maxConnections: 20, secretRef: null,
    })
    expect((await agents.connections.use('a')).id).toBe(one.id)
    expect((await agents.connections.list('a')).items.map((each) => each.lastUsedAt instanceof Date)).toEqual([true, true])
    expect((await agents.connections.deactivate('a', 'one')).active).toBe(false)
    expect((await agents.connections.use('a')).id).not.toBe(one.id)
    await agents.connections.deactivate('a', 'two')
    await failure(agents.connections.use('a'), 'NO_ACTIVE_CONNECTION')
    expect((await agents.connections.activate('a', 'one')).active).toBe(true)
    await failure(agents.connections.add('a', { connectionId: 'one', host: 'h', databaseName: 'd' }), 'DUPLICATE_KEY')
    await failure(agents.connections.deactivate('a', 'three'), 'NOT_FOUND')
    await failure(agents.connections.use(randomUUID()), 'AGENT_NOT_FOUND')
  })

  test.each([
    ['host', { host: 'evil@host/x' }],
    ['port', { port: 0 }],
    ['databaseName', { databaseName: 'a?sslmode=disable' }],
    ['sslMode', { sslMode: 'maybe' }],
    ['maxConnections', { poolSize: 5, maxConnections: 4 }],
    ['password', { password: 'x' }],
  ])('a connection with a wrong %s names it', async (field, wrong) => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    const input = { connectionId: 'c', host: 'h', databaseName: 'd', ...wrong } as Parameters<typeof agents.connections.add>[1]
    expect((await failure(agents.connections.add('a', input), 'INVALID_ARGUMENT')).details['field']).toBe(field)
  })

  // proves S0-2-07
  // proves S0-12-01
  // proves S3-4-04
  test('outcomes recorded at once all count, and the rates follow from them', async () => {
    const { agents } = tenant()
    const { id } = await agents.register({ name: 'a', type: 'llm' })
    expect(await agents.performance.getSummary('a')).toEqual({
      agentId: id, totalTasks: 0, successRate: 0, avgTaskDurationSeconds: null, totalTokensProcessed: 0, health: 'unknown', lastActiveAt: null,
    })
    const outcomes = Array.from({ length: 30 }, (_, index) => ({ succeeded: index % 3 !== 0, durationMs: 100 * (index + 1), tokens: 10 }))
    await Promise.all(outcomes.map((outcome) => agents.performance.recordTask('a', outcome)))
    await agents.performance.recordTask('a', { succeeded: null, durationMs: 0 })
    await Promise.all([250, 750].map((responseTimeMs, index) => agents.performance.recordInteraction('a', { succeeded: index === 0, responseTimeMs })))
    const agent = await agents.get('a')
    expect(agent).toMatchObject({
      taskCount: 31, successCount: 20, errorCount: 10, successRate: 0.6667, avgTaskDurationSeconds: 1.5, totalTokensProcessed: 300,
      avgTokensPerSecond: 6.45, totalInteractions: 2, successfulInteractions: 1, averageResponseTimeSeconds: 0.5, configVersion: 1,
    })
    expect(await agents.performance.getSummary(id)).toMatchObject({ totalTasks: 31, successRate: 0.6667, avgTaskDurationSeconds: 1.5, lastActiveAt: agent.lastActiveAt })
    await agents.performance.recordTask('a', { succeeded: true, durationMs: 1e15, tokens: 1e15 })
    await failure(agents.performance.recordTask('a', { succeeded: true, durationMs: -1 }), 'INVALID_ARGUMENT')
    await failure(agents.performance.recordTask(randomUUID(), { succeeded: true, durationMs: 1 }), 'AGENT_NOT_FOUND')
    await failure(agents.performance.recordInteraction(randomUUID(), { succeeded: true, responseTimeMs: 1 }), 'AGENT_NOT_FOUND')
    await failure(agents.performance.getSummary(randomUUID()), 'AGENT_NOT_FOUND')
  })
})
