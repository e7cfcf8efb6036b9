import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { open } from '@cairn/core'
import { CairnCheckpointSaver } from '@cairn/langgraph'
import { makeDatabase } from './database.ts'
import { asking, expectSame, openOfficial, openOfficialStore, talk } from './official-world.ts'
import { CliSandbox } from './run-cli.ts'
import { NODE_FLAGS } from '../../core/test/harness/node-flags.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PREFIX = 'npm run cairn -- '

let sandbox: CliSandbox
let database: Awaited<ReturnType<typeof makeDatabase>>
let guide: string
let dataDir: string
beforeAll(async () => {
  guide = await readFile(new URL('../../../docs/guides/from-postgres-saver.md', import.meta.url), 'utf8')
  sandbox = await CliSandbox.make()
  dataDir = await sandbox.dataDir('guide')
  database = await makeDatabase()
  const official = await openOfficial(database.url)
  for (const thread of ['ticket-17', 'ticket-18']) await talk(official, thread, 5)
  await asking(official).invoke({ answers: [] }, { configurable: { thread_id: 'ticket-18' } })
  await official.end()
  const store = await openOfficialStore(database.url)
  await store.put(['users', 'ada'], 'likes', { food: 'pizza' })
  await store.stop()
}, 120_000)
afterAll(async () => {
  await sandbox?.dispose()
  await database?.dispose()
})

function blocks(language: string): string[] {
  return [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text ?? '')
}

test('every command of the guide runs, in its order', { timeout: 300_000 }, async () => {
  const keyFile = sandbox.path('keys.json')
  await writeFile(keyFile, JSON.stringify({ activeKey: '2026', keys: { 2026: Buffer.alloc(32, 1).toString('base64') } }))
  const values: Record<string, string> = { LANGGRAPH_URL: database.url, KEY_FILE: keyFile }
  const lines = blocks('sh').flatMap((block) => block.trim().split('\n'))
  expect(lines.length).toBeGreaterThan(12)
  for (const line of lines) {
    expect(line.startsWith(PREFIX), line).toBe(true)
    const args = line.slice(PREFIX.length).split(' ').map((word) => word.replace(/^"\$(\w+)"$/, (_, name: string) => values[name] ?? ''))
    const result = await sandbox.run(args, { CAIRN_DATA_DIR: dataDir })
    expect(result.code, `${line}\n${result.stdout}${result.stderr}`).toBe(0)
  }
})

test('the script of "Going back" gives PostgresSaver what Cairn has', { timeout: 120_000 }, async () => {
  const cairn = await open({ dataDir })
  const saver = new CairnCheckpointSaver(cairn)
  await talk(saver, 'new', 2)
  await asking(saver).invoke({ answers: [] }, { configurable: { thread_id: 'asks' } })
  await cairn.close()
  const [script = ''] = blocks('ts script')
  const child = spawn(process.execPath, [...NODE_FLAGS, '--input-type=module-typescript', '-e', script, 'go-back.ts', 'new', 'asks'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], CAIRN_DATA_DIR: dataDir, LANGGRAPH_URL: database.url },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  expect((await once(child, 'close'))[0]).toBe(0)
  const again = await open({ dataDir })
  const official = await openOfficial(database.url)
  try {
    expect(await expectSame(official, new CairnCheckpointSaver(again), 'new')).toBeGreaterThan(5)
    expect(await expectSame(official, new CairnCheckpointSaver(again), 'asks', { byTask: true })).toBeGreaterThan(2)
  } finally {
    await official.end()
    await again.close()
  }
})
