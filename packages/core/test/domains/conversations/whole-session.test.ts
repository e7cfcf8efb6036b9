import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type MessageInput } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { joined, openThread, refusal, said } from './conversation-world.ts'

describe.each(cairnTargets)('sessions exported, imported and deleted ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>

  beforeAll(async () => ({ cairn, dispose } = await openCairn(target)))
  afterAll(() => dispose?.())
  const open = (tenant: string, messages?: readonly MessageInput[]) => openThread(cairn, tenant, messages)

  describe('the whole session', () => {
    const furnish = async (tenant: string) => {
      const who = cairn.as({ tenant })
      const { conversations } = who
      const agent = await who.agents.register({ name: 'guide', type: 'analyst' })
      const session = await conversations.createSession({ key: 'trip', type: 'group', title: 'A *trip*', context: { a: [1] }, settings: { b: null }, participants: [{ kind: 'user', id: 'ida', role: 'host' }, { kind: 'agent', id: agent.id }] })
      await conversations.participants.leave(session.id, { kind: 'user', id: 'ida' })
      const request = await who.compression.requests.create({ data: 'x' })
      const threads = [await conversations.createThread({ sessionId: session.id, key: 'one', breakerService: 'llm', modelId: uuidv7() }), await conversations.createThread({ sessionId: session.id, type: 'compression', agentId: agent.id, compressionRequestId: request.id })] as const
      const hello = await conversations.append({ threadId: threads[0].id, author: { kind: 'user', userId: uuidv7(), label: 'Ida' }, content: 'Hello\u2028 there\n# "quoted"', key: 'm1', attachments: ['https://example.org'], metadata: { x: 1.5 } })
      await conversations.append({ threadId: threads[1].id, author: { kind: 'assistant', agentId: agent.id }, content: 'Hi 🏔', replyTo: hello.id, durationMs: 12, tokenCount: 3 })
      await conversations.append({ threadId: threads[0].id, author: { kind: 'tool' }, content: '', tokenCount: null })
      await conversations.edit(hello.id, 'Hello again')
      await conversations.edit(hello.id, 'Hello once more')
      await conversations.attachments.add({ messageId: hello.id, data: 'map '.repeat(900), name: 'map.txt' })
      await conversations.attachments.add({ messageId: hello.id, data: Uint8Array.of(0, 255, 10) })
      await conversations.summarize({ threadId: threads[0].id })
      await conversations.summarize({ sessionId: session.id, text: 'They greet.' })
      await conversations.updateThread(threads[0].id, { status: 'error' })
      await conversations.completeThread(threads[1].id)
      await conversations.endSession(session.id)
      return { conversations, session, agent, hello }
    }

    it('comes back from its JSON lines as the same conversation', async () => {
      const { conversations, session } = await furnish('export')
      const file = await joined(conversations.exportSession('trip'))
      const before = await conversations.getSession(session.id)
      await refusal(conversations.importSession([file]), 'DUPLICATE_KEY')
      const copy = await conversations.importSession([file], { key: 'copy', keys: 'drop' })
      expect(copy).toMatchObject({ key: 'copy', status: 'ended', messageCount: 3, totalTokens: before.totalTokens, messagesDurationMs: 12 })
      expect(copy.id).not.toBe(session.id)
      expect(await conversations.deleteSession(session.id)).toEqual({ deleted: true, threads: 2, messages: 3, attachments: 2 })
      // In odd pieces, as they come over a wire.
      const bytes = Buffer.from(file)
      const again = await conversations.importSession(Array.from({ length: Math.ceil(bytes.length / 7) }, (_, n) => bytes.subarray(n * 7, n * 7 + 7)))
      expect(await joined(conversations.exportSession(again.id))).toBe(file)
      const { updatedAt: _updated, id: _id, ...rest } = again
      const { updatedAt: _then, id: _then2, ...expected } = before
      expect(rest).toEqual(expected)
      const [first] = (await conversations.messages({ sessionId: again.id })).items
      expect((await conversations.edits(first?.id ?? '')).items.map(({ previousContent }) => previousContent)).toEqual(['Hello\u2028 there\n# "quoted"', 'Hello again'])
      const [map] = (await conversations.attachments.list({ messageId: first?.id ?? '' })).items
      expect(Buffer.from((await conversations.attachments.read(map?.id ?? '')).data).toString()).toBe('map '.repeat(900))
      expect(first?.attachments).toContain(`attachment:${map?.id}`)
      expect((await conversations.search({ query: 'hello', sessionId: again.id })).items).toHaveLength(1)

      const theirs = cairn.as({ tenant: 'export-elsewhere' }).conversations
      await refusal(theirs.importSession([file]), 'AGENT_NOT_FOUND')
      const moved = await theirs.importSession([file], { missingAgents: 'unlink' })
      expect((await theirs.listThreads({ sessionId: moved.id })).items.map(({ agentId, compressionRequestId }) => [agentId, compressionRequestId])).toEqual([[null, null], [null, null]])
      expect((await theirs.participants.list(moved.id, { includeLeft: true })).items.map(({ id }) => id)).toEqual(['ida'])
    })

    it('stores nothing of a file that is damaged anywhere', async () => {
      const { conversations } = await furnish('broken')
      const lines = (await joined(conversations.exportSession('trip'))).trimEnd().split('\n')
      const elsewhere = cairn.as({ tenant: 'broken-elsewhere' }).conversations
      const attempt = (changed: readonly string[]) => elsewhere.importSession([changed.join('\n')], { missingAgents: 'unlink' })
      for (let n = 0; n < lines.length; n++) await refusal(attempt(lines.toSpliced(n, 1)), 'IMPORT_MALFORMED')
      await refusal(attempt(lines.slice(0, -1)), 'IMPORT_MALFORMED')
      await refusal(attempt([...lines, lines.at(-1) ?? '']), 'IMPORT_MALFORMED')
      await refusal(attempt([]), 'IMPORT_MALFORMED')
      expect((await refusal(attempt(lines.with(2, '{"thread":')), 'IMPORT_MALFORMED')).details).toEqual({ line: 3 })
      const map = lines.findIndex((line) => line.startsWith('{"attachment"'))
      await refusal(attempt(lines.with(map, (lines[map] ?? '').replace('"data":"b', '"data":"c'))), 'IMPORT_MALFORMED')
      await refusal(elsewhere.importSession([Uint8Array.of(0xff, 0xfe)]), 'IMPORT_MALFORMED')
      expect((await elsewhere.listSessions()).items).toEqual([])
    })

    it('reads as Markdown, with what was said quoted', async () => {
      const { conversations } = await furnish('markdown')
      const document = await joined(conversations.exportSession('trip', { format: 'markdown' }))
      expect(document).toContain(String.raw`# A \*trip\*`)
      expect(document).toContain('## Summary\n\n> They greet.')
      expect(document).toMatch(/\*\*Ida\*\* \(user, \d{4}-.*Z, edited\):\n\n> Hello once more\n/)
      expect(document).toContain('- attachment: map.txt (text/plain; charset=utf-8, 3600 bytes)')
      expect(document).not.toContain('\n# "quoted"')
      await refusal(joined(conversations.exportSession('none')), 'NOT_FOUND')
      await refusal(joined(conversations.exportSession('trip', { format: 'pdf' as 'jsonl' })), 'INVALID_ARGUMENT')
    })

    it('is deleted with every trace of it, but not the bytes that another session has', async () => {
      const { conversations, session, hello } = await furnish('gone')
      const keeper = await open('gone', [said('keep')])
      const kept = await conversations.attachments.add({ messageId: keeper.messages[0]?.id ?? '', data: 'map '.repeat(900) })
      expect(await conversations.deleteSession(session.id)).toMatchObject({ deleted: true, messages: 3 })
      expect(await conversations.deleteSession(session.id)).toEqual({ deleted: false, threads: 0, messages: 0, attachments: 0 })
      await refusal(conversations.getSession(session.id), 'NOT_FOUND')
      await refusal(conversations.getMessage(hello.id), 'NOT_FOUND')
      const { identity } = cairn.as({ tenant: 'gone' })
      for (const table of ['participants', 'threads', 'messages', 'message_edits', 'summaries', 'attachments']) {
        const { rows } = await cairn.engines.sql.query(identity, `SELECT 1 FROM conversations.${table} WHERE chat_session_id = $1`, [session.id])
        expect(rows, table).toEqual([])
      }
      expect((await cairn.engines.sql.query(identity, `SELECT 1 FROM conversations.attachment_blobs WHERE tenant_id = 'gone'`)).rowCount).toBe(1)
      expect((await conversations.attachments.read(kept.id)).data).toHaveLength(3600)
      expect((await conversations.search({ query: 'Hello' })).items).toEqual([])
    })

    it('loses no bytes when sessions with the same attachment are made and deleted at once', async () => {
      const { conversations } = cairn.as({ tenant: 'churn' })
      await Promise.all(
        Array.from({ length: 6 }, async (_, n) => {
          const { session, messages } = await open('churn', [said(`${n}`)])
          const { id } = await conversations.attachments.add({ messageId: messages[0]?.id ?? '', data: 'shared '.repeat(100) })
          if (n % 2 === 0) await conversations.deleteSession(session.id)
          else expect(Buffer.from((await conversations.attachments.read(id)).data).toString()).toBe('shared '.repeat(100))
        }),
      )
      for (const { id } of (await conversations.listSessions()).items) {
        for (const one of (await conversations.attachments.list({ sessionId: id })).items) expect((await conversations.attachments.read(one.id)).data).toHaveLength(700)
      }
    })
  })
})
