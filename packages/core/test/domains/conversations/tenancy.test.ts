import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sqlTargets, type SqlTestDatabase } from '../../harness/engines.ts'
import { ConversationWorld, refusal, user } from './conversation-world.ts'

describe.each(sqlTargets)('conversations of two tenants on $name', (target) => {
  let mine: ConversationWorld
  let theirs: ConversationWorld
  let database: SqlTestDatabase

  beforeAll(async () => {
    database = await target.open()
    mine = new ConversationWorld(database.engine, 'mine')
    theirs = new ConversationWorld(database.engine, 'theirs')
  })
  afterAll(() => database?.dispose())

  it('are kept apart by every method, even when the ids are known', async () => {
    const agent = await theirs.agent()
    const session = await theirs.service.createSession({ key: 'secret', title: 'secret', participants: [{ kind: 'agent', id: agent }, { kind: 'user', id: 'ida' }] })
    const thread = await theirs.service.createThread({ sessionId: session.id, key: 'secret' })
    const message = await theirs.service.append({ threadId: thread.id, author: { kind: 'agent', agentId: agent }, content: 'secret', key: 'secret' })
    await theirs.service.edit(message.id, 'still secret')
    await theirs.rows(`UPDATE conversations.chat_sessions SET last_activity = now() - interval '1 day' WHERE tenant_id = 'theirs'`)
    const snapshot = async (): Promise<unknown> => [
      await theirs.service.getSession(session.id),
      await theirs.service.getThread(thread.id),
      await theirs.service.messages({ sessionId: session.id }),
      await theirs.service.participants.list(session.id, { includeLeft: true }),
      await theirs.service.edits(message.id),
    ]
    const before = await snapshot()

    const { service } = mine
    const own = await mine.thread()
    const ida = { kind: 'user', id: 'ida' } as const
    const calls: (() => Promise<unknown>)[] = [
      () => service.getSession(session.id),
      () => service.getSession('secret'),
      () => service.updateSession(session.id, { title: 'mine' }),
      () => service.setSummary(session.id, 'mine'),
      () => service.endSession(session.id),
      () => service.participants.add(session.id, ida),
      () => service.participants.leave(session.id, ida),
      () => service.participants.list(session.id),
      () => service.createThread({ sessionId: session.id }),
      () => service.getThread(thread.id),
      () => service.getThread('secret'),
      () => service.updateThread(thread.id, { status: 'error' }),
      () => service.completeThread(thread.id),
      () => service.append({ threadId: thread.id, author: user, content: 'mine' }),
      () => service.appendMany(thread.id, [{ author: user, content: 'mine' }]),
      () => service.appendMany(thread.id, []),
      () => service.getMessage(message.id),
      () => service.getMessage('secret'),
      () => service.messages({ sessionId: session.id }),
      () => service.messages({ threadId: thread.id }),
      () => service.edit(message.id, 'mine'),
      () => service.edits(message.id),
    ]
    for (const call of calls) await refusal(call(), 'NOT_FOUND')
    expect(await service.findSession('secret')).toBeNull()
    expect(await service.findThread('secret')).toBeNull()
    expect(await service.findMessage('secret')).toBeNull()
    expect((await service.listSessions()).items.map((one) => one.id)).toEqual([own.session.id])
    expect((await service.listSessions({ participant: ida })).items).toEqual([])
    expect((await service.listThreads()).items.map((one) => one.id)).toEqual([own.thread.id])
    expect((await service.listThreads({ sessionId: session.id })).items).toEqual([])
    expect(await service.markIdle({ idleForMs: 3_600_000 })).toBe(0)

    await refusal(service.createSession({ participants: [{ kind: 'agent', id: agent }] }), 'AGENT_NOT_FOUND')
    await refusal(service.participants.add(own.session.id, { kind: 'agent', id: agent }), 'AGENT_NOT_FOUND')
    await refusal(service.createThread({ sessionId: own.session.id, agentId: agent }), 'AGENT_NOT_FOUND')
    await refusal(service.append({ threadId: own.thread.id, author: { kind: 'agent', agentId: agent }, content: 'x' }), 'AGENT_NOT_FOUND')
    await refusal(service.append({ threadId: own.thread.id, author: user, content: 'x', replyTo: message.id }), 'INVALID_ARGUMENT')
    expect(await snapshot()).toEqual(before)
  })

  it('may use the same keys', async () => {
    for (const world of [mine, theirs]) {
      const session = await world.service.createSession({ key: 'shared' })
      const thread = await world.service.createThread({ sessionId: session.id, key: 'shared' })
      const message = await world.service.append({ threadId: thread.id, author: user, content: world.identity.tenant, key: 'shared' })
      expect(message).toMatchObject({ seq: 1, content: world.identity.tenant })
      expect((await world.service.getMessage('shared')).id).toBe(message.id)
    }
  })

  it('are behind row-level security in every table, also without a condition on the tenant', async () => {
    for (const table of ['chat_sessions', 'participants', 'threads', 'messages', 'message_edits']) {
      const rows = await mine.rows<{ tenant_id: string }>(`SELECT DISTINCT tenant_id FROM conversations.${table}`)
      expect(rows.filter((row) => row.tenant_id !== 'mine'), table).toEqual([])
      const changed = await mine.sql.query(mine.identity, `DELETE FROM conversations.${table} WHERE tenant_id = 'theirs'`)
      expect(changed.rowCount, table).toBe(0)
    }
    expect((await theirs.service.messages({ threadId: (await theirs.service.getThread('secret')).id })).items).toHaveLength(1)
  })
})
