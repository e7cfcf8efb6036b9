import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Http } from '../src/client/http.ts'
import { useServer } from './running-server.ts'

const cli = useServer()

const json = <T = Record<string, unknown>>(...args: string[]): Promise<T> => cli.sandbox.json<T>([...args, '--server', cli.server.url])
const run = (...args: string[]) => cli.sandbox.run([...args, '--server', cli.server.url])

test('agents: register, list, show, retire', async () => {
  const scout = await json('agents', 'register', 'scout', '--type', 'analyst', '--capability', 'search', 'read')
  expect(scout).toMatchObject({ key: 'scout', type: 'analyst', capabilities: ['read', 'search'] })
  expect(await json('agents', 'register', 'scout', '--type', 'analyst', '--if-exists')).toMatchObject({ id: scout['id'] })
  expect((await run('agents', 'register', 'scout', '--type', 'analyst')).stderr).toMatch(/^error \[DUPLICATE_KEY\]/)
  expect((await json<{ items: unknown[] }>('agents', 'list', '--search', 'scout')).items).toHaveLength(1)
  expect((await run('agents', 'show', 'scout')).stdout).toMatch(/^id +[0-9a-f-]{36}\nkey +scout\n/)
  expect(await run('agents', 'show', 'nobody')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[AGENT_NOT_FOUND\]/) as string })
  const unconfirmed = await run('agents', 'retire', 'scout')
  expect(unconfirmed.code).toBe(2)
  expect(unconfirmed.stderr).toContain('pass --yes')
  expect(await json('agents', 'retire', 'scout', '--yes', '--reason', 'done')).toMatchObject({ status: 'terminated' })
})

test('state: set, get, list, delete, with expected revisions and any key', async () => {
  await json('agents', 'register', 'keeper', '--type', 'analyst')
  expect(await json('state', 'set', 'keeper', 'a/b c%', '{"step":1}', '--if-revision', '0')).toEqual({ key: 'a/b c%', revision: expect.any(Number) as number })
  const { revision } = await json<{ revision: number }>('state', 'get', 'keeper', 'a/b c%')
  expect(await json('state', 'set', 'keeper', 'a/b c%', 'null', '--if-revision', String(revision), '--ack', 'durable')).toMatchObject({ key: 'a/b c%' })
  const conflict = await run('state', 'set', 'keeper', 'a/b c%', '2', '--if-revision', String(revision))
  expect(conflict).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[VERSION_CONFLICT\].*expected revision/) as string })
  expect((await run('state', 'list', 'keeper')).stdout).toMatch(/^key +value +revision +updated\na\/b c% +null +\d+/)
  expect((await run('state', 'set', 'keeper', 'plan', 'hello')).stderr).toContain(`A text needs quotes of its own: '"hello"'`)
  expect(await json('state', 'delete', 'keeper', 'a/b c%', '--yes')).toMatchObject({ deleted: true })
  expect(await run('state', 'get', 'keeper', 'a/b c%')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[NOT_FOUND\]/) as string })
  expect((await json<{ items: unknown[] }>('state', 'list', 'keeper')).items).toEqual([])
})

test('state policies: set, list, remove', async () => {
  await json('agents', 'register', 'counter', '--type', 'analyst')
  const policy = await json<{ id: string }>('state', 'policies', 'set', '--strategy', 'crdt', '--crdt-type', 'counter', '--prefix', 'n/', '--agent', 'counter')
  expect(policy).toMatchObject({ prefix: 'n/', exact: false, strategy: 'crdt', crdtType: 'counter' })
  expect(await json('state', 'set', 'counter', 'n/x', '5')).toMatchObject({ outcome: 'written' })
  expect((await run('state', 'policies', 'list')).stdout).toMatch(/^id +for +keys +strategy\n[0-9a-f-]{36} +agent [0-9a-f-]{36} +n\/\* +crdt counter/)
  expect((await run('state', 'policies', 'set', '--strategy', 'custom', '--prefix', '')).stderr).toMatch(/^error \[INVALID_ARGUMENT\] merge/)
  expect((await run('state', 'policies', 'remove', policy.id)).code).toBe(2)
  expect(await json('state', 'policies', 'remove', policy.id, '--yes')).toMatchObject({ deleted: true })
  expect(await json('state', 'policies', 'list')).toEqual({ items: [], nextCursor: null })
})

