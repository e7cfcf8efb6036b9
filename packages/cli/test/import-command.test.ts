import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { open } from '@cairn/core'
import { uniqueName } from '../../core/test/harness/engines.ts'
import { makeDatabase } from './database.ts'
import { CliSandbox, TWO_HIKERS } from './run-cli.ts'

interface Summary {
  readonly ok: boolean
  readonly files: { file: string; conversations: Record<string, unknown>[]; error: { code: string; message: string } | null }[]
}

const HIKERS = { agents: 2, threads: 3, messages: 37, checkpoints: 6 }
const NOTHING = { agents: 0, threads: 0, messages: 0, checkpoints: 0 }

let sandbox: CliSandbox
let database: Awaited<ReturnType<typeof makeDatabase>>
beforeAll(async () => {
  sandbox = await CliSandbox.make()
  database = await makeDatabase()
})
afterAll(async () => {
  await sandbox.dispose()
  await database.dispose()
})

/** A conversation that takes long enough to be interrupted. */
async function longConversation(name: string): Promise<{ file: string; counts: typeof HIKERS }> {
  const [sessions, turns] = [12, 30]
  const data: Record<string, unknown> = { speaker_a: 'Ada', speaker_b: 'Ben' }
  for (let session = 1; session <= sessions; session++) {
    data[`session_${session}_date_time`] = `9:00 am on ${session} May, 2026`
    data[`session_${session}`] = Array.from({ length: turns }, (_, turn) => ({ speaker: turn % 2 === 0 ? 'Ada' : 'Ben', dia_id: `D${session}:${turn + 1}`, text: `Turn ${turn + 1} of day ${session}.` }))
  }
  const file = sandbox.path(`${name}.json`)
  await writeFile(file, JSON.stringify(data))
  return { file, counts: { agents: 2, threads: sessions, messages: sessions * turns, checkpoints: 2 * sessions } }
}

