import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { type Cairn, isCairnError } from '../../../src/index.ts'
import { type CairnPlace, cairnTargets, openCairn } from '../../harness/cairns.ts'

const codeOf = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : error))

/** What a waiting task refers to is kept by triggers with conditions instead of foreign keys: they must promise the same. */
describe.each(cairnTargets)('what a waiting task refers to ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose?.())

  it('exists, in this tenant', async () => {
    const agent = await cairn.agents.register({ name: 'here', type: 'llm' })
    const task = await cairn.tasks.enqueue({ type: 'linked', agent: agent.id, createdBy: agent.id })
    expect(await cairn.tasks.get(task.id)).toMatchObject({ agentId: agent.id, createdBy: agent.id })
    expect(await codeOf(cairn.tasks.enqueue({ type: 'linked', agent: uuidv7() }))).toBe('AGENT_NOT_FOUND')
    expect(await codeOf(cairn.tasks.enqueue({ type: 'linked', createdBy: uuidv7() }))).toBe('AGENT_NOT_FOUND')
    expect(await codeOf(cairn.tasks.enqueueMany([{ type: 'linked' }, { type: 'linked', agent: uuidv7() }]))).toBe('AGENT_NOT_FOUND')
    expect((await cairn.tasks.list({ type: 'linked' })).items).toHaveLength(1)
    const other = cairn.as({ tenant: 'elsewhere' })
    expect(await codeOf(other.tasks.enqueue({ type: 'linked', agent: agent.id }))).toBe('AGENT_NOT_FOUND')
    expect((await other.tasks.list()).items).toEqual([])
  })
})

describe('what a waiting task refers to, with transactions side by side (servers)', () => {
  let cairn: Cairn
  let place: CairnPlace
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, place, dispose } = await openCairn(cairnTargets[1] as (typeof cairnTargets)[number]))
  })
  afterAll(() => dispose?.())

  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: (place.options as { postgres: string }).postgres })
    await client.connect()
    clients.push(client)
    return client
  }
  const clients: pg.Client[] = []
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.end())))
  const insert = `INSERT INTO tasks.queue (tenant_id, task_id, task_type, payload, assigned_agent_id, created_by_agent_id) VALUES ('default', $1, 'race', '{}', $2, $2)`

  it('is checked for each of its columns, also when it changes', async () => {
    const one = await connect()
    const { id } = await cairn.tasks.enqueue({ type: 'columns' })
    for (const [column, value] of [['assigned_agent_id', uuidv7()], ['created_by_agent_id', uuidv7()], ['compression_request_id', 'none'], ['algorithm_id', 'none']] as const) {
      await expect(one.query(`UPDATE tasks.queue SET ${column} = $1 WHERE task_id = $2`, [value, id])).rejects.toMatchObject({ code: '23503', column })
    }
  })

  it('is set to NULL when it is deleted, also by a deletion that began before the task was committed', async () => {
    const [one, two] = [await connect(), await connect()]
    const agent = await cairn.agents.register({ name: 'leaves', type: 'llm' })
    const waiting = await cairn.tasks.enqueue({ type: 'race', agent: agent.id })
    const racing = uuidv7()
    await one.query('BEGIN')
    await one.query(insert, [racing, agent.id])
    const deletion = two.query(`DELETE FROM agents.registry WHERE agent_id = $1`, [agent.id])
    await one.query('SELECT pg_sleep(0.2)')
    await one.query('COMMIT')
    expect((await deletion).rowCount).toBe(1)
    for (const id of [waiting.id, racing]) expect(await cairn.tasks.get(id)).toMatchObject({ agentId: null, createdBy: null, status: 'queued' })
  })

  it('is missed by a task that waited for its deletion', async () => {
    const [one, two] = [await connect(), await connect()]
    const agent = await cairn.agents.register({ name: 'goes', type: 'llm' })
    await one.query('BEGIN')
    await one.query(`DELETE FROM agents.registry WHERE agent_id = $1`, [agent.id])
    const late = two.query(insert, [uuidv7(), agent.id]).then(() => 'stored', (error: pg.DatabaseError) => error.code)
    await one.query('SELECT pg_sleep(0.2)')
    await one.query('COMMIT')
    expect(await late).toBe('23503')
  })

  it('is not deleted with a snapshot that may be too old to see all tasks, and keeps its key', async () => {
    const one = await connect()
    const agent = await cairn.agents.register({ name: 'stays', type: 'llm' })
    await one.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await expect(one.query(`DELETE FROM agents.registry WHERE agent_id = $1`, [agent.id])).rejects.toMatchObject({ code: '0A000' })
    await one.query('ROLLBACK')
    await expect(one.query(`UPDATE agents.registry SET agent_id = $2 WHERE agent_id = $1`, [agent.id, uuidv7()])).rejects.toMatchObject({ code: '23503' })
  })
})
