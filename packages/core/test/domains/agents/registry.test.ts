import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { sqlTargets } from '../../harness/engines.ts'
import { failure, useAgents } from './agents-fixture.ts'

describe.each(sqlTargets)('agent registry on $name', (target) => {
  const { tenant } = useAgents(target)

  // proves S0-2-01
  // proves S1-3-01
  // proves S3-4-01
  // proves S3-4-05
  // proves S4-9.2-01
  test('a registered agent is read back whole, by id and by key', async () => {
    const { agents } = tenant()
    const input = {
      name: 'Scout 7',
      key: 'scout-7',
      type: 'analyst',
      capabilities: ['search', { name: 'sum', version: '2.0.0', parameters: { depth: 2 } }, { name: 'off', enabled: false }],
      configuration: { type: 'fast', nested: { a: [1, 2] } },
      metadata: { team: 'red' },
      claudeCliConfig: { model: 'x' },
      description: 'Finds things',
      specialization: 'deep web research',
      skills: ['reading', { name: 'writing' }],
      deploymentKind: 'remote' as const,
      softwareVersion: '3.1.0',
      endpointUrl: 'https://scout.example/run',
      healthCheckUrl: 'https://scout.example/health',
      healthCheckIntervalSeconds: 15,
      maxConcurrentRequests: 4,
      timeoutSeconds: 5,
      maxRetries: 0,
      compressionPriority: -3,
    }
    const made = await agents.register(input)
    const { capabilities: _capabilities, metadata: _metadata, ...same } = input
    expect(made).toMatchObject(same)
    expect(made.capabilities).toEqual(['search', 'sum'])
    expect(made.metadata).toMatchObject({ team: 'red', version: '3.1.0', created_at: made.createdAt.toISOString() })
    expect(made).toMatchObject({ status: 'initializing', health: 'unknown', configVersion: 1, lastHeartbeat: null, successRate: 0, parentId: null, retiredAt: null })
    expect(await agents.get(made.id)).toEqual(made)
    expect(await agents.get('scout-7')).toEqual(made)
    expect(await agents.get(made.id.toUpperCase())).toEqual(made)
  })

  // proves S2-2-01
  // proves S3-4-02
  test('defaults are those of the model, and the key is the name', async () => {
    const { agents } = tenant()
    const made = await agents.register({ name: 'plain', type: 'llm', status: 'online' })
    expect(made).toMatchObject({
      key: 'plain', status: 'active', deploymentKind: 'local', softwareVersion: '1.0.0', capabilities: [], skills: [], configuration: {},
      claudeCliConfig: {}, maxConcurrentRequests: 10, timeoutSeconds: 30, maxRetries: 3, healthCheckIntervalSeconds: 60, compressionPriority: 0,
    })
  })

  test('an unknown agent is AGENT_NOT_FOUND from get and undefined from find', async () => {
    const { agents } = tenant()
    expect(await agents.find('nobody')).toBeUndefined()
    expect(await agents.find(randomUUID())).toBeUndefined()
    expect((await failure(agents.get('nobody'), 'AGENT_NOT_FOUND')).message).toContain('"nobody"')
  })

  test.each<[string, object, string]>([
    ['an empty name', { name: '' }, 'name'],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, 'name'],
    ['a name with U+0000', { name: 'a\0b' }, 'name'],
    ['a name with a lone surrogate', { name: 'a\ud800' }, 'name'],
    ['a name that is no text', { name: 7 }, 'name'],
    ['a key like a UUID', { key: '018f2f5e-0000-7000-8000-000000000000' }, 'key'],
    ['a name like a UUID without a key', { name: '018f2f5e-0000-7000-8000-000000000000' }, 'key'],
    ['an empty type', { type: '' }, 'type'],
    ['an unknown field', { colour: 'red' }, 'colour'],
    ['an id that is no UUID', { id: 'x' }, 'id'],
    ['a configuration that is an array', { configuration: [] }, 'configuration'],
    ['skills that are no array', { skills: {} }, 'skills'],
    ['a limit of zero', { maxConcurrentRequests: 0 }, 'maxConcurrentRequests'],
    ['a fraction of a second', { timeoutSeconds: 0.5 }, 'timeoutSeconds'],
    ['an unknown status', { status: 'asleep' }, 'status'],
    ['terminated from the start', { status: 'terminated' }, 'status'],
    ['an unknown deployment kind', { deploymentKind: 'cloud' }, 'deploymentKind'],
    ['an endpoint that is no URL', { endpointUrl: 'not a url' }, 'endpointUrl'],
    ['a capability without a name', { capabilities: [{ version: '1' }] }, 'capabilities.0'],
    ['metadata with a bad time', { metadata: { created_at: 'yesterday' } }, 'metadata'],
  ])('registering with %s is INVALID_ARGUMENT naming the field', async (_case, wrong, field) => {
    const { agents } = tenant()
    const error = await failure(agents.register({ name: 'a', type: 'llm', ...wrong }), 'INVALID_ARGUMENT')
    expect(error.details['field']).toBe(field)
    expect((await agents.list()).items).toEqual([])
  })

  test('configuration that is not JSON or too large is refused by name', async () => {
    const { agents } = tenant()
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    for (const configuration of [circle, { big: 1n }, { text: 'a\0' }, { text: '\udc00' }]) {
      expect((await failure(agents.register({ name: 'a', type: 'llm', configuration }), 'SERIALIZATION_ERROR')).details['field']).toBe('configuration')
    }
    const large = { text: 'x'.repeat(1_048_577) }
    expect((await failure(agents.register({ name: 'a', type: 'llm', configuration: large }), 'PAYLOAD_TOO_LARGE')).details['field']).toBe('configuration')
  })

  // proves S1-3-02
  test('an unknown type is refused with the known ones; a tenant adds its own', async () => {
    const { agents } = tenant()
    const error = await failure(agents.register({ name: 'a', type: 'wizard' }), 'INVALID_ARGUMENT')
    expect(error.details).toMatchObject({
      field: 'type',
      known: ['analyst', 'architect', 'coordinator', 'engineer', 'llm', 'operator', 'orchestrator', 'specialist'],
    })
    expect(await agents.types.add('wizard', 'Does magic')).toEqual({ type: 'wizard', description: 'Does magic', builtin: false })
    expect((await agents.register({ name: 'a', type: 'wizard' })).type).toBe('wizard')
    const listed = await agents.types.list({ limit: 8 })
    expect(listed.nextCursor).not.toBeNull()
    expect((await agents.types.list({ cursor: listed.nextCursor as string })).items).toEqual([{ type: 'wizard', description: 'Does magic', builtin: false }])
    await failure(agents.types.add('wizard'), 'DUPLICATE_KEY')
    await failure(agents.types.add('llm'), 'DUPLICATE_KEY')
    await failure(agents.types.remove('wizard'), 'CONSTRAINT_VIOLATION')
    expect(await agents.types.remove('llm')).toBe(false)
    await agents.types.add('unused')
    expect(await agents.types.remove('unused')).toBe(true)
  })

  test('of many that register one name at once, one wins and the others get DUPLICATE_KEY', async () => {
    const { agents } = tenant()
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => agents.register({ name: 'same', type: 'llm', capabilities: ['x'] })))
    const failed = results.filter((result) => result.status === 'rejected')
    expect(failed).toHaveLength(11)
    for (const { reason } of failed) expect(reason).toMatchObject({ code: 'DUPLICATE_KEY' })
    expect((await agents.list()).items).toHaveLength(1)
    expect((await agents.capabilities.list('same')).items).toHaveLength(1)
  })

  test("with ifExists 'return', all get the one agent", async () => {
    const { agents } = tenant()
    const all = await Promise.all(Array.from({ length: 12 }, () => agents.register({ name: 'same', type: 'llm', capabilities: ['x'], ifExists: 'return' })))
    expect(new Set(all.map((agent) => agent.id)).size).toBe(1)
    expect((await agents.register({ name: 'same', type: 'analyst', ifExists: 'return' })).type).toBe('llm')
    // The name is taken, but by an agent of another key.
    await failure(agents.register({ name: 'same', key: 'other', type: 'llm', ifExists: 'return' }), 'DUPLICATE_KEY')
  })

  test('a taken key or id is told apart from a taken name', async () => {
    const { agents } = tenant()
    const made = await agents.register({ name: 'a', key: 'k', type: 'llm' })
    expect((await failure(agents.register({ name: 'a', key: 'k2', type: 'llm' }), 'DUPLICATE_KEY')).details['field']).toBe('name')
    expect((await failure(agents.register({ name: 'b', key: 'k', type: 'llm' }), 'DUPLICATE_KEY')).details['field']).toBe('key')
    expect((await failure(agents.register({ id: made.id, name: 'c', type: 'llm' }), 'DUPLICATE_KEY')).details['field']).toBe('id')
  })

  test('two tenants may use one name and key', async () => {
    const [one, two] = [tenant(), tenant()]
    const [a, b] = await Promise.all([one.agents.register({ name: 'same', type: 'llm' }), two.agents.register({ name: 'same', type: 'llm' })])
    expect(a.id).not.toBe(b.id)
    expect((await one.agents.get('same')).id).toBe(a.id)
    expect((await two.agents.get('same')).id).toBe(b.id)
  })

  test('pages cover every agent once, in the order of registration', async () => {
    const { agents } = tenant()
    for (let index = 0; index < 7; index++) await agents.register({ name: `a${index}`, type: 'llm' })
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await agents.list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map((agent) => agent.name))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6'])
    await failure(agents.list({ cursor: 'nonsense' }), 'INVALID_CURSOR')
    await failure(agents.list({ limit: 0 }), 'INVALID_ARGUMENT')
  })

  // proves S1-16-03
  test('the list is narrowed by each filter', async () => {
    const { agents } = tenant()
    const boss = await agents.register({ name: 'Boss', type: 'coordinator', capabilities: ['plan'], status: 'active' })
    await agents.register({ name: 'finder', type: 'analyst', capabilities: ['search', 'read'], parentId: 'Boss', specialization: 'Deep Web Research', status: 'active' })
    await agents.register({ name: 'writer_1', type: 'llm', capabilities: ['write', 'read'], parentId: boss.id, status: 'idle' })
    await agents.setHealth('writer_1', 'warning')
    await agents.register({ name: 'gone', type: 'llm', capabilities: ['write'] })
    await agents.retire('gone')
    const names = async (filter: Parameters<typeof agents.list>[0]) => (await agents.list(filter)).items.map((agent) => agent.name)

    expect(await names({})).toEqual(['Boss', 'finder', 'writer_1'])
    expect(await names({ includeRetired: true })).toEqual(['Boss', 'finder', 'writer_1', 'gone'])
    expect(await names({ type: 'llm' })).toEqual(['writer_1'])
    expect(await names({ status: 'online' })).toEqual(['Boss', 'finder'])
    expect(await names({ status: ['idle', 'terminated'] })).toEqual(['writer_1', 'gone'])
    expect(await names({ health: 'degraded' })).toEqual(['writer_1'])
    expect(await names({ capability: 'read' })).toEqual(['finder', 'writer_1'])
    expect(await names({ capabilities: { anyOf: ['plan', 'write'] } })).toEqual(['Boss', 'writer_1'])
    expect(await names({ capabilities: { allOf: ['read', 'write'] } })).toEqual(['writer_1'])
    expect(await names({ parentId: 'Boss' })).toEqual(['finder', 'writer_1'])
    expect(await names({ parentId: null })).toEqual(['Boss'])
    expect(await names({ search: 'R_1' })).toEqual(['writer_1'])
    expect(await names({ search: '%' })).toEqual([])
    expect(await names({ search: 'research web' })).toEqual(['finder'])
    await failure(agents.list({ parentId: 'nobody' }), 'AGENT_NOT_FOUND')
    expect((await failure(agents.list({ status: 'asleep' as 'idle' }), 'INVALID_ARGUMENT')).details['field']).toBe('status')

    expect((await agents.capabilities.match({ anyOf: ['read', 'plan'] })).items.map((agent) => agent.name)).toEqual(['Boss', 'finder'])
    expect((await agents.capabilities.match({ allOf: ['read', 'write'], status: 'idle', type: 'llm' })).items.map((agent) => agent.name)).toEqual(['writer_1'])
    await failure(agents.capabilities.match({}), 'INVALID_ARGUMENT')
  })

  test('an update changes what it names, counts the config version, and tells which fields', async () => {
    const { agents } = tenant()
    const made = await agents.register({ name: 'a', type: 'llm', metadata: { old: 1 }, description: 'first', configuration: { a: 1 } })
    const updated = await agents.update('a', { configuration: { b: 2 }, description: null, metadata: { fresh: true }, type: 'analyst' })
    expect(updated).toMatchObject({ name: 'a', configuration: { b: 2 }, description: null, type: 'analyst', configVersion: 2 })
    expect(updated.metadata).toEqual({ fresh: true, version: '1.0.0', created_at: made.createdAt.toISOString() })
    expect((await agents.update('a', {})).configVersion).toBe(2)
    expect((await agents.update('a', { type: 'analyst' })).configVersion).toBe(2)
    expect((await agents.heartbeat('a')).getTime()).toBeGreaterThan(0)
    expect((await agents.get('a')).configVersion).toBe(2)
    const [event] = (await agents.events.list('a', { type: 'config_changed' })).items
    expect(event?.data).toMatchObject({ from_version: 1, to_version: 2, fields: ['agent_type', 'configuration', 'description', 'metadata'] })
    expect((await failure(agents.update('a', { type: 'wizard' }), 'INVALID_ARGUMENT')).details['field']).toBe('type')
    await failure(agents.update('nobody', {}), 'AGENT_NOT_FOUND')
    await failure(agents.update(randomUUID(), {}), 'AGENT_NOT_FOUND')
    expect((await failure(agents.update('a', { status: 'idle' } as object), 'INVALID_ARGUMENT')).details['field']).toBe('status')
  })

  test('of concurrent updates that expect one config version, one wins', async () => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => agents.update('a', { configuration: { index } }, { ifConfigVersion: 1 })),
    )
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    const error = await failure(agents.update('a', { name: 'b' }, { ifConfigVersion: 1 }), 'VERSION_CONFLICT')
    expect(error.details).toMatchObject({ expected: 1, current: 2 })
    await failure(agents.update('a', {}, { ifConfigVersion: 1.5 }), 'INVALID_ARGUMENT')
  })

  test('exists tells which ids are known', async () => {
    const { agents } = tenant()
    const made = await agents.register({ name: 'a', type: 'llm' })
    expect(await agents.exists([made.id, randomUUID()])).toEqual(new Set([made.id]))
    expect(await agents.exists([])).toEqual(new Set())
    expect(await agents.resolveId('a')).toBe(made.id)
  })
})
