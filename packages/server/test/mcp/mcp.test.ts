import type { Client } from '@modelcontextprotocol/client'
import { encode } from 'gpt-tokenizer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningServer, createApp, serve } from '../../src/index.ts'
import { type TestCairn, openTestCairn } from '../harness.ts'
import { ERAS, callTool, connectHttp } from './clients.ts'

let opened: TestCairn
let server: RunningServer
const open: Client[] = []

beforeAll(async () => {
  opened = await openTestCairn()
  server = await serve(opened.cairn, { port: 0 })
})
afterAll(async () => {
  await Promise.all(open.map((client) => client.close()))
  await server?.close()
  await opened?.dispose()
})

async function connect(era: (typeof ERAS)[number], tenant: string, path = '/mcp'): Promise<Client> {
  const client = await connectHttp(`${server.url}${path}`, era, { 'x-cairn-tenant': tenant })
  open.push(client)
  return client
}

interface Item extends Record<string, unknown> {
  readonly id: string
  readonly content: string
}
const items = (structured: Record<string, unknown>): Item[] => structured['items'] as Item[]

describe.each(ERAS)("Cairn's tools, for a client of the %s era", (era) => {
  test('a memory is added once, found, changed with its version, and forgotten', async () => {
    const client = await connect(era, `memory-${era}`)
    const added = await callTool(client, 'memory_add', { content: 'Ada prefers green tea in the morning', userId: 'ada', tags: ['taste'], importance: 0.9 })
    expect(added.structured).toMatchObject({ version: 1, isNew: true })
    const memory = added.structured['id'] as string
    expect((await callTool(client, 'memory_add', { content: 'Ada prefers green tea in the morning', userId: 'ada' })).structured).toMatchObject({ id: memory, isNew: false })
    await callTool(client, 'memory_add', { content: 'The bridge is closed on Mondays', key: 'bridge' })

    const found = await callTool(client, 'memory_search', { query: 'Which tea does Ada like?', tokens: 200 })
    expect(items(found.structured)[0]).toMatchObject({ id: memory, content: 'Ada prefers green tea in the morning', tags: ['taste'] })
    expect(found.structured['contextBlock']).toContain('green tea')
    expect(JSON.parse(found.text)).toEqual(found.structured)

    const first = await callTool(client, 'memory_list', { limit: 1 })
    expect(items(first.structured).map(({ content }) => content)).toEqual(['The bridge is closed on Mondays'])
    const rest = await callTool(client, 'memory_list', { limit: 1, cursor: first.structured['nextCursor'] })
    expect(items(rest.structured).map(({ id }) => id)).toEqual([memory])

    expect((await callTool(client, 'memory_update', { memory, content: 'Ada prefers coffee', expectedVersion: 1 })).structured).toMatchObject({ version: 2, content: 'Ada prefers coffee' })
    const late = await callTool(client, 'memory_update', { memory, content: 'Ada prefers milk', expectedVersion: 1 })
    expect(late.isError).toBe(true)
    expect(late.meta['cairn/error']).toMatchObject({ code: 'VERSION_CONFLICT' })
    expect((await callTool(client, 'memory_get', { memory: 'bridge' })).structured).toMatchObject({ key: 'bridge', version: 1 })
    expect((await callTool(client, 'memory_delete', { memory })).structured).toEqual({ deleted: true })
    const gone = await callTool(client, 'memory_get', { memory })
    expect(gone.text).toMatch(/^NOT_FOUND: .+\n.+/)
    expect((await callTool(client, 'memory_delete', { memory })).structured).toEqual({ deleted: false })
  })

  test('a block of working memory is made, edited in place, added to, and guarded by its version', async () => {
    const client = await connect(era, `blocks-${era}`)
    const place = { label: 'persona', userId: 'ada' }
    expect((await callTool(client, 'memory_block_replace', { ...place, content: 'Name: Ada', expectedVersion: 0, limit: 60 })).structured).toMatchObject({ version: 1, limit: 60 })
    expect((await callTool(client, 'memory_block_replace', { ...place, previous: 'Ada', content: 'Ada L.' })).structured).toMatchObject({ content: 'Name: Ada L.', version: 2 })
    expect((await callTool(client, 'memory_block_append', { ...place, content: 'Likes: tea' })).structured).toMatchObject({ content: 'Name: Ada L.\nLikes: tea', version: 3 })
    expect((await callTool(client, 'memory_block_append', { ...place, content: 'x'.repeat(60) })).meta['cairn/error']).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    expect((await callTool(client, 'memory_block_replace', { ...place, content: 'lost', expectedVersion: 1 })).meta['cairn/error']).toMatchObject({ code: 'VERSION_CONFLICT' })
    expect(items((await callTool(client, 'memory_block_view', { userId: 'ada' })).structured)).toEqual(items((await callTool(client, 'memory_block_view', place)).structured))
  })

  test('facts are added, searched, walked from an entity, ended, and stay in the history', async () => {
    const client = await connect(era, `knowledge-${era}`)
    const facts = [
      { entity: 'Ada', predicate: 'lives in', object: 'London', validFrom: '2020-01-01', source: 'letter' },
      { entity: 'London', predicate: 'lies on', object: 'Thames' },
      { entity: 'Ada', predicate: 'age', value: 36, confidence: 0.8 },
    ]
    const added = await callTool(client, 'knowledge_add', { facts })
    expect(items(added.structured).map(({ isNew }) => isNew)).toEqual([true, true, true])
    expect(items((await callTool(client, 'knowledge_add', { facts })).structured).map(({ isNew }) => isNew)).toEqual([false, false, false])
    expect(items((await callTool(client, 'knowledge_search', { query: 'Thames' })).structured)).toMatchObject([{ entity: 'London', value: 'Thames' }])
    expect(items((await callTool(client, 'knowledge_add', { facts: [{ entity: 'Bob', predicate: 'pets', value: [] }] })).structured)).toMatchObject([{ value: [] }])
    const near = await callTool(client, 'knowledge_entity', { entity: 'Ada', depth: 2 })
    expect(near.structured['around']).toEqual([{ name: 'London', type: 'entity', depth: 1 }, { name: 'Thames', type: 'entity', depth: 2 }])
    expect((near.structured['facts'] as Item[]).map(({ predicate }) => predicate).sort()).toEqual(['age', 'lies on', 'lives in'])
    const [lives] = items(added.structured)
    expect((await callTool(client, 'knowledge_end', { fact: lives?.id, how: 'ended', at: '2024-01-01', note: 'moved' })).structured).toMatchObject({ validUntil: '2024-01-01T00:00:00.000Z' })
    expect((await callTool(client, 'knowledge_entity', { entity: 'Ada' })).structured['around']).toEqual([])
    expect((await callTool(client, 'knowledge_entity', { entity: 'Ada', asOf: { valid: '2022-01-01' } })).structured['around']).toEqual([{ name: 'London', type: 'entity', depth: 1 }])
    const history = await callTool(client, 'knowledge_history', { entity: 'Ada', predicate: 'lives in' })
    expect(items(history.structured)).toHaveLength(2)
    expect((await callTool(client, 'knowledge_entity', { entity: 'Nobody' })).meta['cairn/error']).toMatchObject({ code: 'NOT_FOUND' })
  })

  test("agents and their state are read, and state is written at the revision expected", async () => {
    const tenant = `agents-${era}`
    const client = await connect(era, tenant)
    const agent = await opened.cairn.as({ tenant }).agents.register({ name: 'scout', type: 'analyst' })
    expect(items((await callTool(client, 'agents_list')).structured)).toEqual([{ id: agent.id, key: agent.key, name: 'scout', type: 'analyst', status: agent.status, health: agent.health }])
    expect((await callTool(client, 'agent_get', { agent: agent.key })).structured).toMatchObject({ id: agent.id, configVersion: 1 })
    const written = await callTool(client, 'state_set', { agent: agent.key, key: 'plan', value: { steps: [1, null, 'two'] }, expectedRevision: 0 })
    expect((await callTool(client, 'state_get', { agent: agent.id, key: 'plan' })).structured).toMatchObject({ key: 'plan', value: { steps: [1, null, 'two'] }, revision: written.structured['revision'] })
    expect((await callTool(client, 'state_set', { agent: agent.id, key: 'plan', value: 1, expectedRevision: 0 })).meta['cairn/error']).toMatchObject({ code: 'VERSION_CONFLICT' })
    await callTool(client, 'state_set', { agent: agent.id, key: 'note', value: null })
    expect(items((await callTool(client, 'state_list', { agent: agent.id, prefix: 'n' })).structured)).toMatchObject([{ key: 'note', value: null }])
  })

  test('what was said is found', async () => {
    const tenant = `talk-${era}`
    const client = await connect(era, tenant)
    const { conversations } = opened.cairn.as({ tenant })
    const session = await conversations.createSession({ title: 'Ferry' })
    const thread = await conversations.createThread({ sessionId: session.id })
    await conversations.append({ threadId: thread.id, author: { kind: 'user', label: 'Ada' }, content: 'When does the ferry to Skye leave?' })
    const found = await callTool(client, 'conversations_search', { query: 'ferry' })
    expect(items(found.structured)).toMatchObject([{ author: 'Ada', threadId: thread.id, snippet: expect.stringContaining('«ferry»') as string }])
  })

  test("an unknown tool, wrong types, unknown arguments and a missing argument are told, and the connection goes on", async () => {
    const client = await connect(era, `bad-${era}`)
    await expect(client.callTool({ name: 'memory_burn', arguments: {} })).rejects.toMatchObject({ code: -32602 })
    for (const [name, given] of [
      ['memory_add', {}], ['memory_add', { content: 7 }], ['memory_add', { content: 'x', colour: 'red' }], ['memory_list', { limit: 0 }], ['memory_list', { limit: 1e9 }], ['memory_list', { cursor: 'nonsense' }],
      ['memory_add', { content: 'x', agentId: 'nobody' }], ['memory_add', { content: 'nul \0' }], ['memory_add', { content: 'x', occurredAt: 'yesterday' }], ['knowledge_add', { facts: [{ entity: 'a', predicate: 'b' }] }],
      ['knowledge_add', { facts: [] }], ['memory_search', { query: '' }], ['state_get', { agent: 'nobody', key: 'k' }], ['state_set', { agent: 'nobody', key: 'k' }], ['knowledge_end', { fact: 'x', how: 'maybe' }],
    ] as const) {
      const refused = await callTool(client, name, given)
      expect(refused.isError, `${name} ${JSON.stringify(given)}: ${refused.text}`).toBe(true)
      expect(refused.text, name).not.toMatch(/\bat \S+:\d+|SELECT /)
    }
    expect((await callTool(client, 'memory_list')).structured).toEqual({ items: [] })
  })

  test("another tenant's client finds, reads and changes nothing", async () => {
    const [owner, intruder] = await Promise.all([connect(era, `owner-${era}`), connect(era, `intruder-${era}`)])
    const agent = await opened.cairn.as({ tenant: `owner-${era}` }).agents.register({ name: 'keeper', type: 'analyst' })
    const memory = (await callTool(owner, 'memory_add', { content: 'the secret is blue', key: 'secret' })).structured['id'] as string
    const fact = items((await callTool(owner, 'knowledge_add', { facts: [{ entity: 'Vault', predicate: 'code', value: '1234' }] })).structured)[0]?.id
    await callTool(owner, 'state_set', { agent: agent.id, key: 'k', value: 1 })
    await callTool(owner, 'memory_block_replace', { label: 'shared', content: 'ours' })
    for (const [name, given] of [
      ['memory_get', { memory }], ['memory_get', { memory: 'secret' }], ['memory_update', { memory, content: 'red' }], ['memory_block_view', { label: 'shared' }], ['memory_block_append', { label: 'shared', content: 'x' }],
      ['knowledge_entity', { entity: 'Vault' }], ['knowledge_history', { entity: 'Vault' }], ['knowledge_end', { fact, how: 'wrong' }], ['agent_get', { agent: agent.id }], ['state_get', { agent: agent.id, key: 'k' }],
      ['state_set', { agent: agent.id, key: 'k', value: 2 }], ['state_list', { agent: agent.id }],
    ] as const) {
      const refused = await callTool(intruder, name, given)
      expect((refused.meta['cairn/error'] as { code: string } | undefined)?.code ?? 'no error', `${name}: ${refused.text}`).toMatch(/NOT_FOUND$/)
    }
    expect((await callTool(intruder, 'memory_delete', { memory })).structured).toEqual({ deleted: false })
    for (const [name, given] of [['memory_search', { query: 'secret blue' }], ['memory_list', {}], ['memory_list', { agentId: agent.id }], ['memory_block_view', {}], ['knowledge_search', { query: 'Vault code' }], ['agents_list', {}], ['conversations_search', { query: 'secret' }]] as const) {
      expect(items((await callTool(intruder, name, given)).structured), name).toEqual([])
    }
    expect((await callTool(owner, 'memory_get', { memory })).structured).toMatchObject({ content: 'the secret is blue', version: 1 })
    expect((await callTool(owner, 'state_get', { agent: agent.id, key: 'k' })).structured).toMatchObject({ value: 1 })
  })

  test('two clients that write at once lose nothing, and of two at one version one is refused', async () => {
    const [one, two] = await Promise.all([connect(era, `busy-${era}`), connect(era, `busy-${era}`)])
    await callTool(one, 'memory_block_replace', { label: 'log', content: '', limit: 10_000 })
    await Promise.all([one, two].flatMap((client, which) => Array.from({ length: 5 }, (_, at) => [
      callTool(client, 'memory_add', { content: `thing ${which}-${at}` }), callTool(client, 'memory_block_append', { label: 'log', content: `line ${which}-${at}` }),
    ]).flat()))
    expect(items((await callTool(one, 'memory_list', { limit: 100 })).structured)).toHaveLength(10)
    const [log] = items((await callTool(two, 'memory_block_view', { label: 'log' })).structured)
    expect(log?.content.split('\n').sort()).toEqual([0, 1].flatMap((which) => [0, 1, 2, 3, 4].map((at) => `line ${which}-${at}`)))
    const both = await Promise.all([one, two].map((client) => callTool(client, 'memory_block_replace', { label: 'log', content: 'mine', expectedVersion: log?.['version'] })))
    expect(both.map(({ isError }) => isError).sort()).toEqual([false, true])
  })
})

