import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliSandbox } from './run-cli.ts'

let sandbox: CliSandbox
beforeAll(async () => {
  sandbox = await CliSandbox.make()
})
afterAll(() => sandbox.dispose())

async function put(url: string, path: string, value: unknown): Promise<Response> {
  return fetch(`${url}${path}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
}

test('the first start on an empty directory tells what it does, serves, flushes at SIGTERM, and the second start has everything, also for other machines', { timeout: 120_000 }, async () => {
  const dataDir = sandbox.path('first')
  const first = await sandbox.start(['--data-dir', dataDir])
  const health = (await (await fetch(`${first.url}/health`)).json()) as { checks: { name: string }[] }
  expect(health.checks.map(({ name }) => name).sort()).toEqual(['consistency', 'kv', 'sql'])
  expect(existsSync(join(dataDir, 'server.json'))).toBe(true)

  const registered = await fetch(`${first.url}/v1/agents`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'scout', type: 'analyst' }) })
  expect(registered.status).toBe(201)
  expect((await put(first.url, '/v1/agents/scout/state/plan', { step: 1 })).status).toBe(200)
  const stopped = await first.kill('SIGTERM')
  expect(stopped).toMatchObject({ code: 0, signal: null })
  expect(stopped.stdout).toContain('making the database')
  expect(stopped.stderr).toBe('')
  expect(existsSync(join(dataDir, 'server.json'))).toBe(false)

  // Bound to more than this machine, it warns that there is no authentication.
  const second = await sandbox.start(['--data-dir', dataDir, '--host', '0.0.0.0'])
  expect(second.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  await second.until(/there is no authentication yet/)
  expect(await (await fetch(`${second.url}/v1/agents/scout/state/plan`)).json()).toMatchObject({ value: { step: 1 }, revision: 1 })

  // Another process may not open the same directory.
  const locked = await sandbox.runAlone(['start', '--port', '0', '--data-dir', dataDir])
  expect(locked.code).toBe(1)
  expect(locked.stderr).toMatch(new RegExp(`^error \\[DATA_DIR_LOCKED\\] The data directory .* is in use by process ${second.pid}\\.`))
  expect(locked.stderr).not.toContain('    at ')
  expect(await second.kill('SIGINT')).toMatchObject({ code: 0, signal: null })
})

test('a taken port is told before anything is opened', async () => {
  const blocker = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
  const { port } = blocker.address() as AddressInfo
  const result = await sandbox.runAlone(['start', '--port', String(port), '--data-dir', sandbox.path('untouched')])
  await new Promise((resolve) => blocker.close(resolve))
  expect(result.code).toBe(1)
  expect(result.stderr).toBe(`error [PORT_IN_USE] Port ${port} on 127.0.0.1 is taken by another process.\nStop that process, or choose another port with --port.\n`)
  expect(existsSync(sandbox.path('untouched'))).toBe(false)
})

describe('wrong usage ends with 2 and says what would be right', () => {
  test.each([
    [['start', '--prot', '1'], /unknown option '--prot'\n\(Did you mean --port\?\)/],
    [['start', '--port', '70000'], /It must be a whole number from 0 to 65535/],
    [['start', '--log-format', 'xml'], /Allowed choices are pretty, json/],
    [['start', '--postgres', 'mysql://x'], /\[INVALID_OPTION\] postgres: must begin with postgres:\/\//],
    [['strat'], /unknown command 'strat'\n\(Did you mean start\?\)/],
    [['start', '--host', '203.0.113.1'], /Cannot listen on 203\.0\.113\.1/],
  ])('%j', async (args, message) => {
    const result = await sandbox.run(args)
    expect(result.stderr).toMatch(/^error \[INVALID_OPTION\]/)
    expect(result.stderr).toMatch(message)
    expect(result.code).toBe(2)
  })

  test('a malformed environment variable is named', async () => {
    expect(await sandbox.runAlone(['start'], { CAIRN_PORT: 'abc' })).toMatchObject({ code: 2, stderr: expect.stringContaining('CAIRN_PORT') as string })
  })
})

test('a directory that holds something else is refused, without a stack', async () => {
  const dataDir = sandbox.path('corrupt')
  await mkdir(join(dataDir, 'pg'), { recursive: true })
  await writeFile(join(dataDir, 'pg', 'notes.txt'), 'not a database')
  const plain = await sandbox.runAlone(['start', '--port', '0', '--data-dir', dataDir])
  expect(plain.code).toBe(1)
  expect(plain.stderr).toMatch(/^error \[DATA_DIR_CORRUPT\] .*corrupt\/pg cannot be opened: .*PG_VERSION.*\n.*\n$/)
})

test('a data file that is damaged is told as such, with the stack when asked for', async () => {
  const dataDir = await sandbox.dataDir('damaged')
  await writeFile(join(dataDir, 'pg', 'global', 'pg_control'), 'x'.repeat(100))
  const verbose = await sandbox.runAlone(['start', '--port', '0', '--data-dir', dataDir, '--verbose'])
  expect(verbose.code).toBe(1)
  expect(verbose.stderr).toMatch(/^error \[DATA_DIR_CORRUPT\]/)
  expect(verbose.stderr).toContain('    at ')
})

test('help tells flags, precedence and exit codes, and takes no engine', async () => {
  const start = await sandbox.run(['help', 'start'])
  expect(start.code).toBe(0)
  expect(start.stdout).toMatch(/--data-dir <dir>/)
  expect(start.stdout).toMatch(/flag > environment > cairn\.config\.json .* > default/)
  const codes = await sandbox.run(['help', 'exit-codes'])
  expect(codes.stdout).toMatch(/^Exit codes:\n {2}0 /)
  expect((await sandbox.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})
