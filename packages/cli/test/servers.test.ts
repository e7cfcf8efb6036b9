import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type NatsServer, startNats } from '../../core/test/harness/nats-server.ts'
import { freePort } from '../../core/test/harness/processes.ts'
import { makeDatabase } from './database.ts'
import { CliSandbox } from './run-cli.ts'

let sandbox: CliSandbox
let database: Awaited<ReturnType<typeof makeDatabase>>
let nats: NatsServer
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  ;[database, nats] = await Promise.all([makeDatabase(), startNats()])
})
afterAll(async () => {
  await sandbox.dispose()
  await Promise.all([database.dispose(), nats.dispose()])
})

test('PostgreSQL that cannot be reached is told with its address', async () => {
  const port = await freePort()
  const result = await sandbox.runAlone(['start', '--port', '0', '--postgres', `postgres://someone:secret@127.0.0.1:${port}/none`])
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(new RegExp(`^error \\[CONNECTION_FAILED\\] .*127\\.0\\.0\\.1:${port}`))
  expect(result.stderr).not.toMatch(/secret|\n {4}at /)
})

test('a wrong password is told, and the password is not', async () => {
  const url = new URL(inject('postgresUrl'))
  url.password = 'wrong-password'
  const result = await sandbox.runAlone(['start', '--port', '0', '--postgres', url.href])
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(/^error \[AUTHENTICATION_FAILED\] /)
  expect(result.stdout + result.stderr).not.toContain('wrong-password')
})

test('NATS that is down at start is told with its address', { timeout: 60_000 }, async () => {
  const port = await freePort()
  const result = await sandbox.runAlone(['start', '--port', '0', '--postgres', database.url, '--nats', `nats://127.0.0.1:${port}`])
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(new RegExp(`^error \\[CONNECTION_FAILED\\] .*127\\.0\\.0\\.1:${port}`))
})

test('on servers: state written without waiting is there after SIGTERM and a new start; NATS may go and come while it runs', { timeout: 120_000 }, async () => {
  const flags = ['--postgres', database.url, '--nats', nats.url]
  const first = await sandbox.start(flags)
  await sandbox.json(['agents', 'register', 'scout', '--type', 'analyst', '--server', first.url])
  await sandbox.json(['state', 'set', 'scout', 'plan', '{"step":1}', '--server', first.url])
  expect((await first.kill('SIGTERM')).code).toBe(0)

  const second = await sandbox.start(flags)
  expect(await sandbox.json(['state', 'get', 'scout', 'plan', '--server', second.url])).toMatchObject({ value: { step: 1 }, revision: 1 })
  await nats.stop()
  await hotTier(second.url, false)
  expect(await sandbox.json(['state', 'get', 'scout', 'plan', '--server', second.url])).toMatchObject({ value: { step: 1 } })
  await nats.restart()
  await hotTier(second.url, true)
  await sandbox.json(['state', 'set', 'scout', 'plan', '{"step":2}', '--if-revision', '1', '--server', second.url])
  expect((await second.kill('SIGTERM')).code).toBe(0)
})

/** Asks until state has found that the hot tier is gone, or may be written to again; the test's time limit ends it. */
async function hotTier(url: string, available: boolean): Promise<void> {
  for (;;) {
    const { checks } = (await (await fetch(`${url}/health`)).json()) as { checks: { name: string; details: Record<string, unknown> }[] }
    if (checks.find(({ name }) => name === 'consistency')?.details['hotAvailable'] === available) return
  }
}
