import { afterAll, beforeAll, expect, test } from 'vitest'
import { CliSandbox, type RunningCli, TWO_HIKERS } from './run-cli.ts'

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

interface Recalled {
  readonly items: readonly { readonly memory: { readonly content: string; readonly speaker: string; readonly position: number; readonly occurredAt: string } }[]
  readonly mode: string
}

test('recall finds what an import of a conversation remembered, once', async () => {
  const where = ['--server', server.url]
  const imported = () => sandbox.json<{ files: { conversations: { memories: number; created: { memories: number } }[] }[] }>(['import', 'locomo', TWO_HIKERS, ...where])
  expect((await imported()).files[0]?.conversations[0]).toMatchObject({ memories: 37, created: { memories: 37 } })
  expect((await imported()).files[0]?.conversations[0]).toMatchObject({ memories: 37, created: { memories: 0 } })

  const all = await sandbox.json<Recalled>(['recall', 'What did Ingrid say?', '--limit', '200', '--mode', 'text', ...where])
  const some = all.items[0]?.memory
  expect(some).toMatchObject({ speaker: expect.any(String) as string, position: expect.any(Number) as number })
  const found = await sandbox.json<Recalled>(['recall', some?.content ?? '', '--speaker', some?.speaker ?? '', ...where])
  expect(found.mode).toBe('text')
  expect(found.items[0]?.memory.content).toBe(some?.content)
  expect(found.items.every(({ memory }) => memory.speaker === some?.speaker)).toBe(true)
  expect((await sandbox.run(['recall', some?.content ?? '', '--explain', '--recency', '0.5', ...where])).stdout).toMatch(/^score +when +who +what +because of[^]*recency /)
  expect((await sandbox.run(['recall', some?.content ?? '', '--tokens', '60', ...where])).stdout).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d\] /)
  expect(await sandbox.run(['recall', ' ', ...where])).toMatchObject({ code: 2, stderr: expect.stringContaining('error [INVALID_ARGUMENT] question') as string })
}, 120_000)