/** The environment in which a command gets `signal` when `text` stood on stderr. */
function signalled(signal: NodeJS.Signals, text: string): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${new URL('./fixtures/signal-itself.ts', import.meta.url).href}`, SIGNAL_ITSELF: signal, SIGNAL_AFTER: text }
}

async function importTwice(flags: readonly string[]): Promise<void> {
  const first = await sandbox.json<Summary>(['import', 'locomo', TWO_HIKERS, ...flags])
  expect(first).toMatchObject({ ok: true, files: [{ error: null, conversations: [{ name: 'two-hikers', ...HIKERS, created: HIKERS, skipped: NOTHING, stateWrites: 74 }] }] })
  const second = await sandbox.json<Summary>(['import', 'locomo', TWO_HIKERS, ...flags])
  expect(second).toMatchObject({ ok: true, files: [{ conversations: [{ ...HIKERS, created: NOTHING, skipped: HIKERS }] }] })
  const sessions = await sandbox.json<{ items: { messageCount: number }[] }>(['conversations', 'list', ...flags])
  expect(sessions.items).toMatchObject([{ messageCount: 37 }])
}

test('imports twice into a data directory; nothing is doubled and the state is there', { timeout: 120_000 }, async () => {
  const dataDir = await sandbox.dataDir('embedded')
  const flags = ['--data-dir', dataDir]
  await importTwice(flags)
  await using cairn = await open({ dataDir })
  expect((await cairn.state.get('locomo:two-hikers:Ingrid', 'conversation/turns'))?.value).toBeTypeOf('number')
  expect((await cairn.checkpoints.list('locomo:two-hikers:Ingrid')).items.map(({ name }) => name)).toEqual(['session-3', 'session-2', 'session-1'])
})

test('imports twice into PostgreSQL and NATS', { timeout: 120_000 }, async () => {
  await importTwice(['--postgres', database.url, '--nats', inject('natsUrl'), '--tenant', uniqueName('t')])
})

test('finds the server that has the data directory open, and works through --server alike', { timeout: 120_000 }, async () => {
  const dataDir = await sandbox.dataDir('served')
  const server = await sandbox.start(['--data-dir', dataDir])
  await importTwice(['--data-dir', dataDir])
  await importTwice(['--server', server.url, '--tenant', 'other'])
  expect((await server.kill('SIGTERM')).code).toBe(0)
})

test.each(['embedded', 'servers'])('killed with -9 in the middle and run again, it ends with the same counts (%s)', { timeout: 180_000 }, async (where) => {
  const { file, counts } = await longConversation(`killed-${where}`)
  const flags = where === 'embedded' ? ['--data-dir', await sandbox.dataDir('killed')] : ['--postgres', database.url, '--nats', inject('natsUrl'), '--tenant', uniqueName('t')]
  expect((await sandbox.runAlone(['import', 'locomo', file, '--verbose', ...flags], signalled('SIGKILL', 'session 5\n'))).signal).toBe('SIGKILL')

  const resumed = await sandbox.json<Summary>(['import', 'locomo', file, ...flags])
  const [conversation] = resumed.files[0]?.conversations ?? []
  expect(conversation).toMatchObject(counts)
  const created = conversation?.['created'] as typeof HIKERS
  expect(created.messages).toBeLessThan(counts.messages)
  expect(created.messages).toBeGreaterThan(0)
  const agent = `locomo:killed-${where}:Ada`
  expect(await sandbox.json(['state', 'get', agent, 'conversation/turns', ...flags])).toMatchObject({ value: counts.messages / 2 })
  expect((await sandbox.json<{ items: unknown[] }>(['checkpoints', 'list', agent, ...flags])).items).toHaveLength(counts.threads)
})

test('Ctrl-C stops it cleanly with 130 and says that running it again continues', { timeout: 120_000 }, async () => {
  const { file, counts } = await longConversation('interrupted')
  const flags = ['--data-dir', await sandbox.dataDir('interrupted')]
  const stopped = await sandbox.runAlone(['import', 'locomo', file, '--verbose', ...flags], signalled('SIGINT', 'session 3\n'))
  expect(stopped.code).toBe(130)
  expect(stopped.stderr).toContain('it continues where it stopped')
  expect((await sandbox.json<Summary>(['import', 'locomo', file, ...flags])).files[0]?.conversations).toMatchObject([counts])
})

describe('files that cannot be imported', () => {
  test('are told with the place, and the others are imported', { timeout: 60_000 }, async () => {
    const text = await readFile(TWO_HIKERS, 'utf8')
    const data = JSON.parse(text) as { session_2: { speaker: string }[] }
    ;(data.session_2[1] as { speaker: string }).speaker = 'Nobody'
    const [wrong, cut] = [sandbox.path('wrong.json'), sandbox.path('cut.json')]
    await writeFile(wrong, JSON.stringify(data))
    await writeFile(cut, text.slice(0, 500))
    const result = await sandbox.run(['import', 'locomo', wrong, cut, sandbox.path('none.json'), TWO_HIKERS, '--data-dir', await sandbox.dataDir('malformed')])
    expect(result.code).toBe(1)
    expect(result.stderr).toMatch(/error \[IMPORT_MALFORMED\] .*wrong\.json: session_2\[1\]\.speaker: expected "Ingrid" or "Tomás", got "Nobody"/)
    expect(result.stderr).toMatch(/error \[IMPORT_MALFORMED\] .*cut\.json:\d+:\d+: not JSON: the text ends too early/)
    expect(result.stderr).toMatch(/error \[INVALID_ARGUMENT\] .*none\.json: it cannot be read: there is no such file/)
    expect(result.stdout).toMatch(/two-hikers +2 \(2 new\) +3 \(3 new\) +37 \(37 new\) +37 \(37 new\) +6 \(6 new\)/)
    expect(result.stdout).toContain('1 of 4 files done')
  })

  test('no file, or no server, is told without a stack', async () => {
    expect(await sandbox.run(['import', 'locomo'])).toMatchObject({ code: 2, stderr: expect.stringContaining("missing required argument 'file'") as string })
    const unreachable = await sandbox.run(['import', 'locomo', TWO_HIKERS, '--server', 'http://127.0.0.1:9'])
    expect(unreachable.code).toBe(1)
    expect(unreachable.stderr).toMatch(/^error \[CONNECTION_FAILED\] No Cairn answers at http:\/\/127\.0\.0\.1:9/)
  })
})
