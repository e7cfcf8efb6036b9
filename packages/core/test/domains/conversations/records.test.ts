import { createHash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, type MessageInput, type SummarizerInput } from '../../../src/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import { joined, openThread, refusal, said, user } from './conversation-world.ts'

describe.each(cairnTargets)('conversations in full ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>

  beforeAll(async () => ({ cairn, dispose } = await openCairn(target)))
  afterAll(() => dispose?.())
  const open = (tenant: string, messages?: readonly MessageInput[]) => openThread(cairn, tenant, messages)

  describe('tokens and durations', () => {
    it('are counted by o200k_base unless given, and say so', async () => {
      const { conversations, messages } = await open('tokens', [
        said('Hello, world!'),
        { ...said('given'), tokenCount: 77, durationMs: 1200 },
        { ...said('uncounted'), tokenCount: null },
        said(''),
        said('<|endoftext|>'),
      ])
      expect(messages.map(({ tokenCount, tokenEncoding, durationMs }) => [tokenCount, tokenEncoding, durationMs])).toEqual([
        [4, 'o200k_base', null], [77, null, 1200], [null, null, null], [0, 'o200k_base', null], [7, 'o200k_base', null],
      ])
      expect(await conversations.getThread(messages[0]?.threadId ?? '')).toMatchObject({ totalTokens: 88, messagesDurationMs: 1200 })
      const edited = await conversations.edit(messages[1]?.id ?? '', 'Hello, world!')
      expect(edited).toMatchObject({ tokenCount: 4, tokenEncoding: 'o200k_base' })
      expect(await conversations.edit(messages[0]?.id ?? '', 'x', { tokenCount: 10 })).toMatchObject({ tokenCount: 10, tokenEncoding: null })
      expect(await conversations.getSession(edited.sessionId)).toMatchObject({ totalTokens: 21, messagesDurationMs: 1200 })
    })

    it('count a megabyte without a blank, and prose as its parts', async () => {
      const { messages } = await open('long', [said('lorem ipsum dolor '.repeat(2000)), said('a'.repeat(200_000)), said('🏔'.repeat(3000))])
      const [prose, run, peaks] = messages.map(({ tokenCount }) => tokenCount ?? 0)
      const one = (await open('long', [said('lorem ipsum dolor '.repeat(10))])).messages[0]?.tokenCount ?? 0
      expect(Math.abs((prose ?? 0) / 200 - one)).toBeLessThan(2)
      expect(run).toBeGreaterThan(20_000)
      expect(peaks).toBeGreaterThan(3000)
    })

    it('stay the sums of the messages while many append and edit at once', async () => {
      const { conversations, session, thread, messages } = await open('sums', Array.from({ length: 8 }, (_, n) => said(`first ${n}`)))
      const second = await conversations.createThread({ sessionId: session.id })
      await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          if (n % 2 === 0) await conversations.append({ threadId: n % 4 === 0 ? thread.id : second.id, ...said(`word `.repeat(n + 1)), durationMs: n })
          else await conversations.edit(messages[n % 8]?.id ?? '', `edit ${n} `.repeat(n))
        }),
      )
      const all = (await conversations.messages({ sessionId: session.id })).items
      const sum = (of: typeof all, pick: (one: (typeof all)[number]) => number | null) => of.reduce((total, one) => total + (pick(one) ?? 0), 0)
      for (const { id } of [thread, second]) {
        const mine = all.filter(({ threadId }) => threadId === id)
        expect(await conversations.getThread(id)).toMatchObject({ messageCount: mine.length, totalTokens: sum(mine, (one) => one.tokenCount), messagesDurationMs: sum(mine, (one) => one.durationMs) })
      }
      expect(await conversations.getSession(session.id)).toMatchObject({ messageCount: 28, totalTokens: sum(all, (one) => one.tokenCount), messagesDurationMs: sum(all, (one) => one.durationMs) })
    })
  })

  describe('search', () => {
    it('ranks by the words, filters by place, speaker, role and time, and pages without gaps', async () => {
      const { conversations, session, thread } = await open('search')
      const agent = await cairn.as({ tenant: 'search' }).agents.register({ name: 'guide', type: 'analyst' })
      const other = await conversations.createThread({ sessionId: session.id })
      const elsewhere = await open('search', [said('A mountain elsewhere')])
      await conversations.appendMany(thread.id, [
        { ...said('The mountains were high, mountains everywhere.'), sentAt: '2026-01-01T00:00:00Z' },
        { author: { kind: 'assistant', agentId: agent.id }, content: 'Which mountain did you climb?', sentAt: '2026-01-02T00:00:00Z' },
        said('Nothing of the kind.'),
      ])
      await conversations.append({ threadId: other.id, ...said('We swam in a lake below a mountain.'), sentAt: '2026-01-03T00:00:00Z' })
      const contents = async (options: object) => (await conversations.search({ query: 'mountain', ...options })).items.map(({ message }) => message.content)
      const all = await conversations.search({ query: 'climbing MOUNTAINS' })
      expect(all.items[0]?.message.content).toBe('Which mountain did you climb?')
      expect(all.items[0]?.snippet).toContain('Which «mountain» did you «climb»')
      expect(all.items).toHaveLength(4)
      expect(all.items.map(({ score }) => score)).toEqual(all.items.map(({ score }) => score).toSorted((a, b) => b - a))
      expect(await contents({ sessionId: session.id })).toHaveLength(3)
      expect(await contents({ sessionId: elsewhere.session.id })).toEqual(['A mountain elsewhere'])
      expect(await contents({ threadId: other.id })).toEqual(['We swam in a lake below a mountain.'])
      expect(await contents({ agentId: agent.id })).toEqual(['Which mountain did you climb?'])
      expect(await contents({ role: 'assistant' })).toEqual(['Which mountain did you climb?'])
      expect(await contents({ sentAfter: '2026-01-02T00:00:00Z', sentBefore: new Date('2026-01-03T00:00:00Z') })).toEqual(['Which mountain did you climb?'])
      expect(await contents({ query: 'lake mountain', match: 'all' })).toEqual(['We swam in a lake below a mountain.'])
      const paged: string[] = []
      for (let cursor: string | undefined | null; cursor !== null; ) {
        const page = await conversations.search({ query: 'mountain', limit: 1, ...(cursor === undefined ? {} : { cursor }) })
        paged.push(...page.items.map(({ message }) => message.id))
        cursor = page.nextCursor
      }
      expect(paged).toEqual((await conversations.search({ query: 'mountain' })).items.map(({ message }) => message.id))
      expect(paged).toHaveLength(4)
    })

    it('follows edits, and takes any text as words', async () => {
      const { conversations, messages } = await open('odd', [said('zebra'), said(`it's 100% "quoted" \\ & | ! ( : * <-> 'x'`)])
      await conversations.edit(messages[0]?.id ?? '', 'giraffe')
      expect((await conversations.search({ query: 'zebra' })).items).toEqual([])
      expect((await conversations.search({ query: 'giraffes' })).items).toHaveLength(1)
      for (const query of [`'`, '\\', '& | !', ' odd/place', ' todd', 'the of and', '🏔', `x'); DROP TABLE conversations.messages; --`, '* : <->']) {
        for (const match of ['any', 'all'] as const) expect((await conversations.search({ query, match })).items.length, query).toBeLessThanOrEqual(1)
      }
      expect((await conversations.search({ query: `"quoted"` })).items).toHaveLength(1)
    })

    it('stores texts of 1 MiB whatever their words, and finds what stands in the first 100,000 characters', async () => {
      let n = 0
      const unique = (length: number, word: () => string): string => { let all = ''; while (all.length < length) all += `${word()} `; return all.slice(0, length) }
      const { conversations, messages } = await open('huge', [
        said(`needle ${unique(1_048_000, () => (n++).toString(36))}`),
        said(unique(1_000_000, () => `a${(n++).toString(36)}-b${n.toString(36)}-c`)),
        said(unique(250_000, () => String.fromCodePoint(0x20000 + (n++ % 40_000), 0x20000 + (n % 39_999)))),
        said(unique(500_000, () => `http://h${n++}.example.org/p${n}/q${n}?x=${n}`)),
      ])
      expect(messages).toHaveLength(4)
      expect((await conversations.search({ query: 'needle' })).items[0]?.message.id).toBe(messages[0]?.id)
    })

    it('names the field of malformed input', async () => {
      const { conversations } = cairn
      const field = async (options: object): Promise<unknown> => (await refusal(conversations.search(options as { query: string }), 'INVALID_ARGUMENT')).details['field']
      expect(await field({})).toBe('query')
      expect(await field({ query: '' })).toBe('query')
      expect(await field({ query: 'x'.repeat(10_001) })).toBe('query')
      expect(await field({ query: 'x\0' })).toBe('query')
      expect(await field({ query: 'x', role: 'boss' })).toBe('role')
      expect(await field({ query: 'x', sentAfter: 'soon' })).toBe('sentAfter')
      expect(await field({ query: 'x', speaker: 'me' })).toBe('speaker')
      expect(await field({ query: 'x', limit: 0 })).toBe('limit')
      await refusal(conversations.search({ query: 'x', cursor: 'nonsense' }), 'INVALID_CURSOR')
    })
  })

  describe('summaries', () => {
    it('are versions that say up to which message they hold and when they are overtaken', async () => {
      const { conversations, session, thread, messages } = await open('sum', [
        said('We should move the harvest festival to the old barn.'), said('The old barn has room for the whole harvest festival.'), said('Yes.'),
      ])
      expect(await conversations.summaryOf({ sessionId: session.id })).toBeNull()
      const first = await conversations.summarize({ sessionId: session.id, maxSentences: 1 })
      expect(first).toMatchObject({ version: 1, upTo: 3, method: 'extractive', stale: false, newMessages: 0, threadId: null, tokenEncoding: 'o200k_base', createdBy: 'system:cairn' })
      expect(first.text).toMatch(/^Ida: .*harvest festival.*\.$/)
      expect((await conversations.getSession(session.id)).summary).toBe(first.text)
      const ofThread = await conversations.summarize({ threadId: thread.id, text: 'They plan.', metadata: { by: 'hand' } })
      expect(ofThread).toMatchObject({ version: 1, threadId: thread.id, method: 'given', text: 'They plan.', metadata: { by: 'hand' } })
      expect((await conversations.getSession(session.id)).summary).toBe(first.text)

      await conversations.append({ threadId: thread.id, ...said('And the date?') })
      expect(await conversations.summaryOf({ sessionId: session.id })).toMatchObject({ version: 1, stale: true, newMessages: 1 })
      expect(await conversations.summaryOf({ threadId: thread.id })).toMatchObject({ stale: true, newMessages: 1 })
      const inputs: SummarizerInput[] = []
      const summarize = (input: SummarizerInput): Promise<string> => Promise.resolve(`${inputs.push(input)}: ${input.messages.length}`)
      expect(await conversations.summarize({ sessionId: session.id, summarize })).toMatchObject({ version: 2, upTo: 4, method: 'function', text: '1: 1', stale: false })
      expect(inputs[0]?.previous).toMatchObject({ version: 1, text: first.text })
      expect((await conversations.getSession(session.id)).summary).toBe('1: 1')

      await conversations.edit(messages[0]?.id ?? '', 'We should not.')
      expect(await conversations.summaryOf({ sessionId: session.id })).toMatchObject({ version: 2, stale: true, newMessages: 0 })
      expect(await conversations.summarize({ sessionId: session.id, summarize })).toMatchObject({ version: 3, text: '2: 4' })
      expect(inputs[1]?.previous).toBeNull()
      expect((await conversations.setSummary(session.id, '')).summary).toBe('')
      const page = await conversations.summaries({ sessionId: session.id, limit: 3 })
      expect(page.items.map(({ version }) => version)).toEqual([4, 3, 2])
      expect((await conversations.summaries({ sessionId: session.id, cursor: page.nextCursor ?? '' })).items.map(({ version }) => version)).toEqual([1])
    })

    it('number themselves without gaps when many are made at once, and one that was slow does not hide a newer', async () => {
      const { conversations, session, thread } = await open('race', [said('one')])
      await Promise.all(Array.from({ length: 8 }, (_, n) => conversations.summarize({ sessionId: session.id, text: `${n}` })))
      expect((await conversations.summaries({ sessionId: session.id })).items.map(({ version }) => version)).toEqual([8, 7, 6, 5, 4, 3, 2, 1])
      const slow = await conversations.summarize({
        sessionId: session.id,
        async summarize() {
          await conversations.append({ threadId: thread.id, ...said('two') })
          await conversations.summarize({ sessionId: session.id, text: 'of both' })
          return 'of the first'
        },
      })
      expect(slow).toMatchObject({ version: 10, upTo: 1, stale: true, newMessages: 1 })
      expect(await conversations.summaryOf({ sessionId: session.id })).toMatchObject({ version: 9, upTo: 2, text: 'of both', stale: false })
      expect((await conversations.getSession(session.id)).summary).toBe('of both')
    })

    it('store nothing when the function throws or gives back no text', async () => {
      const { conversations, session } = await open('throwing', [said('x')])
      await expect(conversations.summarize({ sessionId: session.id, summarize: () => { throw new Error('model down') } })).rejects.toThrow('model down')
      await refusal(conversations.summarize({ sessionId: session.id, summarize: () => 5 as never }), 'INVALID_ARGUMENT')
      await refusal(conversations.summarize({ sessionId: session.id, summarize: () => 'x'.repeat(1_048_577) }), 'PAYLOAD_TOO_LARGE')
      await refusal(conversations.summarize({ sessionId: session.id, threadId: session.id }), 'INVALID_ARGUMENT')
      await refusal(conversations.summarize({ sessionId: session.id, text: 'a', summarize: () => 'b' }), 'INVALID_ARGUMENT')
      expect((await conversations.summaries({ sessionId: session.id })).items).toEqual([])
      expect(await conversations.summarize({ sessionId: (await open('throwing')).session.id })).toMatchObject({ text: '', upTo: 0, tokenCount: 0 })
    })
  })

  describe('attachments', () => {
    it('are kept once for the same bytes, compressed by what measured best, and verified when read', async () => {
      const { conversations, session, messages } = await open('files', [said('see'), said('again')])
      const [one, two] = messages as [(typeof messages)[number], (typeof messages)[number]]
      const report = 'all quiet on the ridge; '.repeat(9000)
      const first = await conversations.attachments.add({ messageId: one.id, data: report, name: 'report.txt', metadata: { page: 1 } })
      expect(first).toMatchObject({ sessionId: session.id, messageId: one.id, name: 'report.txt', mediaType: 'text/plain; charset=utf-8', bytes: report.length, metadata: { page: 1 }, sha256: createHash('sha256').update(report).digest('hex') })
      expect(first.algorithm).not.toBe('none')
      expect(first.storedBytes).toBeLessThan(report.length / 20)
      const noise = createHash('shake256', { outputLength: 4000 }).update('x').digest()
      const second = await conversations.attachments.add({ messageId: one.id, data: noise, mediaType: 'image/png' })
      expect(second).toMatchObject({ algorithm: 'none', bytes: 4000, storedBytes: 4000, name: null, mediaType: 'image/png' })
      await Promise.all(Array.from({ length: 6 }, () => conversations.attachments.add({ messageId: two.id, data: Buffer.from(report) })))
      const empty = await conversations.attachments.add({ messageId: two.id, data: '' })
      const { rows } = await cairn.engines.sql.query<{ n: number }>(cairn.as({ tenant: 'files' }).identity, `SELECT count(*) AS n FROM conversations.attachment_blobs WHERE tenant_id = 'files'`)
      expect(rows[0]?.n).toBe(3)
      expect(Buffer.from((await conversations.attachments.read(first.id)).data).toString()).toBe(report)
      expect((await conversations.attachments.read(empty.id)).data).toHaveLength(0)
      let streamed = ''
      for await (const part of conversations.attachments.stream(first.id)) streamed += Buffer.from(part).toString()
      expect(streamed).toBe(report)
      expect((await conversations.getMessage(one.id)).attachments).toEqual([`attachment:${first.id}`, `attachment:${second.id}`])
      expect((await conversations.attachments.list({ messageId: one.id })).items).toEqual([first, second])
      expect((await conversations.attachments.list({ sessionId: session.id, limit: 4 })).nextCursor).not.toBeNull()

      expect(await conversations.attachments.remove(second.id)).toBe(true)
      expect(await conversations.attachments.remove(second.id)).toBe(false)
      expect(await conversations.attachments.remove(first.id)).toBe(true)
      expect((await conversations.getMessage(one.id)).attachments).toEqual([])
      const left = await cairn.engines.sql.query(cairn.as({ tenant: 'files' }).identity, `SELECT 1 FROM conversations.attachment_blobs WHERE tenant_id = 'files'`)
      expect(left.rowCount).toBe(2)
    })

    it('are never given out damaged', async () => {
      const { conversations, messages } = await open('damaged', [said('x')])
      const { id } = await conversations.attachments.add({ messageId: messages[0]?.id ?? '', data: 'precious '.repeat(500) })
      await cairn.engines.sql.query(cairn.as({ tenant: 'damaged' }).identity, `UPDATE conversations.attachment_blobs SET data = set_byte(data, 12, (get_byte(data, 12) + 1) % 256) WHERE tenant_id = 'damaged'`)
      expect((await refusal(conversations.attachments.read(id), 'CONSISTENCY_VIOLATION')).details).toEqual({ id })
      await refusal(conversations.attachments.stream(id).next(), 'CONSISTENCY_VIOLATION')
    })

    it('are refused when malformed, too many or too large', async () => {
      const { conversations, messages } = await open('refused', [{ ...said('x'), attachments: Array.from({ length: 100 }, (_, n) => `${n}`) }, said('y')])
      const { attachments } = conversations
      const [full, free] = messages.map(({ id }) => id) as [string, string]
      const field = async (promise: Promise<unknown>): Promise<unknown> => (await refusal(promise, 'INVALID_ARGUMENT')).details['field']
      expect(await field(attachments.add({ messageId: full, data: 'x' }))).toBe('messageId')
      expect(await field(attachments.add({ messageId: free, data: 5 as never }))).toBe('data')
      expect(await field(attachments.add({ messageId: 'x', data: '' }))).toBe('messageId')
      expect(await field(attachments.add({ messageId: free, data: '', name: '' }))).toBe('name')
      expect(await field(attachments.list({}))).toBe('messageId')
      await refusal(attachments.add({ messageId: uuidv7(), data: '' }), 'NOT_FOUND')
      await refusal(attachments.get(uuidv7()), 'NOT_FOUND')
      await refusal(attachments.add({ messageId: free, data: new Uint8Array(16 * 1_048_576 + 1) }), 'PAYLOAD_TOO_LARGE')
      expect((await attachments.list({ messageId: free })).items).toEqual([])
    })
  })

  // proves S0-3-07
  // proves S0-3-08
  // proves D0-11
  it("shows a thread's breaker from its one source, its recoveries and its compression request", async () => {
    const who = cairn.as({ tenant: 'health' })
    const session = await who.conversations.createSession()
    const request = await who.compression.requests.create({ data: 'x', algorithm: 'gzip' })
    const { id } = await who.conversations.createThread({ sessionId: session.id, breakerService: 'llm', compressionRequestId: request.id })
    expect(await who.conversations.threadHealth(id)).toMatchObject({ breaker: { service: 'llm', state: 'closed', failureCount: 0 }, failureCount: 0, recoveryAttempts: 0, compressionRequest: { id: request.id, status: 'pending', algorithm: 'gzip' } })
    await who.resilience.breakers.forceOpen('llm', 'test')
    await who.conversations.updateThread(id, { status: 'error' })
    expect(await who.conversations.threadHealth(id)).toMatchObject({ status: 'error', breaker: { state: 'open' }, failureCount: 1, lastFailureAt: expect.any(Date) as Date })
    await who.resilience.breakers.forceClose('llm', 'test')
    await who.conversations.updateThread(id, { status: 'active' })
    expect(await who.conversations.threadHealth(id)).toMatchObject({ breaker: { state: 'closed' }, failureCount: 1, recoveryAttempts: 1 })
    expect((await who.conversations.listThreads({ compressionRequestId: request.id })).items.map((thread) => thread.id)).toEqual([id])
  })

  // proves S2-5-02
  // proves S2-11-03
  // proves D2-01
  it('takes the three kinds of session and no other, and notes when one was changed', async () => {
    const { conversations, engines, identity } = cairn.as({ tenant: 'kinds' })
    for (const type of ['individual', 'group', 'support'] as const) expect(await conversations.createSession({ type })).toMatchObject({ type })
    await refusal(conversations.createSession({ type: 'party' as 'group' }), 'INVALID_ARGUMENT')
    const session = await conversations.createSession()
    expect(session.type).toBe('individual')
    const changed = await conversations.updateSession(session.id, { type: 'support' })
    expect(changed.type).toBe('support')
    expect(changed.updatedAt.getTime()).toBeGreaterThanOrEqual(session.updatedAt.getTime())
    const { rows } = await engines.sql.query<{ touched: boolean }>(identity, `UPDATE conversations.chat_sessions SET title = 'x' WHERE tenant_id = 'kinds' AND chat_session_id = $1 RETURNING updated_at = now() AS touched`, [session.id])
    expect(rows).toEqual([{ touched: true }])
  })

  it('keeps all of it apart by tenant, even when ids are known', async () => {
    const theirs = await open('theirs', [said('secret zebra')])
    const message = theirs.messages[0]?.id ?? ''
    const attachment = await theirs.conversations.attachments.add({ messageId: message, data: 'secret' })
    await theirs.conversations.summarize({ sessionId: theirs.session.id })
    const { conversations } = cairn.as({ tenant: 'mine' })
    const ofTheirs = { sessionId: theirs.session.id }
    const calls: (() => Promise<unknown>)[] = [
      () => conversations.summarize(ofTheirs),
      () => conversations.summarize({ threadId: theirs.thread.id }),
      () => conversations.summaries(ofTheirs),
      () => conversations.summaryOf(ofTheirs),
      () => conversations.setSummary(theirs.session.id, 'mine'),
      () => conversations.threadHealth(theirs.thread.id),
      () => joined(conversations.exportSession(theirs.session.id)),
      () => joined(conversations.exportSession(theirs.session.id, { format: 'markdown' })),
      () => conversations.attachments.add({ messageId: message, data: 'x' }),
      () => conversations.attachments.get(attachment.id),
      () => conversations.attachments.read(attachment.id),
      () => conversations.attachments.stream(attachment.id).next(),
      () => conversations.attachments.list(ofTheirs),
      () => conversations.attachments.list({ messageId: message }),
    ]
    for (const call of calls) await refusal(call(), 'NOT_FOUND')
    expect(await conversations.attachments.remove(attachment.id)).toBe(false)
    expect(await conversations.deleteSession(theirs.session.id)).toMatchObject({ deleted: false, messages: 0 })
    for (const filter of [{}, ofTheirs, { threadId: theirs.thread.id }, { role: 'user' as const }]) expect((await conversations.search({ query: 'zebra', ...filter })).items).toEqual([])
    expect((await theirs.conversations.search({ query: 'zebra' })).items).toHaveLength(1)
    const { engines, identity } = cairn.as({ tenant: 'mine' })
    for (const table of ['summaries', 'attachments', 'attachment_blobs']) {
      expect((await engines.sql.query(identity, `SELECT 1 FROM conversations.${table} WHERE tenant_id <> 'mine'`)).rows, table).toEqual([])
    }
    // The same bytes of two tenants are two rows.
    const mine = await open('mine', [{ author: user, content: 'x' }])
    await mine.conversations.attachments.add({ messageId: mine.messages[0]?.id ?? '', data: 'secret' })
    expect(await mine.conversations.deleteSession(mine.session.id)).toMatchObject({ attachments: 1 })
    expect(Buffer.from((await theirs.conversations.attachments.read(attachment.id)).data).toString()).toBe('secret')
  })
})