test('checkpoints: create, show, restore, fork', async () => {
  await json('agents', 'register', 'first', '--type', 'analyst')
  await json('agents', 'register', 'second', '--type', 'analyst')
  await json('state', 'set', 'first', 'plan', '1')
  const { id } = await json<{ id: string }>('checkpoints', 'create', 'first', '--name', 'before')
  await json('state', 'set', 'first', 'plan', '2')
  await json('state', 'set', 'first', 'extra', '3')
  expect(await json('checkpoints', 'show', id)).toMatchObject({ name: 'before', state: { plan: 1 } })
  expect((await run('checkpoints', 'restore', id)).code).toBe(2)
  expect(await json('checkpoints', 'restore', id, '--yes')).toMatchObject({ written: 1, deleted: 1 })
  expect(await json('state', 'get', 'first', 'plan')).toMatchObject({ value: 1 })
  expect(await json('checkpoints', 'fork', id, 'second', '--yes')).toMatchObject({ written: 1, checkpoint: { sourceCheckpointId: id } })
  expect(await json('state', 'get', 'second', 'plan')).toMatchObject({ value: 1 })
  expect((await json<{ items: { name: string }[] }>('checkpoints', 'list', 'first', '--limit', '1')).items).toMatchObject([{ name: 'before' }])
})

test('checkpoints: at, diff, tag, prune, policy', async () => {
  await json('agents', 'register', 'third', '--type', 'analyst')
  const ids: string[] = []
  for (let n = 0; n < 4; n++) {
    await json('state', 'set', 'third', 'plan', `{"n":${n}}`)
    ids.push((await json<{ id: string }>('checkpoints', 'create', 'third', ...(n === 0 ? ['--tag', 'start'] : []))).id)
  }
  const [first = '', second = ''] = ids
  expect(await json('checkpoints', 'at', 'third', '--tag', 'start')).toMatchObject({ id: first, state: { plan: { n: 0 } } })
  expect(await json('checkpoints', 'at', 'third', '--time', new Date(Date.now() + 60_000).toISOString())).toMatchObject({ state: { plan: { n: 3 } } })
  expect((await run('checkpoints', 'at', 'third')).code).toBe(2)
  expect(await json('checkpoints', 'diff', first)).toMatchObject({ to: 'now', changed: [{ key: 'plan', patch: [{ op: 'replace', path: '/n', value: 3 }] }] })
  expect((await run('checkpoints', 'diff', first, second)).stdout).toContain('0 keys unchanged.')
  expect(await json('checkpoints', 'tag', second, 'current', '--moving')).toMatchObject({ tags: ['current'] })
  expect(await json('checkpoints', 'untag', second, 'current')).toEqual({ deleted: true })
  const dry = await run('checkpoints', 'prune', 'third', '--keep-last', '1', '--dry-run')
  expect(dry.stdout).toContain(second)
  expect(dry.stdout).toContain('2 would be removed, 2 kept.')
  expect((await run('checkpoints', 'prune', 'third', '--keep-last', '1')).code).toBe(2)
  expect(await json('checkpoints', 'prune', 'third', '--keep-last', '1', '--yes')).toMatchObject({ kept: 2, removed: [{}, {}] })
  expect(await json('checkpoints', 'policy', 'third', '--keep-daily', '7', '--older-than', '30d')).toEqual({ policy: { keepEvery: { day: 7 }, olderThanMs: 2_592_000_000 } })
  expect((await run('checkpoints', 'prune', '--dry-run')).stdout).toContain('0 would be removed')
  expect(await json('checkpoints', 'policy', 'third', '--remove')).toEqual({ deleted: true })
}, 240_000)

