import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type TaskWorker } from '../../../src/index.ts'
import { type CairnPlace, cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { refusal } from '../conversations/conversation-world.ts'
import { NODE_FLAGS } from '../../harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./worker-process.ts', import.meta.url))
const prose = 'Agents compress what they keep, and keep what they compress. '.repeat(300)

describe.each(cairnTargets)('compression requests ($name)', (target) => {
  let cairn: Cairn
  let place: CairnPlace
  let dispose: () => Promise<void>
  const workers: TaskWorker[] = []

  beforeAll(async () => ({ cairn, place, dispose } = await openCairn(target)))
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.stop()))
    await dispose?.()
  })
  const employ = async (who: Cairn, options: Parameters<Cairn['compression']['work']>[0] = {}): Promise<TaskWorker> => {
    const worker = await who.compression.work({ pollMs: 50, ...options })
    workers.push(worker)
    return worker
  }

  // proves S0-1-02
  // proves S0-11-01
  // proves S0-11-02
  // proves D0-26
  it('are executed by an agent as a task, with sizes, ratio, time, CPU and memory', async () => {
    const mine = cairn.as({ tenant: 'agents' })
    const agent = await mine.agents.register({ name: 'packer', type: 'specialist' })
    const other = await mine.agents.register({ name: 'idler', type: 'specialist' })
    const made = await mine.compression.requests.create({ data: prose, agent: 'packer', metadata: { why: 'test' } })
    expect(made).toMatchObject({ status: 'pending', operation: 'compress', algorithm: null, inputBytes: prose.length, outputBytes: null, ratio: null, agentId: agent.id, attempts: 0, metadata: { why: 'test' } })
    await employ(mine, { agent: other.id })
    await employ(mine, { agent: agent.id })
    const done = await mine.compression.requests.wait(made.id)
    expect(done).toMatchObject({ id: made.id, status: 'completed', inputBytes: prose.length, agentId: agent.id, attempts: 1, errorCode: null, completedAt: expect.any(Date) as Date })
    expect(done.ratio).toBeCloseTo(prose.length / (done.outputBytes ?? 0))
    expect(done.executionMs).toBeGreaterThanOrEqual(0)
    expect(done.cpuPercent).toBeGreaterThanOrEqual(0)
    expect(done.memoryMb).toBeGreaterThan(1)
    expect(done.agentMetadata).toMatchObject({ attempt: 1 })
    expect(done.choice).toMatchObject({ algorithm: done.algorithm, goal: 'balanced', reason: expect.any(String) as string })
    const output = await mine.compression.requests.output(made.id)
    expect(Buffer.from(await mine.compression.decompress(output, { algorithm: done.algorithm ?? 'none' })).toString()).toBe(prose)

    const task = await mine.tasks.get(`compression/${made.id}`)
    expect(task).toMatchObject({ type: 'compression.compress', status: 'completed', agentId: agent.id, result: { requestId: made.id, status: 'completed' } })
    // One relation, kept in the task's row; the other side is a view.
    const { rows } = await mine.engines.sql.query(mine.identity, 'SELECT task_id, task_status FROM compression.request_tasks WHERE tenant_id = $1 AND request_id = $2', ['agents', made.id])
    expect(rows).toEqual([{ task_id: task.id, task_status: 'completed' }])
  })

  // proves S0-2-02
  it('keep to the algorithms that their agent takes', async () => {
    const mine = cairn.as({ tenant: 'picky' })
    const agent = await mine.agents.register({ name: 'picky', type: 'specialist', compressionPriority: 7 })
    expect(await mine.compression.agentAlgorithms('picky')).toEqual([])
    expect(await mine.compression.setAgentAlgorithms('picky', ['lz4', 'gzip', 'lz4'])).toEqual(['gzip', 'lz4'])
    expect((await refusal(mine.compression.requests.create({ data: 'x', algorithm: 'brotli', agent: agent.id }), 'INVALID_ARGUMENT')).details).toMatchObject({ field: 'algorithm', known: ['gzip', 'lz4'] })
    const { id } = await mine.compression.requests.create({ data: prose, agent: 'picky', goal: 'ratio' })
    await employ(mine)
    const done = await mine.compression.requests.wait(id)
    expect(['gzip', 'lz4']).toContain(done.algorithm)
    expect((done.choice['measurements'] as unknown[]).length).toBe(2)
    expect(await mine.compression.setAgentAlgorithms('picky', [])).toEqual([])
    await refusal(mine.compression.setAgentAlgorithms('nobody', []), 'AGENT_NOT_FOUND')
  })

  it('fail for good, with the code, when the bytes are damaged or too many', async () => {
    const mine = cairn.as({ tenant: 'failing' })
    const { requests } = mine.compression
    const bomb = await mine.compression.compress(new Uint8Array(4_000_000), { algorithm: 'zstd' })
    const corrupt = await requests.create({ data: randomBytes(500), operation: 'decompress', algorithm: 'gzip' })
    const large = await requests.create({ data: bomb.data, operation: 'decompress', algorithm: 'zstd', maxOutputBytes: 1_000_000 })
    const fine = await requests.create({ data: bomb.data, operation: 'decompress', algorithm: 'zstd' })
    await employ(mine)
    expect(await requests.wait(corrupt.id)).toMatchObject({ status: 'failed', errorCode: 'COMPRESSED_DATA_CORRUPT', outputBytes: null, attempts: 1 })
    expect(await requests.wait(large.id)).toMatchObject({ status: 'failed', errorCode: 'DECOMPRESSION_LIMIT', attempts: 1 })
    expect(await requests.wait(fine.id)).toMatchObject({ status: 'completed', outputBytes: 4_000_000 })
    expect((await requests.list({ status: 'failed' })).items.map(({ id }) => id)).toEqual([large.id, corrupt.id])
    expect((await refusal(requests.output(corrupt.id), 'INVALID_TRANSITION')).details).toMatchObject({ status: 'failed' })
    expect((await mine.tasks.get(`compression/${large.id}`)).errorMessage).toContain('DECOMPRESSION_LIMIT')
  })

  it('run again when their worker is silent, and store one result', async () => {
    const mine = cairn.as({ tenant: 'dying' })
    const { id } = await mine.compression.requests.create({ data: prose, algorithm: 'gzip' })
    // A worker that took the request, began it, and was never heard of again.
    const dead = await mine.tasks.work('compression.compress', async () => {
      await mine.engines.sql.query(mine.identity, `UPDATE compression.requests SET status = 'running', attempts = attempts + 1 WHERE tenant_id = 'dying' AND request_id = $1`, [id])
      await new Promise(() => undefined)
    }, { leaseMs: 60_000, drainMs: 0, pollMs: 50 })
    await until('it runs', async () => (await mine.compression.requests.get(id)).status === 'running')
    await mine.engines.sql.query(mine.identity, `UPDATE tasks.workers SET heartbeat_at = heartbeat_at - interval '1 hour', lease_ms = 200 WHERE tenant_id = 'dying'`)
    await employ(mine)
    const done = await mine.compression.requests.wait(id)
    expect(done).toMatchObject({ status: 'completed', attempts: 2 })
    // What the first attempt says afterwards changes nothing.
    const late = await mine.engines.sql.query(mine.identity, `UPDATE compression.requests SET status = 'failed' WHERE tenant_id = 'dying' AND request_id = $1 AND status = 'running' AND attempts = 1`, [id])
    expect(late.rowCount).toBe(0)
    expect(await mine.compression.requests.get(id)).toEqual(done)
    await dead.stop()
  })

  it('end with their task when it was cancelled or given up', async () => {
    const mine = cairn.as({ tenant: 'ending' })
    const { requests } = mine.compression
    const [cancelled, byTask, deleted] = await Promise.all(['a', 'b', 'c'].map((data) => requests.create({ data })))
    expect(await requests.cancel(cancelled?.id ?? '')).toMatchObject({ status: 'cancelled', completedAt: expect.any(Date) as Date })
    expect((await mine.tasks.get(`compression/${cancelled?.id}`)).status).toBe('cancelled')
    expect(await requests.cancel(cancelled?.id ?? '')).toMatchObject({ status: 'cancelled' })
    await mine.tasks.cancel(`compression/${byTask?.id}`)
    expect((await requests.list()).items.find(({ id }) => id === byTask?.id)).toMatchObject({ status: 'cancelled' })
    expect(await requests.delete(deleted?.id ?? '')).toBe(true)
    expect(await requests.delete(deleted?.id ?? '')).toBe(false)
    await refusal(requests.get(deleted?.id ?? ''), 'NOT_FOUND')
    expect((await mine.tasks.get(`compression/${deleted?.id}`)).status).toBe('cancelled')
    const first = await requests.list({ limit: 1 })
    expect(first.items).toHaveLength(1)
    expect((await requests.list({ limit: 1, cursor: first.nextCursor ?? '' })).items).toHaveLength(1)
  })

  // proves S0-5-02
  // proves S0-10-02
  it('are named by their tasks and name their agents by foreign keys', async () => {
    const mine = cairn.as({ tenant: 'keys' })
    const { id } = await mine.compression.requests.create({ data: 'x', algorithm: 'zstd' })
    const sql = (text: string, values: readonly unknown[]) => mine.engines.sql.query(mine.identity, text, values)
    const { rows } = await sql(`SELECT compression_request_id, algorithm_id FROM tasks.queue WHERE tenant_id = 'keys' AND task_type = 'compression.compress'`, [])
    expect(rows).toEqual([{ compression_request_id: id, algorithm_id: 'zstd' }])
    await refusal(sql(`UPDATE tasks.queue SET compression_request_id = $1 WHERE tenant_id = 'keys'`, ['ghost']), 'CONSTRAINT_VIOLATION')
    await refusal(sql(`UPDATE tasks.queue SET algorithm_id = $1 WHERE tenant_id = 'keys'`, ['ghost']), 'CONSTRAINT_VIOLATION')
    await refusal(sql(`UPDATE compression.requests SET assigned_agent_id = $1::uuid WHERE tenant_id = 'keys'`, [randomUUID()]), 'CONSTRAINT_VIOLATION')
  })

  // proves D0-20
  it('are what a thread may name, and nothing else is', async () => {
    const mine = cairn.as({ tenant: 'threads' })
    const session = await mine.conversations.createSession()
    const { id } = await mine.compression.requests.create({ data: 'x' })
    const thread = await mine.conversations.createThread({ sessionId: session.id, type: 'compression', compressionRequestId: id })
    expect(thread.compressionRequestId).toBe(id)
    const elsewhere = await cairn.as({ tenant: 'elsewhere' }).compression.requests.create({ data: 'x' })
    for (const ghost of ['no such request', elsewhere.id]) {
      expect((await refusal(mine.conversations.createThread({ sessionId: session.id, compressionRequestId: ghost }), 'NOT_FOUND')).details).toMatchObject({ thing: 'compression request', id: ghost })
      await refusal(mine.conversations.updateThread(thread.id, { compressionRequestId: ghost }), 'NOT_FOUND')
    }
    expect(await mine.compression.requests.delete(id)).toBe(true)
    expect((await mine.conversations.getThread(thread.id)).compressionRequestId).toBeNull()
  })

  it('refuse malformed input and too much of it', async () => {
    const { requests } = cairn.compression
    const field = async (promise: Promise<unknown>): Promise<unknown> => (await refusal(promise, 'INVALID_ARGUMENT')).details['field']
    expect(await field(requests.create({} as never))).toBe('data')
    expect(await field(requests.create({ data: 'x', operation: 'decompress' }))).toBe('algorithm')
    expect(await field(requests.create({ data: 'x', level: 3 }))).toBe('level')
    expect(await field(requests.create({ data: 'x', algorithm: 'snappy' as 'gzip' }))).toBe('algorithm')
    expect(await field(requests.create({ data: 'x', maxOutputBytes: 1e12 }))).toBe('maxOutputBytes')
    expect(await field(requests.list({ status: 'lost' as 'failed' }))).toBe('status')
    expect(await field(requests.get(''))).toBe('id')
    await refusal(requests.create({ data: 'x', metadata: { bad: '\0' } }), 'SERIALIZATION_ERROR')
    await refusal(requests.create({ data: 'x', agent: 'ghost' }), 'AGENT_NOT_FOUND')
    await refusal(requests.list({ cursor: 'nonsense' }), 'INVALID_CURSOR')
    expect((await refusal(requests.create({ data: new Uint8Array(16 * 1_048_576 + 1) }), 'PAYLOAD_TOO_LARGE')).details).toMatchObject({ field: 'data' })
    const ten = await requests.create({ data: 'ten megabytes '.repeat(750_000), algorithm: 'zstd' })
    expect(ten.inputBytes).toBe(10_500_000)
  })

  it('are kept apart by tenant in every method', async () => {
    const theirs = cairn.as({ tenant: 'theirs' })
    const mine = cairn.as({ tenant: 'mine' })
    const agent = await theirs.agents.register({ name: 'theirs', type: 'specialist' })
    await theirs.compression.setAgentAlgorithms(agent.id, ['gzip'])
    const { id } = await theirs.compression.requests.create({ data: 'secret', algorithm: 'gzip' })
    await employ(mine)
    const calls = [
      () => mine.compression.requests.get(id),
      () => mine.compression.requests.output(id),
      () => mine.compression.requests.wait(id),
      () => mine.compression.requests.cancel(id),
    ]
    for (const call of calls) await refusal(call(), 'NOT_FOUND')
    expect(await mine.compression.requests.delete(id)).toBe(false)
    expect((await mine.compression.requests.list()).items).toEqual([])
    await refusal(mine.compression.requests.list({ agent: agent.id }), 'AGENT_NOT_FOUND')
    await refusal(mine.compression.requests.list({ agent: 'theirs' }), 'AGENT_NOT_FOUND')
    await refusal(mine.compression.requests.create({ data: 'x', agent: agent.id }), 'AGENT_NOT_FOUND')
    await refusal(mine.compression.agentAlgorithms(agent.id), 'AGENT_NOT_FOUND')
    await refusal(mine.compression.setAgentAlgorithms(agent.id, []), 'AGENT_NOT_FOUND')
    await refusal(mine.compression.work({ agent: agent.id }), 'AGENT_NOT_FOUND')
    expect(await theirs.compression.requests.get(id)).toMatchObject({ status: 'pending', attempts: 0 })
    for (const table of ['algorithms', 'statistics', 'requests', 'agent_algorithms']) {
      const { rows } = await mine.engines.sql.query(mine.identity, `SELECT 1 FROM compression.${table} WHERE tenant_id <> 'mine'`)
      expect(rows, table).toEqual([])
    }
  })

  it('are done once though the process that executes them is killed', async () => {
    // Embedded, a killed process takes its engines with it: the next one claims the task as after silence, above.
    if (target.name === 'embedded') return
    const mine = cairn.as({ tenant: 'killed' })
    // Seconds of work, so that it dies in the middle.
    const { id } = await mine.compression.requests.create({ data: randomBytes(6_000_000).toString('base64'), algorithm: 'brotli', level: 11 })
    const argument = JSON.stringify({ options: place.options, tenant: 'killed' })
    const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, argument], { stdio: ['ignore', 'ignore', 'inherit'] })
    const exited = once(child, 'exit')
    try {
      await until('the process runs it', async () => (await mine.compression.requests.get(id)).status === 'running', 20_000)
    } finally {
      child.kill('SIGKILL')
      await exited
    }
    // The rest of the test should not take those seconds: a quicker level for whoever comes next.
    await mine.engines.sql.query(mine.identity, `UPDATE compression.requests SET level = 1 WHERE tenant_id = 'killed' AND request_id = $1`, [id])
    await employ(mine)
    expect(await mine.compression.requests.wait(id)).toMatchObject({ status: 'completed', attempts: 2, inputBytes: 8_000_000, level: 1 })
    expect((await mine.tasks.get(`compression/${id}`)).lostCount).toBe(1)
  })
})
