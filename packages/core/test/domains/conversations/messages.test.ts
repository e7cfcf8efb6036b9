import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { v7 as uuidv7 } from 'uuid'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { ConversationWorld, refusal, user } from './conversation-world.ts'

describe.each(sqlTargets)('messages on $name', (target) => {
  let world: ConversationWorld
  let database: SqlTestDatabase

  beforeAll(async () => {
    database = await target.open()
    world = new ConversationWorld(database.engine, 'messages')
  })
  afterAll(() => database?.dispose())

  // proves S2-6-01
  // proves S2-6-02
  // proves S2-6-03
  it('keeps all that a message is made with, for every kind of author', async () => {
    const agentId = await world.agent()
    const userId = uuidv7()
    const { session, thread } = await world.thread()
    const authors = [
      { kind: 'user', userId, label: 'Ida' },
      { kind: 'assistant', agentId },
      { kind: 'system' },
      { kind: 'agent', agentId, label: 'scout' },
      { kind: 'tool', label: 'search' },
    ] as const
    const sentAt = new Date('2023-05-08T13:56:00.123Z')
    for (const [index, author] of authors.entries()) {
      const message = await world.service.append({
        threadId: thread.id,
        author,
        content: 'Grüße, 世界 🏔 \\u0000 "quoted"\n',
        metadata: { text: '\\u0000', deep: { n: 1.5 } },
        attachments: ['https://example.org/a b.png', '{"x",y}', 'NULL'],
        tokenCount: 5,
        sentAt,
        key: `kind ${index}`,
      })
      expect(message).toEqual({
        id: message.id,
        key: `kind ${index}`,
        sessionId: session.id,
        threadId: thread.id,
        seq: index + 1,
        sessionSeq: index + 1,
        author: { agentId: null, userId: null, label: null, ...author },
        content: 'Grüße, 世界 🏔 \\u0000 "quoted"\n',
        metadata: { text: '\\u0000', deep: { n: 1.5 } },
        attachments: ['https://example.org/a b.png', '{"x",y}', 'NULL'],
        replyTo: null,
        tokenCount: 5,
        tokenEncoding: null,
        durationMs: null,
        sentAt,
        editCount: 0,
        editedAt: null,
      })
      expect(await world.service.getMessage(message.id)).toEqual(message)
      expect(await world.service.getMessage(`kind ${index}`)).toEqual(message)
    }
    expect(await world.service.getThread(thread.id)).toMatchObject({ messageCount: 5, totalTokens: 25 })
    expect(await world.service.getSession(session.id)).toMatchObject({ messageCount: 5 })
  })

  // proves D2-09
  it('numbers messages in the order of appending, per thread and per session, also within one batch', async () => {
    const { session, thread: first } = await world.thread()
    const second = await world.service.createThread({ sessionId: session.id })
    const batch = Array.from({ length: 50 }, (_, n) => ({ author: user, content: `${n}` }))
    await world.service.appendMany(first.id, batch)
    const other = await world.service.append({ threadId: second.id, author: user, content: 'between' })
    const more = await world.service.appendMany(first.id, batch)
    expect(other).toMatchObject({ seq: 1, sessionSeq: 51 })
    expect(more.map((message) => [message.seq, message.sessionSeq, message.content])).toEqual(batch.map((one, n) => [51 + n, 52 + n, one.content]))
    expect(await world.service.appendMany(first.id, [])).toEqual([])
  })

  it('reads threads and sessions in both directions, complete and stable while others append', async () => {
    const { session, thread } = await world.thread()
    const append = (n: number) => world.service.append({ threadId: thread.id, author: user, content: `${n}` })
    for (let n = 1; n <= 10; n++) await append(n)
    for (const scope of [{ threadId: thread.id }, { sessionId: session.id }]) {
      for (const order of ['asc', 'desc'] as const) {
        const seen: number[] = []
        let cursor: string | undefined
        const started = (await world.service.getThread(thread.id)).messageCount
        for (let page = 0; seen.length < started; page++) {
          const { items, nextCursor } = await world.service.messages({ ...scope, order, limit: 3, ...(cursor === undefined ? {} : { cursor }) })
          seen.push(...items.map((message) => (scope.threadId === undefined ? message.sessionSeq : message.seq)))
          if (nextCursor === null) break
          cursor = nextCursor
          await append(page)
        }
        const expected = Array.from({ length: seen.length }, (_, n) => (order === 'asc' ? n + 1 : started - n))
        expect(seen).toEqual(expected)
        expect(seen.length).toBeGreaterThanOrEqual(started)
      }
    }
    const some = (await world.service.messages({ threadId: thread.id, after: 3, before: 7 })).items
    expect(some.map((message) => message.seq)).toEqual([4, 5, 6])
    const page = await world.service.messages({ threadId: thread.id, limit: 1 })
    await refusal(world.service.messages({ sessionId: session.id, cursor: page.nextCursor as string }), 'INVALID_CURSOR')
    await refusal(world.service.messages({ threadId: thread.id, order: 'desc', cursor: page.nextCursor as string }), 'INVALID_CURSOR')
    await refusal(world.service.messages({ threadId: uuidv7() }), 'NOT_FOUND')
    await refusal(world.service.messages({ sessionId: session.id, threadId: thread.id }), 'INVALID_ARGUMENT')
    await refusal(world.service.messages({}), 'INVALID_ARGUMENT')
  })

  it('stores a keyed message once, whatever happened since, and refuses the key for another message', async () => {
    const { session, thread } = await world.thread()
    const input = { threadId: thread.id, author: user, content: 'once', metadata: { b: 1, a: 2 }, key: 'retry me' }
    const stored = await world.service.append(input)
    expect(await world.service.append({ ...input, metadata: { a: 2, b: 1 } })).toEqual(stored)
    const error = await refusal(world.service.append({ ...input, content: 'twice' }), 'DUPLICATE_KEY')
    expect(error.details).toMatchObject({ field: 'key', key: 'retry me', messageId: stored.id })
    const mixed = [{ author: user, content: 'new' }, { author: user, content: 'other', key: 'retry me' }]
    expect((await refusal(world.service.appendMany(thread.id, mixed), 'DUPLICATE_KEY')).details['field']).toBe('messages[1].key')
    expect((await refusal(world.service.appendMany(thread.id, [{ author: user, content: 'a', key: 'x' }, { author: user, content: 'a', key: 'x' }]), 'INVALID_ARGUMENT')).details['field']).toBe('messages[1].key')
    expect((await world.service.getThread(thread.id)).messageCount).toBe(1)

    const { threadId: _, ...message } = input
    const batch = await world.service.appendMany(thread.id, [{ author: user, content: 'before' }, message, { author: user, content: 'after' }])
    expect(batch.map((one) => [one.content, one.seq])).toEqual([['before', 2], ['once', 1], ['after', 3]])
    const edited = await world.service.edit(stored.id, 'changed')
    await world.service.endSession(session.id)
    expect(await world.service.append(input)).toEqual(edited)
  })

  // proves D2-08
  it('takes replies to messages of the same session only', async () => {
    const { session, thread } = await world.thread()
    const sibling = await world.service.createThread({ sessionId: session.id })
    const { thread: stranger } = await world.thread()
    const question = await world.service.append({ threadId: thread.id, author: user, content: '?' })
    const answer = await world.service.append({ threadId: sibling.id, author: user, content: '!', replyTo: question.id })
    expect(answer.replyTo).toBe(question.id)
    for (const replyTo of [question.id, uuidv7()]) {
      const error = await refusal(world.service.append({ threadId: stranger.id, author: user, content: '!', replyTo }), 'INVALID_ARGUMENT')
      expect(error.details['field']).toBe('replyTo')
    }
    const batch = [{ author: user, content: 'fine' }, { author: user, content: '!', replyTo: question.id }]
    expect((await refusal(world.service.appendMany(stranger.id, batch), 'INVALID_ARGUMENT')).details['field']).toBe('messages[1].replyTo')
    expect(await world.service.getThread(stranger.id)).toMatchObject({ messageCount: 0 })
    expect(await world.service.append({ threadId: stranger.id, author: user, content: 'first' })).toMatchObject({ seq: 1, sessionSeq: 1 })
  })

  it('refuses an author who does not exist, and a thread that does not', async () => {
    const { thread } = await world.thread()
    const ghost = { kind: 'agent', agentId: uuidv7() } as const
    expect((await refusal(world.service.append({ threadId: thread.id, author: ghost, content: 'boo' }), 'AGENT_NOT_FOUND')).details['field']).toBe('author.agentId')
    await refusal(world.service.append({ threadId: uuidv7(), author: user, content: 'x' }), 'NOT_FOUND')
    await refusal(world.service.appendMany(uuidv7(), []), 'NOT_FOUND')
  })

  it('keeps what a message said before each edit', async () => {
    const { thread } = await world.thread()
    const message = await world.service.append({ threadId: thread.id, author: user, content: 'one' })
    expect((await world.service.edits(message.id)).items).toEqual([])
    await world.service.edit(message.id, 'two')
    expect(await world.service.edit(message.id, 'two')).toMatchObject({ content: 'two', editCount: 1 })
    await Promise.all(Array.from({ length: 6 }, (_, n) => world.service.edit(message.id, `race ${n}`)))
    const last = await world.service.getMessage(message.id)
    expect(last.editCount).toBe(7)
    expect(last.editedAt).toBeInstanceOf(Date)
    const first = await world.service.edits(message.id, { limit: 5 })
    const rest = await world.service.edits(message.id, { limit: 5, cursor: first.nextCursor as string })
    const all = [...first.items, ...rest.items]
    expect(all.map((edit) => edit.editNo)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(all.slice(0, 2)).toMatchObject([{ previousContent: 'one', editedBy: 'user:tester' }, { previousContent: 'two' }])
    expect(new Set([...all.slice(2).map((edit) => edit.previousContent), last.content]).size).toBe(6)
    expect(last.seq).toBe(1)
    await refusal(world.service.edit(uuidv7(), 'x'), 'NOT_FOUND')
    await refusal(world.service.edits(uuidv7()), 'NOT_FOUND')
  })

  it('names the field of malformed input, and stores none of the batch', async () => {
    const { thread } = await world.thread()
    const field = async (promise: Promise<unknown>, code = 'INVALID_ARGUMENT'): Promise<unknown> => (await refusal(promise, code)).details['field']
    const append = (message: object): Promise<unknown> => world.service.append({ threadId: thread.id, author: user, content: 'x', ...message })
    expect(await field(append({ content: 'a\0b' }))).toBe('content')
    expect(await field(append({ content: 'a\ud800b' }))).toBe('content')
    expect(await field(append({ content: null }))).toBe('content')
    expect(await field(append({ content: 'x'.repeat(1_048_577) }), 'PAYLOAD_TOO_LARGE')).toBe('content')
    expect(await field(append({ author: { kind: 'robot' } }))).toBe('author.kind')
    expect(await field(append({ author: { kind: 'agent' } }))).toBe('author.agentId')
    expect(await field(append({ author: { kind: 'system', userId: uuidv7() } }))).toBe('author.userId')
    expect(await field(append({ author: { kind: 'user', label: '\0' } }))).toBe('author.label')
    expect(await field(append({ attachments: ['ok', 'a\0'] }))).toBe('attachments[1]')
    expect(await field(append({ attachments: ['x'.repeat(1_048_577)] }), 'PAYLOAD_TOO_LARGE')).toBe('attachments[0]')
    expect(await field(append({ tokenCount: -1 }))).toBe('tokenCount')
    expect(await field(append({ tokenCount: 1.5 }))).toBe('tokenCount')
    expect(await field(append({ sentAt: new Date(Number.NaN) }))).toBe('sentAt')
    expect(await field(append({ replyTo: 'the last one' }))).toBe('replyTo')
    expect(await field(append({ colour: 'red' }))).toBe('colour')
    expect(await field(append({ metadata: { s: 'a\0' } }), 'SERIALIZATION_ERROR')).toBe('metadata')
    expect(await field(append({ metadata: { s: '\ud800' } }), 'SERIALIZATION_ERROR')).toBe('metadata')
    expect(await field(world.service.appendMany(thread.id, [{ author: user, content: 'ok' }, { author: user, content: '\0' }]))).toBe('messages[1].content')
    expect(await field(world.service.appendMany(thread.id, 'text' as unknown as []))).toBe('messages')
    expect(await field(world.service.edit(uuidv7(), '\0'))).toBe('content')
    expect(await world.service.getThread(thread.id)).toMatchObject({ messageCount: 0 })
    expect(await append({ content: 'x'.repeat(1_048_576) })).toMatchObject({ seq: 1 })
    expect(await append({ content: '' })).toMatchObject({ seq: 2, content: '' })
  })

  // proves S2-10-02
  // proves S0-3-09
  it('reads a thread, a session and the newest messages through an index', async () => {
    const { session, thread } = await world.thread()
    await world.service.appendMany(thread.id, Array.from({ length: 3000 }, () => ({ author: user, content: 'x' })))
    await world.sql.query(OWNER, 'ANALYZE conversations.messages')
    const plan = async (text: string, values: readonly unknown[]): Promise<string> =>
      (await world.rows<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values)).map((row) => row['QUERY PLAN']).join('\n')
    for (const [column, id, order] of [['thread_id', thread.id, 'seq'], ['chat_session_id', session.id, 'session_seq']] as const) {
      const text = await plan(`SELECT * FROM conversations.messages WHERE tenant_id = $1 AND ${column} = $2 AND ${order} > 5 ORDER BY ${order} LIMIT 100`, ['messages', id])
      expect(text).toMatch(/Index Scan/)
      expect(text).not.toMatch(/Sort|Seq Scan/)
    }
    expect(await plan('SELECT * FROM conversations.messages WHERE tenant_id = $1 ORDER BY sent_at DESC LIMIT 10', ['messages'])).toMatch(/Index Scan.* using messages_sent/)
    const indexed = (await world.rows<{ definition: string }>(`SELECT indexdef AS definition FROM pg_indexes WHERE schemaname = 'conversations' AND tablename = 'threads'`)).map(
      (row) => row.definition,
    )
    for (const column of ['chat_session_id', 'agent_id', 'conversation_type', 'status', 'created_at DESC', 'compression_request_id']) {
      expect(indexed.some((definition) => definition.includes(`(tenant_id, ${column}`) || definition.includes(`(${column}`)), column).toBe(true)
    }
  })
})
