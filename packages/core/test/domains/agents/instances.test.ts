import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { sqlTargets } from '../../harness/engines.ts'
import { failure, useAgents } from './agents-fixture.ts'

describe.each(sqlTargets)('agent instances on $name', (target) => {
  const { tenant } = useAgents(target)

  // proves S1-3-04
  // proves S1-17-03
  // proves S0-2-06
  // proves S2-2-03
  test('an instance starts, beats and stops, and its agent knows', async () => {
    const { agents } = tenant()
    const agent = await agents.register({ name: 'a', type: 'llm' })
    const started = await agents.instances.start({ agentId: 'a', hostName: 'host-1', processId: '4711', port: 8080, resources: { cpu: 2 } })
    expect(started).toMatchObject({
      agentId: agent.id, hostName: 'host-1', processId: '4711', port: 8080, status: 'starting', lastHeartbeat: null, stoppedAt: null,
      resources: { cpu: 2 }, metrics: {}, state: {}, errorCount: 0, restartCount: 0,
    })
    const beaten = await agents.instances.heartbeat(started.id, { metrics: { load: 0.5 } })
    expect(beaten).toMatchObject({ status: 'running', metrics: { load: 0.5 }, resources: { cpu: 2 } })
    const known = await agents.get('a')
    expect(known.lastHeartbeat).toEqual(beaten.lastHeartbeat)
    expect(known.lastActiveAt).toEqual(beaten.lastHeartbeat)
    const stopped = await agents.instances.stop(started.id)
    expect(stopped.status).toBe('stopped')
    expect(stopped.stoppedAt).toBeInstanceOf(Date)
    expect((await agents.instances.stop(started.id)).stoppedAt).toEqual(stopped.stoppedAt)
    await failure(agents.instances.heartbeat(started.id), 'INVALID_TRANSITION')
    expect((await agents.events.list('a')).items.map((event) => event.type)).toEqual([
      'instance_stopped', 'instance_running', 'instance_started', 'registered',
    ])
  })

  // proves S1-12-05
  test('a restart begins a new life: no old heartbeat, one more restart, the old life counted as uptime', async () => {
    const { agents, sql } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    const { id } = await agents.instances.start({ agentId: 'a', hostName: 'h' })
    const begun = performance.now()
    await sql(`UPDATE agents.instances SET started_at = now() - interval '100 seconds' WHERE instance_id = $1`, [id])
    await agents.instances.heartbeat(id)
    const again = await agents.instances.restart(id, { processId: '2', hostName: 'other' })
    expect(again).toMatchObject({ status: 'starting', lastHeartbeat: null, restartCount: 1, processId: '2', hostName: 'other' })
    const { uptimeSeconds } = await agents.get('a')
    expect(uptimeSeconds).toBeGreaterThanOrEqual(100)
    expect(uptimeSeconds).toBeLessThanOrEqual(100 + (performance.now() - begun) / 1000)
    await agents.instances.heartbeat(id)
    // Plain SQL may move started_at too.
    await sql(`UPDATE agents.instances SET started_at = clock_timestamp() WHERE instance_id = $1`, [id])
    expect((await agents.instances.get(id)).lastHeartbeat).toBeNull()
    expect((await agents.events.list('a')).items.map((event) => event.type)).toContain('instance_restarted')
    await failure(sql(`UPDATE agents.instances SET last_heartbeat = started_at - interval '1 second' WHERE instance_id = $1`, [id]), 'CONSTRAINT_VIOLATION')
  })

  // proves S1-3-05
  test('statuses follow each other only as they can', async () => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    const { id } = await agents.instances.start({ agentId: 'a', hostName: 'h' })
    expect((await agents.instances.setStatus(id, 'running')).status).toBe('running')
    const error = await failure(agents.instances.setStatus(id, 'starting'), 'INVALID_TRANSITION')
    expect(error.details).toMatchObject({ from: 'running', allowed: ['stopping', 'stopped', 'error', 'crashed'] })
    expect(await agents.instances.setStatus(id, 'error')).toMatchObject({ status: 'error', errorCount: 1 })
    expect(await agents.instances.setStatus(id, 'error')).toMatchObject({ errorCount: 1 })
    await failure(agents.instances.setStatus(id, 'running'), 'INVALID_TRANSITION')
    expect(await agents.instances.restart(id)).toMatchObject({ status: 'starting', stoppedAt: null })
    await failure(agents.instances.setStatus(id, 'asleep' as 'error'), 'INVALID_ARGUMENT')
    await failure(agents.instances.setStatus(randomUUID(), 'running'), 'NOT_FOUND')
    await failure(agents.instances.get('x'), 'INVALID_ARGUMENT')
  })

  test.each([
    ['port', { port: 0 }],
    ['port', { port: 65_536 }],
    ['hostName', { hostName: '' }],
    ['metrics', { metrics: [] }],
    ['pid', { pid: 1 }],
  ])('a start with a wrong %s names it', async (field, wrong) => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    const error = await failure(agents.instances.start({ agentId: 'a', hostName: 'h', ...(wrong as object) }), 'INVALID_ARGUMENT')
    expect(error.details['field']).toBe(field)
    await failure(agents.instances.start({ agentId: randomUUID(), hostName: 'h' }), 'AGENT_NOT_FOUND')
  })

  test('silent instances are found and declared crashed once, living ones are not', async () => {
    const { agents, sql } = tenant()
    await agents.register({ name: 'a', type: 'llm', status: 'active' })
    const [dead, never, alive, ended] = await Promise.all(Array.from({ length: 4 }, () => agents.instances.start({ agentId: 'a', hostName: 'h' })))
    await agents.instances.heartbeat(alive!.id)
    await agents.instances.stop(ended!.id)
    await sql(`UPDATE agents.instances SET started_at = now() - interval '10 minutes' WHERE instance_id = ANY ($1::uuid[])`, [[dead!.id, never!.id]])
    await sql(`UPDATE agents.instances SET last_heartbeat = started_at + interval '5 minutes', status = 'running' WHERE instance_id = $1`, [dead!.id])
    const silent = [dead!.id, never!.id].sort()
    expect((await agents.instances.stale({ olderThanMs: 60_000 })).items.map((each) => each.id)).toEqual(silent)
    expect((await agents.instances.stale({ olderThanMs: 3_600_000 })).items).toEqual([])
    const rounds = await Promise.all([1, 2, 3].map(() => agents.instances.markCrashed({ olderThanMs: 60_000 })))
    expect(rounds.flat().map((each) => each.id).sort()).toEqual(silent)
    expect(rounds.flat()[0]).toMatchObject({ status: 'crashed', errorCount: 1 })
    expect(rounds.flat()[0]).not.toHaveProperty('told')
    const lost = await agents.events.list('a', { type: 'heartbeat_lost' })
    expect(lost.items.map((event) => event.data['instance_id']).sort()).toEqual(silent)
    // Until its last sign of life, the dead one lived for five minutes.
    expect((await agents.get('a')).uptimeSeconds).toBe(300)
    await failure(agents.instances.heartbeat(dead!.id), 'INVALID_TRANSITION')
    await failure(agents.instances.stale({ olderThanMs: -1 }), 'INVALID_ARGUMENT')
  })

  test('instances are listed in pages and by status', async () => {
    const { agents } = tenant()
    await agents.register({ name: 'a', type: 'llm' })
    expect((await agents.instances.list('a')).items).toEqual([])
    const ids: string[] = []
    for (let index = 0; index < 5; index++) ids.push((await agents.instances.start({ agentId: 'a', hostName: `h${index}` })).id)
    await agents.instances.stop(ids[2] as string)
    const first = await agents.instances.list('a', { limit: 3 })
    const second = await agents.instances.list('a', { limit: 3, cursor: first.nextCursor as string })
    expect([...first.items, ...second.items].map((each) => each.id)).toEqual(ids)
    expect((await agents.instances.list('a', { status: 'stopped' })).items.map((each) => each.id)).toEqual([ids[2]])
    await failure(agents.instances.list(randomUUID()), 'AGENT_NOT_FOUND')
  })

  // proves S1-16-01
  test('active agents of a type come with their running instances', async () => {
    const { agents } = tenant()
    await agents.register({ name: 'busy', type: 'analyst', status: 'active' })
    await agents.register({ name: 'bare', type: 'analyst', status: 'active' })
    await agents.register({ name: 'idle', type: 'analyst', status: 'idle' })
    await agents.register({ name: 'other', type: 'llm', status: 'active' })
    const running = await agents.instances.start({ agentId: 'busy', hostName: 'h1' })
    const { lastHeartbeat } = await agents.instances.heartbeat(running.id)
    await agents.instances.start({ agentId: 'busy', hostName: 'h2' })
    const found = await agents.activeWithInstances('analyst')
    expect(found.items.map(({ agent, instances }) => [agent.name, instances])).toEqual([
      ['busy', [{ id: running.id, hostName: 'h1', status: 'running', lastHeartbeat }]],
      ['bare', []],
    ])
    expect((await agents.activeWithInstances()).items.map(({ agent }) => agent.name)).toEqual(['busy', 'bare', 'other'])
    const first = await agents.activeWithInstances(undefined, { limit: 2 })
    expect((await agents.activeWithInstances(undefined, { limit: 2, cursor: first.nextCursor as string })).items.map(({ agent }) => agent.name)).toEqual(['other'])
  })
})