test('agents: export and import, plain and compressed', async () => {
  await json('agents', 'register', 'traveller', '--type', 'analyst')
  await json('state', 'set', 'traveller', 'plan', '"go"')
  await json('checkpoints', 'create', 'traveller', '--name', 'leaving')
  for (const name of ['traveller.cairn.json', 'traveller.cairn.json.gz']) {
    const file = join(await cli.sandbox.dataDir('files'), `../${name}`)
    expect(await json('agents', 'export', 'traveller', '--file', file)).toMatchObject({ file })
    expect((await run('agents', 'export', 'traveller', '--file', file)).stderr).toContain('--force')
    expect(await run('agents', 'import', file)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[DUPLICATE_KEY\].*--as/) as string })
    expect(await json('agents', 'import', file, '--as', name)).toMatchObject({ key: name, created: true, keys: 1, checkpoints: 1 })
    expect(await json('state', 'get', name, 'plan')).toMatchObject({ value: 'go' })
    const bytes = await readFile(file)
    await writeFile(file, bytes.subarray(0, bytes.length - 30))
    expect(await run('agents', 'import', file, '--as', 'never')).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing of it was stored') as string })
  }
  expect((await run('agents', 'export', 'nobody', '--file', join(await cli.sandbox.dataDir('files'), '../nobody.json'))).stderr).toMatch(/^error \[AGENT_NOT_FOUND\]/)
}, 240_000)