describe('the tools', () => {
  test('have names, output schemas and all four annotations, in the same order each time, and cost few tokens', async () => {
    const client = await connect('modern', 'tools')
    const { tools } = await client.listTools()
    expect((await (await connect('legacy', 'tools')).listTools()).tools.map(({ name }) => name)).toEqual(tools.map(({ name }) => name))
    for (const { name, description, outputSchema, annotations } of tools) {
      expect(name).toMatch(/^[a-z]+(_[a-z]+)+$/)
      expect(description, name).toBeTruthy()
      expect(outputSchema?.type, name).toBe('object')
      expect(Object.values(annotations ?? {}).filter((hint) => typeof hint === 'boolean'), name).toHaveLength(4)
    }
    const tokens = encode(JSON.stringify(tools)).length
    // docs/reference/mcp.md says 20 tools and 3,900 tokens.
    expect(tools).toHaveLength(20)
    expect(tokens).toBeLessThan(4_000)
  })
})

describe('malformed calls', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/mcp`, { method: 'POST', body, headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers } })

  test.each([
    ['no JSON', '{"jsonrpc": "2.0", '], ['no message', '"hello"'], ['null', 'null'], ['nothing', ''], ['an empty batch', '[]'], ['without jsonrpc', '{"id":1,"method":"tools/list"}'], ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":5}'],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"tools/list"}'], ['deep nesting', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
  ])('%s is refused as an error of the protocol', async (_, body) => {
    const response = await post(body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', error: { code: expect.any(Number) as number } })
  })

  test('an unknown method, and a call without a name, are errors with the id of the request', async () => {
    for (const request of [{ method: 'tools/burn' }, { method: 'tools/call', params: { arguments: {} } }, { method: 'tools/call', params: { name: 7 } }, { method: 'tools/call', params: { name: '__proto__' } }]) {
      const response = await post(JSON.stringify({ jsonrpc: '2.0', id: 7, ...request }))
      const text = await response.text()
      expect(text, JSON.stringify(request)).toMatch(/"error":\{"code":-32/)
      expect(text).toContain('"id":7')
    }
  })

  test('arguments of 10 MB are refused unread, a large one within the limit by the tool, and the server goes on', async () => {
    const call = (content: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'memory_add', arguments: { content } } })
    const refused = await post(call('x'.repeat(10_000_000)))
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    const large = await post(call('x'.repeat(1_500_000)))
    expect(await large.text()).toMatch(/"isError":true/)
    expect((await post(call('small'))).status).toBe(200)
  })

  test('another site, a foreign host name, a broken tenant, and methods of sessions are refused', async () => {
    expect((await post('{}', { origin: 'https://evil.example' })).status).toBe(403)
    expect((await post('{}', { 'x-cairn-tenant': 'no tenant!' })).status).toBe(400)
    expect((await fetch(`${server.url}/mcp`)).status).toBe(405)
    expect((await fetch(`${server.url}/mcp`, { method: 'DELETE' })).status).toBe(405)
    expect((await fetch(`${server.url}/mcp/graph`, { method: 'PUT' })).status).toBe(405)
    expect((await fetch(`${server.url}/mcp/other`, { method: 'POST' })).status).toBe(404)
  })
})

describe('while the server stops', () => {
  test('a call that runs is answered, and a stream that waits for changes ends', async () => {
    const stopping = await serve(opened.cairn, { port: 0, closeTimeoutMs: 60_000 })
    const client = await connectHttp(`${stopping.url}/mcp`, 'modern')
    open.push(client)
    const subscription = await client.listen({ toolsListChanged: true })
    await stopping.close()
    expect(await subscription.closed).toBeDefined()

    const closing = new AbortController()
    const app = createApp(opened.cairn, { closing: closing.signal })
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'memory_list', arguments: {}, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' }, 'io.modelcontextprotocol/clientCapabilities': {} } } }
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-cairn-tenant': 'stopping', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'memory_list' }
    let answered: Response | undefined
    let call: Promise<Response> | undefined
    await opened.cairn.engines.sql.transaction(opened.cairn.identity, async (session) => {
      await session.query('SELECT 1')
      // The one connection is taken: the call waits for it.
      call = Promise.resolve(app.request('/mcp', { method: 'POST', headers, body: JSON.stringify(body) })).then((response) => (answered = response))
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      closing.abort()
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(answered).toBeUndefined()
    })
    expect(await (await call)?.json()).toMatchObject({ id: 1, result: { structuredContent: { items: [] } } })
  })
})
