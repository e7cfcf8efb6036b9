import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileURLToPath } from 'node:url'
import { type Era, callTool, connectStdio } from '../../server/test/mcp/clients.ts'
import { waitGone } from '../../core/test/harness/processes.ts'
import { CliSandbox } from './run-cli.ts'
import { NODE_FLAGS } from '../../core/test/harness/node-flags.ts'

const BIN = fileURLToPath(new URL('../bin/cairn.ts', import.meta.url))

let sandbox: CliSandbox
let dataDir: string
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  dataDir = await sandbox.dataDir('data')
})
afterAll(() => sandbox?.dispose())

interface Answer {
  readonly id: unknown
  readonly error?: { readonly code: number; readonly message: string }
  readonly result?: { readonly structuredContent: Record<string, unknown> }
}

const connect = (era: Era, ...args: string[]) => connectStdio(era, process.execPath, [...NODE_FLAGS, BIN, 'mcp', '--data-dir', dataDir, ...args], { cwd: sandbox.root, env: { CAIRN_EMBEDDER: 'none' } })
const names = (structured: Record<string, unknown>) => (structured['entities'] as { name: string }[]).map(({ name }) => name).sort()

test('two clients, each with a process of its own on one data directory, lose nothing; when the first ends, the second goes on', async () => {
  // Both begin on a directory that nobody has open.
  const [one, two] = await Promise.all([connect('legacy', '--tools', 'graph'), connect('modern', '--tools', 'graph')])
  const make = (client: typeof one, who: string, count: number) =>
    Array.from({ length: count }, (_, at) => callTool(client.client, 'create_entities', { entities: [{ name: `${who}-${at}`, entityType: 'thing', observations: ['seen'] }] }))
  const results = await Promise.all([...make(one, 'one', 6), ...make(two, 'two', 6)])
  expect(results.filter(({ isError }) => isError)).toEqual([])
  const all = [0, 1, 2, 3, 4, 5].flatMap((at) => [`one-${at}`, `two-${at}`]).sort()
  expect(names((await callTool(one.client, 'read_graph')).structured)).toEqual(all)
  expect(names((await callTool(two.client, 'search_nodes', { query: 'SEEN' })).structured)).toEqual(all)
  expect((await two.client.readResource({ uri: 'memory://knowledge-graph' })).contents).toHaveLength(1)
  expect((await two.client.listTools()).tools).toHaveLength(9)

  // Whichever has the directory open, after this the other has.
  const holder = JSON.parse(await sandbox.read('data/server.json')) as { pid: number }
  const [first, second] = one.pid() === holder.pid ? [one, two] : [two, one]
  expect(first.pid()).toBe(holder.pid)
  await first.client.close()
  await waitGone([holder.pid], 60_000)
  expect((await callTool(second.client, 'create_entities', { entities: [{ name: 'later', entityType: 'thing', observations: [] }] })).isError).toBe(false)
  expect(names((await callTool(second.client, 'read_graph')).structured)).toEqual(['later', ...all])
  expect(JSON.parse(await sandbox.read('data/server.json'))).toMatchObject({ pid: second.pid() })

  // Another tenant works through the process that has it open now.
  const readGraph = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'read_graph', arguments: {} } })
  const other = await sandbox.spawn(['mcp', '--data-dir', dataDir, '--tenant', 'other', '--tools', 'graph'], {}, `${readGraph}\n`).done
  expect((JSON.parse(other.stdout) as Answer).result?.structuredContent).toEqual({ entities: [], relations: [] })

  // That one is killed; what it acknowledged is there for the next, which also gets lines that are no messages.
  process.kill(second.pid() ?? 0, 'SIGKILL')
  const { code, stdout } = await sandbox.spawn(['mcp', '--data-dir', dataDir, '--tools', 'graph'], {}, [
    '{"jsonrpc": "2.0", ', '[]', '{"jsonrpc":"2.0","id":1,"method":"tools/burn"}', readGraph,
    JSON.stringify({ jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'search_nodes', arguments: { query: 'x'.repeat(10_000_000) } } }), 'x'.repeat(17_000_000), '',
  ].join('\n')).done
  const answers = stdout.trim().split('\n').map((line) => JSON.parse(line) as Answer)
  expect(code).toBe(0)
  expect(answers.filter(({ id }) => id === null).map(({ error }) => error?.code).sort()).toEqual([-32600, -32700, -32700])
  expect(answers.find(({ id }) => id === 1)?.error?.code).toBe(-32601)
  expect(names(answers.find(({ id }) => id === 2)?.result?.structuredContent ?? {})).toEqual(['later', ...all])
  expect(answers.find(({ id }) => id === 3)?.error?.message).toMatch(/^PAYLOAD_TOO_LARGE/)
  await second.client.close()
}, 120_000)

test('a server that does not answer, and engines given beside one, are told on stderr', async () => {
  expect(await sandbox.run(['mcp', '--server', 'http://127.0.0.1:9'])).toMatchObject({ stdout: '', stderr: expect.stringMatching(/^error \[CONNECTION_FAILED\]/) as string })
  expect(await sandbox.run(['mcp', '--server', 'http://127.0.0.1:9', '--data-dir', 'x'])).toMatchObject({ stdout: '', stderr: expect.stringMatching(/^error \[INVALID_OPTION\]/) as string })
}, 60_000)
