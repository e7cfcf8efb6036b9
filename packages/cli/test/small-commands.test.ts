import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliSandbox, type RunningCli } from './run-cli.ts'

let sandbox: CliSandbox
let server: RunningCli & { readonly url: string }
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  server = await sandbox.start(['--data-dir', await sandbox.dataDir('data')])
})
afterAll(async () => {
  await server.kill('SIGTERM')
  await sandbox.dispose()
})

const json = <T = Record<string, unknown>>(...args: string[]): Promise<T> => sandbox.json<T>([...args, '--server', server.url])
const run = (...args: string[]) => sandbox.run([...args, '--server', server.url])

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

describe('conversations', () => {
  test('are listed and shown with their messages', async () => {
    const post = async (path: string, body: unknown): Promise<{ id: string }> =>
      (await (await fetch(`${server.url}/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json()) as { id: string }
    const session = await post('/chat-sessions', { key: 'talk', title: 'A talk' })
    const thread = await post(`/chat-sessions/${session.id}/threads`, {})
    await post(`/threads/${thread.id}/messages`, { author: { kind: 'user', label: 'Ada' }, content: 'Hello there' })
    expect((await run('conversations', 'list')).stdout).toMatch(/talk +A talk +individual +active +1/)
    expect((await run('conversations', 'show', 'talk')).stdout).toMatch(/\n1 {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}Ada: Hello there\n/)
    expect(await json('conversations', 'show', 'talk')).toMatchObject({ session: { id: session.id }, threads: { items: [{}] }, messages: { items: [{ content: 'Hello there' }] } })
  })
})

test('flags that contradict each other, and an address that is none, are usage errors', async () => {
  expect((await sandbox.run(['agents', 'list', '--server', server.url, '--data-dir', 'x'])).code).toBe(2)
  expect((await sandbox.run(['agents', 'list', '--server', 'nonsense'])).stderr).toMatch(/^error \[INVALID_OPTION\] --server/)
})

test('an error with --json is JSON on stdout', async () => {
  const result = await run('agents', 'show', 'nobody', '--json')
  expect(JSON.parse(result.stdout)).toMatchObject({ error: { code: 'AGENT_NOT_FOUND' } })
  expect(result).toMatchObject({ code: 1, stderr: '' })
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
