import { expect, test } from 'vitest'
import { TWO_HIKERS } from './run-cli.ts'
import { useServer } from './running-server.ts'

const cli = useServer()

interface Recalled {
  readonly items: readonly { readonly memory: { readonly content: string; readonly speaker: string; readonly position: number; readonly occurredAt: string } }[]
  readonly mode: string
}

test('recall finds what an import of a conversation remembered, once', async () => {
  const where = ['--server', cli.server.url]
  const imported = () => cli.sandbox.json<{ files: { conversations: { memories: number; created: { memories: number } }[] }[] }>(['import', 'locomo', TWO_HIKERS, ...where])
  expect((await imported()).files[0]?.conversations[0]).toMatchObject({ memories: 37, created: { memories: 37 } })
  expect((await imported()).files[0]?.conversations[0]).toMatchObject({ memories: 37, created: { memories: 0 } })

  const all = await cli.sandbox.json<Recalled>(['recall', 'What did Ingrid say?', '--limit', '200', '--mode', 'text', ...where])
  const some = all.items[0]?.memory
  expect(some).toMatchObject({ speaker: expect.any(String) as string, position: expect.any(Number) as number })
  const found = await cli.sandbox.json<Recalled>(['recall', some?.content ?? '', '--speaker', some?.speaker ?? '', ...where])
  expect(found.mode).toBe('text')
  expect(found.items[0]?.memory.content).toBe(some?.content)
  expect(found.items.every(({ memory }) => memory.speaker === some?.speaker)).toBe(true)
  expect((await cli.sandbox.run(['recall', some?.content ?? '', '--explain', '--recency', '0.5', ...where])).stdout).toMatch(/^score +when +who +what +because of[^]*recency /)
  expect((await cli.sandbox.run(['recall', some?.content ?? '', '--tokens', '60', ...where])).stdout).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d\] /)
  expect(await cli.sandbox.run(['recall', ' ', ...where])).toMatchObject({ code: 2, stderr: expect.stringContaining('error [INVALID_ARGUMENT] question') as string })
}, 120_000)