describe('conversations', () => {
  test('are listed and shown with their messages', async () => {
    const post = async (path: string, body: unknown): Promise<{ id: string }> =>
      (await (await fetch(`${cli.server.url}/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json()) as { id: string }
    const session = await post('/chat-sessions', { key: 'talk', title: 'A talk' })
    const thread = await post(`/chat-sessions/${session.id}/threads`, {})
    await post(`/threads/${thread.id}/messages`, { author: { kind: 'user', label: 'Ada' }, content: 'Hello there' })
    expect((await run('conversations', 'list')).stdout).toMatch(/talk +A talk +individual +active +1/)
    expect((await run('conversations', 'show', 'talk')).stdout).toMatch(/\n1 {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}Ada: Hello there\n/)
    expect(await json('conversations', 'show', 'talk')).toMatchObject({ session: { id: session.id }, threads: { items: [{}] }, messages: { items: [{ content: 'Hello there' }] } })

    expect((await run('conversations', 'search', 'hello', '--role', 'user')).stdout).toMatch(/Ada +«Hello» there/)
    expect((await run('conversations', 'summarize', 'talk')).stdout).toContain('Version 1, up to message 1')
    const folder = await mkdtemp(join(tmpdir(), 'cairn-talk-'))
    try {
      const file = join(folder, 'talk.jsonl')
      expect((await run('conversations', 'export', 'talk', '--file', file)).stdout).toContain('Wrote')
      expect(await run('conversations', 'export', 'talk', '--file', file)).toMatchObject({ code: 2 })
      expect(await json('conversations', 'delete', 'talk', '--yes')).toEqual({ deleted: true })
      expect(await json('conversations', 'import', file)).toMatchObject({ key: 'talk', messageCount: 1 })
      const [packed, back] = [join(folder, 'talk.packed'), join(folder, 'talk.back')]
      expect(await json('compression', 'compress', file, '--out', packed, '--goal', 'ratio')).toMatchObject({ file: packed })
      expect(await json('compression', 'decompress', packed, '--out', back)).toMatchObject({ file: back })
      expect(await readFile(back)).toEqual(await readFile(file))
      expect((await run('compression', 'measure', file)).stdout).toMatch(/algorithm +level +bytes/)
      expect((await run('compression', 'algorithms')).stdout).toMatch(/zstd +1 to 19 \(3\)/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }, 90_000)
})

test('histories: list, show, clear', async () => {
  const url = `${cli.server.url}/v1/histories/${encodeURIComponent('talk/1')}/items?namespace=support`
  await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ items: [{ role: 'user', content: 'Hi' }, 2] }) })
  const inSupport = ['talk/1', '--namespace', 'support']
  expect((await run('histories', 'list', '--prefix', 'talk')).stdout).toMatch(/^namespace +key +items .*\nsupport +talk\/1 +2 /)
  expect((await run('histories', 'show', ...inSupport)).stdout).toMatch(/\n1 +\S+ +\{"content":"Hi","role":"user"\}\n2 +/)
  expect(await json('histories', 'show', ...inSupport, '--newest', '--limit', '1')).toMatchObject({ history: { itemCount: 2 }, items: { items: [{ seq: 2, item: 2 }] } })
  expect(await run('histories', 'show', 'talk/1')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[NOT_FOUND\]/) as string })
  expect((await run('histories', 'clear', ...inSupport)).code).toBe(2)
  expect(await json('histories', 'clear', ...inSupport, '--yes')).toMatchObject({ itemCount: 0 })
  expect((await json<{ items: unknown[] }>('histories', 'list', '--namespace', 'support')).items).toMatchObject([{ key: 'talk/1', itemCount: 0 }])
})

test('flags that contradict each other, and an address that is none, are usage errors', async () => {
  expect((await cli.sandbox.run(['agents', 'list', '--server', cli.server.url, '--data-dir', 'x'])).code).toBe(2)
  expect((await cli.sandbox.run(['agents', 'list', '--server', 'nonsense'])).stderr).toMatch(/^error \[INVALID_OPTION\] --server/)
})

test('an error with --json is JSON on stdout', async () => {
  const result = await run('agents', 'show', 'nobody', '--json')
  expect(JSON.parse(result.stdout)).toMatchObject({ error: { code: 'AGENT_NOT_FOUND' } })
  expect(result).toMatchObject({ code: 1, stderr: '' })
})

test('memory: add, list, show, forget, retain, blocks', async () => {
  await json('memory', 'add', 'Anna lives in Berlin', '--user', 'anna', '--key', 'home', '--tag', 'place', '--importance', '0.7')
  expect((await run('memory', 'add', 'Anna lives in Lisbon', '--user', 'anna', '--conflicts', 'supersede')).stdout).toMatch(/^Remembered as [0-9a-f-]{36}\.\ncontradiction \(changed_value\) with [0-9a-f-]{36}; [0-9a-f-]{36} is superseded/)
  expect((await run('memory', 'list', '--user', 'anna', '--tag', 'place', '--archived')).stdout).toMatch(/^id +scope +user .*\n[0-9a-f-]{36} +user +anna +general +0\.7 .*Anna lives in Berlin/)
  expect((await run('memory', 'show', 'home')).stdout).toMatch(/archiveReason +superseded/)
  expect(await json<{ items: unknown[] }>('memory', 'retain', '--explain', '--limit', '1')).toMatchObject({ items: [{ decision: 'kept', rule: 'provenance' }] })
  expect(await json('memory', 'blocks', 'set', 'persona', 'I am', '--user', 'anna', '--max', '12', '--if-version', '0')).toMatchObject({ version: 1, characters: 4 })
  expect((await run('memory', 'blocks', 'append', 'persona', 'far too long', '--user', 'anna')).stderr).toMatch(/^error \[PAYLOAD_TOO_LARGE\] block "persona"/)
  expect((await run('memory', 'blocks', 'show', 'persona', '--user', 'anna')).stdout).toBe('I am\n')
  expect(await run('memory', 'forget', '--user', 'anna')).toMatchObject({ code: 2, stderr: expect.stringContaining('pass --yes') as string })
  expect(await json('memory', 'forget', 'home', '--yes')).toEqual({ deleted: true })
  expect(await json('memory', 'forget', '--user', 'anna', '--yes')).toEqual({ memories: 1, blocks: 1 })
})

test('schedules: add, list, next, pause, resume, trigger, remove', async () => {
  const added = await json('schedules', 'add', 'nightly', '--type', 'report', '--cron', '30 2 * * *', '--time-zone', 'Europe/Berlin', '--payload', '{"n":1}', '--catch-up', 'all')
  expect(added).toMatchObject({ key: 'nightly', status: 'active', timeZone: 'Europe/Berlin', catchUp: 'all', task: { type: 'report', payload: { n: 1 } } })
  expect((await run('schedules', 'add', 'nightly', '--type', 'report', '--every', '5000')).stderr).toMatch(/^error \[DUPLICATE_KEY\]/)
  expect((await run('schedules', 'add', 'bad', '--type', 'report', '--cron', '61 * * * *')).stderr).toMatch(/^error \[INVALID_ARGUMENT\] cron/)
  expect((await run('schedules', 'add', 'bad', '--type', 'report', '--every', '0')).code).toBe(2)
  expect((await run('schedules', 'list')).stdout).toMatch(/^key +when +task +status +next .*\nnightly +30 2 \* \* \* \(Europe\/Berlin\) +report +active/)
  expect((await json<{ items: string[] }>('schedules', 'next', 'nightly', '--count', '3')).items).toHaveLength(3)
  expect(await json('schedules', 'pause', 'nightly')).toMatchObject({ status: 'paused', nextRunAt: null })
  const task = await json<{ id: string }>('schedules', 'trigger', 'nightly', '--operation-id', 'now')
  expect(await json('schedules', 'trigger', 'nightly', '--operation-id', 'now')).toMatchObject({ id: task.id, isNew: false })
  expect(await json('tasks', 'show', task.id)).toMatchObject({ type: 'report', payload: { n: 1 } })
  expect(await json('schedules', 'resume', 'nightly')).toMatchObject({ status: 'active' })
  expect(await json('schedules', 'add', 'nightly', '--type', 'report', '--every', '60000', '--replace')).toMatchObject({ id: added['id'], everyMs: 60_000, cron: null })
  expect((await run('schedules', 'remove', 'nightly')).code).toBe(2)
  expect(await json('schedules', 'remove', 'nightly', '--yes')).toEqual({ deleted: true })
  expect((await json<{ items: unknown[] }>('schedules', 'list')).items).toEqual([])
})

test('events: publish, tail, status, dead letters', async () => {
  const tail = cli.sandbox.spawn(['events', 'tail', '--filter', 'events.cli.>', '--from', 'all', '--count', '2', '--json', '--server', cli.server.url])
  expect(await json('events', 'publish', 'events.cli.a', '{"n":1}', '--id', 'one', '--header', 'source=cli')).toEqual({ id: 'one' })
  expect(await json('events', 'publish', 'events.cli.a', '{"n":1}', '--id', 'one')).toEqual({ id: 'one' })
  await json('events', 'publish', 'events.cli.b')
  const { stdout, code } = await tail.done
  expect(code).toBe(0)
  expect(stdout.trim().split('\n').map((line) => JSON.parse(line) as object)).toMatchObject([{ id: 'one', subject: 'events.cli.a', payload: { n: 1 }, headers: { source: 'cli' } }, { subject: 'events.cli.b', payload: null }])
  expect((await run('events', 'status')).stdout).toMatch(/log +sql[\s\S]+EVENTS +2 +/)
  expect((await run('events', 'dead-letters')).stdout).toBe('No dead letters.\n')
  expect((await run('events', 'redrive', 'sql-1')).stderr).toMatch(/^error \[NOT_FOUND\]/)
  expect((await run('events', 'publish', 'events.cli', '1')).stderr).toMatch(/^error \[INVALID_ARGUMENT\] subject/)
  expect((await run('events', 'publish', 'events.cli.a', 'hello')).stderr).toContain(`A text needs quotes of its own`)
  expect((await run('events', 'tail', 'NOBODY')).stderr).toMatch(/^error \[INVALID_ARGUMENT\]/)
})

test('messages: send, list, show, inbox, dead, redrive', async () => {
  await json('agents', 'register', 'teller', '--type', 'analyst')
  await json('agents', 'register', 'listener', '--type', 'analyst')
  const sent = await json<{ id: string }>('messages', 'send', '{"n":1}', 'listener', '--from', 'teller', '--priority', '2', '--key', 'k1')
  expect(await json('messages', 'send', '{"n":1}', 'listener', '--from', 'teller', '--priority', '2', '--key', 'k1')).toMatchObject({ id: sent.id, duplicate: true })
  expect((await json<{ items: unknown[] }>('messages', 'list', '--to', 'listener')).items).toHaveLength(1)
  expect(await json('messages', 'inbox', 'listener')).toMatchObject({ messages: [{ id: sent.id, payload: { n: 1 }, priority: 2 }] })
  expect((await run('messages', 'inbox', 'listener')).stdout).toContain('The inbox is empty.')
  expect(await json('messages', 'show', sent.id)).toMatchObject({ deliveries: [{ status: 'acknowledged' }] })
  expect(await json('messages', 'dead')).toEqual({ items: [], nextCursor: null })
  expect(await json('messages', 'redrive', sent.id, '--yes')).toEqual({ messages: [] })
  expect((await run('messages', 'send', 'hello', 'listener')).stderr).toContain('is not JSON')
})

test('output that nobody reads ends a command quietly, and a message that nobody saw comes again', async () => {
  await json('agents', 'register', 'unseen', '--type', 'analyst')
  const { id } = await json<{ id: string }>('messages', 'send', '{"n":1}', 'unseen')
  await json('events', 'publish', 'events.unread.a')
  const server = ['--server', cli.server.url]
  const [inbox, tail, list] = await Promise.all([['messages', 'inbox', 'unseen'], ['events', 'tail', '--from', 'all'], ['agents', 'list']].map((args) => cli.sandbox.unread([...args, ...server])))
  for (const ended of [inbox, tail, list]) expect(ended).toEqual({ code: 0, stderr: '' })
  const { deliveries } = await json<{ deliveries: { status: string }[] }>('messages', 'show', id)
  expect(deliveries[0]?.status).toBe('delivered')
}, 60_000)

test('a file that breaks off in the middle of an upload is told as such', async () => {
  await json('agents', 'register', 'packed', '--type', 'analyst')
  await run('state', 'set', 'packed', 'noise', JSON.stringify(randomBytes(150_000).toString('hex')))
  await run('agents', 'export', 'packed', '--file', cli.sandbox.path('whole.gz'))
  await writeFile(cli.sandbox.path('half.gz'), (await readFile(cli.sandbox.path('whole.gz'))).subarray(0, 100_000))
  expect((await run('agents', 'import', cli.sandbox.path('half.gz'), '--as', 'half')).stderr).toMatch(/^error \[IMPORT_MALFORMED\] .*half.gz is not a whole gzip file/)
  expect((await run('agents', 'show', 'half')).stderr).toMatch(/^error \[AGENT_NOT_FOUND\]/)
})

test('a time that is none is told as such', async () => {
  for (const flag of ['--after', '--before']) expect((await run('conversations', 'search', 'word', flag, 'nonsense')).stderr).toMatch(/^error \[INVALID_ARGUMENT\] sent/)
})

test('an export that breaks off leaves the file that was there before', async () => {
  const server = createServer((request, response) => {
    if (!request.url?.includes('/export')) return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: 'a' }))
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    return response.write('{"session":{}}\n', () => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const file = cli.sandbox.path('kept.jsonl')
  await writeFile(file, 'the export of yesterday')
  for (const command of [['conversations', 'export', 'talk'], ['agents', 'export', 'scout']]) {
    const { code, stderr } = await cli.sandbox.run([...command, '--file', file, '--force', '--server', url])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error \[CONNECTION_FAILED\]/)])
    expect(await readFile(file, 'utf8')).toBe('the export of yesterday')
  }
  server.closeAllConnections()
  server.close()
})

test('a followed stream goes on behind its place when the server is not well for a while', async () => {
  const places: (string | undefined)[] = []
  const problem = JSON.stringify({ code: 'CONNECTION_FAILED', detail: 'the database is away' })
  const server = createServer((request, response) => {
    places.push(request.headers['last-event-id'] as string | undefined)
    if (places.length === 2) return response.writeHead(503, { 'content-type': 'application/problem+json' }).end(problem)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    return response.end(places.length === 1 ? ': watching\nid: place\n\n' : 'id: one\nevent: a\ndata: 1\n\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = new AbortController()
  for await (const { data } of new Http(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined).events('/v1/event-stream', {}, stop.signal)) {
    expect(data).toBe(1)
    break
  }
  stop.abort()
  server.closeAllConnections()
  server.close()
  expect(places).toEqual([undefined, 'place', 'place'])
})

test('every command ends by itself when its work is done', async () => {
  await json('agents', 'register', 'ender', '--type', 'analyst')
  const lists = [['agents', 'list'], ['state', 'list', 'ender'], ['checkpoints', 'list', 'ender'], ['conversations', 'list'], ['histories', 'list'], ['lineages', 'list'], ['documents', 'list'], ['tasks', 'list'], ['schedules', 'list'], ['sagas', 'list'], ['breakers', 'list'], ['pools', 'status'], ['events', 'status'], ['messages', 'list']]
  for (const args of lists) expect(await cli.sandbox.runToEnd([...args, '--server', cli.server.url]), args.join(' ')).toMatchObject({ code: 0, signal: null })
  for (const args of [lists[0], lists.at(-1)]) expect(await cli.sandbox.runAlone([...(args ?? []), '--server', cli.server.url])).toMatchObject({ code: 0, signal: null })
}, 60_000)
