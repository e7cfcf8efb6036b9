import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { v7 as uuidv7 } from 'uuid'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'
import { ConversationWorld, refusal, user } from './conversation-world.ts'

describe.each(sqlTargets)('chat sessions and threads on $name', (target) => {
  let world: ConversationWorld
  let database: SqlTestDatabase

  beforeAll(async () => {
    database = await target.open()
    world = new ConversationWorld(database.engine, 'sessions')
  })
  afterAll(() => database?.dispose())

  // proves S2-5-01
  it('keeps all that a session is made with, and finds it by id and by key', async () => {
    const agent = await world.agent()
    const created = await world.service.createSession({
      key: 'first',
      type: 'group',
      title: 'Plans',
      context: { topic: 'tea' },
      settings: { tone: 'kind' },
      participants: [{ kind: 'agent', id: agent, role: 'host' }, { kind: 'user', id: 'ida' }],
    })
    expect(created).toMatchObject({ key: 'first', type: 'group', status: 'active', title: 'Plans', context: { topic: 'tea' }, settings: { tone: 'kind' } })
    expect(created).toMatchObject({ summary: '', messageCount: 0, endedAt: null })
    expect(await world.service.getSession(created.id)).toEqual(created)
    expect(await world.service.getSession('first')).toEqual(created)
    expect((await world.service.participants.list(created.id)).items).toMatchObject([
      { kind: 'user', id: 'ida', role: null, leftAt: null },
      { kind: 'agent', id: agent, role: 'host', leftAt: null },
    ])
  })

  it('refuses a second session with the same key and stores nothing of it', async () => {
    await world.service.createSession({ key: 'only one' })
    expect((await refusal(world.service.createSession({ key: 'only one', title: 'again' }), 'DUPLICATE_KEY')).details).toMatchObject({ field: 'key', key: 'only one' })
    expect((await world.service.getSession('only one')).title).toBeNull()
  })

  it('stores no session when one of its agents does not exist, and names the place', async () => {
    const participants = [{ kind: 'agent' as const, id: await world.agent() }, { kind: 'agent' as const, id: uuidv7() }]
    const error = await refusal(world.service.createSession({ key: 'ghost', participants }), 'AGENT_NOT_FOUND')
    expect(error.details['field']).toBe('participants[1].id')
    expect(await world.service.findSession('ghost')).toBeNull()
  })

  // proves S2-5-03
  // proves D2-14
  it('ends for good, with the time, and takes no more messages, threads or participants', async () => {
    const { session, thread } = await world.thread()
    const ended = await world.service.endSession(session.id)
    expect(ended.status).toBe('ended')
    expect(ended.endedAt).toBeInstanceOf(Date)
    expect(await world.service.endSession(session.id)).toEqual(ended)
    await refusal(world.service.append({ threadId: thread.id, author: user, content: 'late' }), 'CONVERSATION_ENDED')
    await refusal(world.service.createThread({ sessionId: session.id }), 'CONVERSATION_ENDED')
    await refusal(world.service.participants.add(session.id, { kind: 'user', id: 'ida' }), 'CONVERSATION_ENDED')
    expect((await world.service.getSession(session.id)).messageCount).toBe(0)
    await refusal(
      world.sql.query(world.identity, `UPDATE conversations.chat_sessions SET status = 'active' WHERE tenant_id = $1 AND chat_session_id = $2`, ['sessions', session.id]),
      'CONSTRAINT_VIOLATION',
    )
  })

  // proves S2-5-04
  it('goes idle after silence, and active again with the next message', async () => {
    const idle = new ConversationWorld(world.sql, 'idlers')
    const { session, thread } = await idle.thread()
    const { session: ended } = await idle.thread()
    await idle.service.endSession(ended.id)
    expect(await idle.service.markIdle({ idleForMs: 3_600_000 })).toBe(0)
    await idle.rows(`UPDATE conversations.chat_sessions SET last_activity = now() - interval '1 day' WHERE tenant_id = 'idlers'`)
    expect(await idle.service.markIdle({ idleForMs: 3_600_000 })).toBe(1)
    expect((await idle.service.getSession(session.id)).status).toBe('idle')
    expect((await idle.service.getSession(ended.id)).status).toBe('ended')
    await idle.service.append({ threadId: thread.id, author: user, content: 'hello again' })
    const awake = await idle.service.getSession(session.id)
    expect(awake.status).toBe('active')
    expect(Date.now() - awake.lastActivity.getTime()).toBeLessThan(60_000)
  })

  // proves S2-11-03
  // proves D2-01
  it('changes only the fields given, and moves updatedAt', async () => {
    const before = await world.service.createSession({ title: 'old', context: { a: 1 }, settings: { b: 2 } })
    const after = await world.service.updateSession(before.id, { title: 'new' })
    expect(after).toMatchObject({ title: 'new', context: { a: 1 }, settings: { b: 2 } })
    expect(after.updatedAt.getTime()).toBeGreaterThanOrEqual(before.updatedAt.getTime())
    expect(await world.service.updateSession(before.id, { title: null, type: 'support', context: {} })).toMatchObject({ title: null, type: 'support', context: {} })
    expect((await world.service.setSummary(before.id, 'They talked.')).summary).toBe('They talked.')
    const moved = await world.rows<{ ok: boolean }>('SELECT updated_at > created_at AS ok FROM conversations.chat_sessions WHERE chat_session_id = $1', [before.id])
    expect(moved).toEqual([{ ok: true }])
  })

  // proves D2-11
  it('lists the sessions of a participant, without those they left', async () => {
    const one = await world.service.createSession({ participants: [{ kind: 'user', id: 'list-me' }] })
    const two = await world.service.createSession({ participants: [{ kind: 'user', id: 'list-me' }, { kind: 'user', id: 'other' }] })
    const participant = { kind: 'user', id: 'list-me' } as const
    const ids = async (): Promise<string[]> => (await world.service.listSessions({ participant })).items.map((session) => session.id)
    expect(await ids()).toEqual([two.id, one.id])
    const left = await world.service.participants.leave(one.id, participant)
    expect(left.leftAt).toBeInstanceOf(Date)
    expect(await world.service.participants.leave(one.id, participant)).toEqual(left)
    expect(await ids()).toEqual([two.id])
    expect((await world.service.participants.list(one.id)).items).toEqual([])
    expect((await world.service.participants.list(one.id, { includeLeft: true })).items).toEqual([left])
    expect(await world.service.participants.add(one.id, { ...participant, role: 'back' })).toMatchObject({ leftAt: null, role: 'back' })
    expect(await ids()).toEqual([two.id, one.id])
    await refusal(world.service.participants.leave(one.id, { kind: 'user', id: 'never there' }), 'NOT_FOUND')
    await refusal(world.service.participants.add(one.id, { kind: 'agent', id: uuidv7() }), 'AGENT_NOT_FOUND')
  })

  it('pages through sessions, threads and participants, each once, while new ones appear', async () => {
    const lists = new ConversationWorld(world.sql, 'lists')
    const made: string[] = []
    for (let n = 0; n < 7; n++) made.push((await lists.service.createSession({ type: n % 2 === 0 ? 'group' : 'support' })).id)
    const seen: string[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await lists.service.listSessions({ limit: 2, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.items.map((session) => session.id))
      await lists.service.createSession()
      cursor = page.nextCursor
    }
    expect(seen).toEqual([...made].reverse())
    expect((await lists.service.listSessions({ type: 'group' })).items.map((session) => session.id)).toEqual([made[6], made[4], made[2], made[0]])
    await lists.service.endSession(made[3] as string)
    expect((await lists.service.listSessions({ status: 'ended' })).items.map((session) => session.id)).toEqual([made[3]])

    const sessionId = made[0] as string
    const threads: string[] = []
    for (let n = 0; n < 5; n++) threads.push((await lists.service.createThread({ sessionId })).id)
    const first = await lists.service.listThreads({ sessionId, limit: 3 })
    const second = await lists.service.listThreads({ sessionId, limit: 3, cursor: first.nextCursor as string })
    expect([...first.items, ...second.items].map((thread) => thread.id)).toEqual(threads)
    expect(second.nextCursor).toBeNull()

    for (const id of ['c', 'a', 'b']) await lists.service.participants.add(sessionId, { kind: 'user', id })
    const some = await lists.service.participants.list(sessionId, { limit: 2 })
    const rest = await lists.service.participants.list(sessionId, { limit: 2, cursor: some.nextCursor as string })
    expect([...some.items, ...rest.items].map((one) => one.id)).toEqual(['a', 'b', 'c'])
    await refusal(lists.service.listThreads({ cursor: some.nextCursor as string }), 'INVALID_CURSOR')
    await refusal(lists.service.listSessions({ cursor: 'nonsense' }), 'INVALID_CURSOR')
  })

  // proves S0-3-01
  // proves S0-3-02
  // proves S0-3-03
  // proves S0-3-04
  it('keeps all that a thread is made with, and finds it by id, key, agent and type', async () => {
    const agentId = await world.agent()
    const { id: sessionId } = await world.service.createSession()
    const modelId = uuidv7()
    await world.rows(`INSERT INTO compression.requests (tenant_id, request_id, operation, input, input_sha256, input_size, max_output_bytes) VALUES ($1, 'request-7', 'compress', '', $2, 0, 1)`, ['sessions', Buffer.alloc(32)])
    const thread = await world.service.createThread({
      sessionId,
      key: 'thread one',
      type: 'compression',
      agentId,
      modelId,
      compressionRequestId: 'request-7',
      metadata: { a: [1] },
      breakerService: 'zip',
      startedAt: '2023-05-08T13:56:00Z',
    })
    expect(thread).toMatchObject({ sessionId, type: 'compression', status: 'active', agentId, modelId, compressionRequestId: 'request-7', metadata: { a: [1] } })
    expect(thread).toMatchObject({ breakerService: 'zip', messageCount: 0, totalTokens: 0, startedAt: new Date('2023-05-08T13:56:00Z'), completedAt: null })
    expect(await world.service.getThread('thread one')).toEqual(thread)
    expect(await world.service.getThread(thread.id)).toEqual(thread)
    expect((await world.service.listThreads({ agentId })).items).toEqual([thread])
    expect((await world.service.listThreads({ type: 'compression', sessionId })).items).toEqual([thread])
    await refusal(world.service.createThread({ sessionId, key: 'thread one' }), 'DUPLICATE_KEY')
    expect((await refusal(world.service.createThread({ sessionId, agentId: uuidv7() }), 'AGENT_NOT_FOUND')).details['field']).toBe('agentId')
    await refusal(world.service.createThread({ sessionId: uuidv7() }), 'NOT_FOUND')
    await refusal(world.service.createThread({ sessionId, type: 'gossip' as 'chat' }), 'INVALID_ARGUMENT')
  })

  // proves S0-3-05
  // proves S0-3-06
  it('counts failures and recoveries, and completes for good with its duration', async () => {
    const { id: sessionId } = await world.service.createSession()
    const { id } = await world.service.createThread({ sessionId, startedAt: '2026-01-01T00:00:00Z' })
    await world.service.append({ threadId: id, author: user, content: 'a', tokenCount: 30 })
    await world.service.append({ threadId: id, author: user, content: 'b', tokenCount: 12 })
    expect(await world.service.updateThread(id, { status: 'error' })).toMatchObject({ status: 'error', failureCount: 1, recoveryAttempts: 0, totalTokens: 42 })
    expect(await world.service.updateThread(id, { status: 'error' })).toMatchObject({ failureCount: 1 })
    expect(await world.service.updateThread(id, { status: 'active', metadata: { m: 1 } })).toMatchObject({ status: 'active', recoveryAttempts: 1, metadata: { m: 1 } })
    const done = await world.service.completeThread(id, { completedAt: '2026-01-01T00:01:30.250Z' })
    expect(done).toMatchObject({ status: 'completed', durationSeconds: 90.25, completedAt: new Date('2026-01-01T00:01:30.250Z') })
    expect(await world.service.completeThread(id)).toEqual(done)
    await refusal(world.service.updateThread(id, { status: 'active' }), 'INVALID_TRANSITION')
    expect(await world.service.updateThread(id, { breakerService: 'zip' })).toMatchObject({ status: 'completed', breakerService: 'zip' })
    await refusal(world.service.append({ threadId: id, author: user, content: 'c' }), 'CONVERSATION_ENDED')
    expect((await world.service.getSession(sessionId)).messageCount).toBe(2)
    await refusal(world.service.completeThread(uuidv7()), 'NOT_FOUND')
    await refusal(world.service.updateThread(uuidv7(), {}), 'NOT_FOUND')
  })

  // proves S2-9-02
  it('takes threads, messages and participants away with their session', async () => {
    const { session, thread } = await world.thread()
    await world.service.participants.add(session.id, { kind: 'user', id: 'ida' })
    const message = await world.service.append({ threadId: thread.id, author: user, content: 'a' })
    await world.service.append({ threadId: thread.id, author: user, content: 'b', replyTo: message.id })
    await world.service.edit(message.id, 'c')
    await world.rows('DELETE FROM conversations.chat_sessions WHERE tenant_id = $1 AND chat_session_id = $2', ['sessions', session.id])
    for (const table of ['participants', 'threads', 'messages', 'message_edits']) {
      expect(await world.rows(`SELECT 1 FROM conversations.${table} WHERE chat_session_id = $1`, [session.id]), table).toEqual([])
    }
  })

  it('names the field of malformed input', async () => {
    const field = async (promise: Promise<unknown>): Promise<unknown> => (await refusal(promise, 'INVALID_ARGUMENT')).details['field']
    const { service } = world
    expect(await field(service.createSession({ title: 7 } as object))).toBe('title')
    expect(await field(service.createSession({ titel: 'x' } as object))).toBe('titel')
    expect(await field(service.createSession({ key: '' }))).toBe('key')
    expect(await field(service.createSession({ key: 'k'.repeat(256) }))).toBe('key')
    expect(await field(service.createSession({ key: 'a\0b' }))).toBe('key')
    expect(await field(service.createSession({ type: 'crowd' } as object))).toBe('type')
    expect(await field(service.createSession({ context: [] as unknown as Record<string, unknown> }))).toBe('context')
    expect(await field(service.createSession({ participants: [{ kind: 'agent', id: 'scout' }] }))).toBe('participants[0].id')
    expect(await field(service.createSession(null as unknown as object))).toBe('session')
    expect(await field(service.getSession(''))).toBe('idOrKey')
    expect(await field(service.endSession('not a uuid'))).toBe('sessionId')
    expect(await field(service.listSessions({ limit: 0 }))).toBe('limit')
    expect(await field(service.markIdle({ idleForMs: -1 }))).toBe('idleForMs')
    expect(await field(service.setSummary(uuidv7(), 'a\0'))).toBe('summary')
    expect(await field(service.createThread({ sessionId: uuidv7(), startedAt: 'yesterday' }))).toBe('startedAt')
    expect((await refusal(service.createSession({ context: { n: 1n } }), 'SERIALIZATION_ERROR')).details['field']).toBe('context')
    expect((await refusal(service.createSession({ settings: { s: 'a\0' } }), 'SERIALIZATION_ERROR')).details['field']).toBe('settings')
    expect((await refusal(service.createSession({ settings: { s: 'x'.repeat(1_048_576) } }), 'PAYLOAD_TOO_LARGE')).details['field']).toBe('settings')
    await refusal(service.getSession('nobody'), 'NOT_FOUND')
  })
})
