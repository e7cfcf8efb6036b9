import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freePort } from '../../core/test/harness/processes.ts'
import { makeDatabase } from './database.ts'
import { CliSandbox } from './run-cli.ts'

interface Report {
  readonly ok: boolean
  readonly findings: { check: string; status: string; what: string; why: string | null; mend: string | null }[]
}

let sandbox: CliSandbox
let port: string
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  port = String(await freePort())
})
afterAll(() => sandbox.dispose())

function finding(report: Report, check: string): Report['findings'][number] | undefined {
  return report.findings.find((one) => one.check === check)
}

test('a directory that does not exist yet is fine and is not made', async () => {
  const report = await sandbox.json<Report>(['doctor', '--data-dir', sandbox.path('later'), '--port', port])
  expect(report.ok).toBe(true)
  expect(finding(report, 'data directory')?.what).toContain('does not exist yet')
  expect(finding(report, 'port')?.what).toContain('is free')
})

test('an embedded Cairn: opened when it rests, asked when it runs', { timeout: 60_000 }, async () => {
  const dataDir = await sandbox.dataDir('own')
  const server = await sandbox.start(['--data-dir', dataDir])
  const running = await sandbox.json<Report>(['doctor', '--data-dir', dataDir, '--port', new URL(server.url).port])
  expect(finding(running, 'data directory owner')?.what).toContain(server.url)
  expect(finding(running, 'port')?.what).toMatch(/^a Cairn/)
  expect(finding(running, 'consistency')).toBeDefined()
  await server.kill('SIGTERM')

  const resting = await sandbox.run(['doctor', '--data-dir', dataDir, '--port', port])
  expect(resting.stdout).toMatch(/✔ schema: at .*, nothing pending/)
  expect(resting.stdout).toMatch(/✔ LMDB: opens/)
  expect(resting.code).toBe(0)
})

test('a damaged directory fails with what to do', async () => {
  const dataDir = sandbox.path('damaged')
  await mkdir(join(dataDir, 'pg'), { recursive: true })
  await writeFile(join(dataDir, 'pg', 'stray.txt'), '')
  const report = await sandbox.json<Report>(['doctor', '--data-dir', dataDir, '--port', port], 1)
  expect(finding(report, 'PGlite')).toMatchObject({ status: 'fail', what: expect.stringContaining('DATA_DIR_CORRUPT') as string, mend: expect.stringContaining('backup') as string })
})

test('servers: an empty database is fine, wrong password and closed port are failures, one NATS is a warning', { timeout: 60_000 }, async () => {
  const database = await makeDatabase()
  try {
    const nats = inject('natsUrl')
    const report = await sandbox.json<Report>(['doctor', '--postgres', database.url, '--nats', nats, '--port', port])
    expect(finding(report, 'PostgreSQL version')?.status).toBe('ok')
    expect(finding(report, 'roles')?.status).toBe('ok')
    expect(finding(report, 'schema')?.what).toMatch(/pending/)
    expect(finding(report, 'clock')?.status).toBe('ok')
    expect(finding(report, 'NATS')?.what).toMatch(/JetStream enabled/)
    expect(finding(report, 'NATS replicas')?.status).toBe('warn')
    expect((await sandbox.run(['doctor', '--postgres', database.url, '--nats', nats, '--port', port, '--strict'])).code).toBe(3)

    const wrong = new URL(database.url)
    wrong.password = 'wrong-password'
    const closed = await freePort()
    const broken = await sandbox.json<Report>(['doctor', '--postgres', wrong.href, '--nats', `nats://127.0.0.1:${closed}`, '--port', port], 1)
    expect(finding(broken, 'PostgreSQL')?.what).toContain('AUTHENTICATION_FAILED')
    expect(finding(broken, 'NATS')?.what).toContain('CONNECTION_FAILED')
    expect(JSON.stringify(broken)).not.toContain('wrong-password')
  } finally {
    await database.dispose()
  }
})
