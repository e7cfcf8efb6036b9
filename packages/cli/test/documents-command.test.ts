import { expect, test } from 'vitest'
import { useServer } from './running-server.ts'

const cli = useServer()

async function tour(...where: string[]): Promise<void> {
  const run = (...args: string[]) => cli.sandbox.run(['documents', ...args, ...where])
  const json = <T = Record<string, unknown>>(...args: string[]) => cli.sandbox.json<T>(['documents', ...args, ...where])
  expect(await json('put', 'notes', 'a/b', '{"text":"likes pizza","stars":5}', '--path', 'users', 'a b&c', '--ttl-ms', '3600000')).toMatchObject({ revision: 1, path: ['users', 'a b&c'] })
  expect((await run('put', 'notes', 'plain', '{"text":"likes tea"}')).stdout).toBe('plain is at revision 1.\n')
  expect(await json('get', 'notes', 'a/b', '--path', 'users', 'a b&c')).toMatchObject({ value: { text: 'likes pizza', stars: 5 }, expiresAt: expect.any(String) as string })
  expect(await run('get', 'notes', 'a/b')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[NOT_FOUND\]/) as string })
  expect(await json('search', 'notes', 'pizzas')).toMatchObject({ items: [{ key: 'a/b' }], mode: 'text' })
  expect(await json('search', 'notes', '--filter', '{"stars":{"$gt":4}}', '--prefix', 'users')).toMatchObject({ items: [{ key: 'a/b' }], mode: 'list' })
  expect((await run('search', 'notes', 'likes')).stdout).toMatch(/^path +key +value +score\n/)
  expect(await json('list')).toEqual({ items: [{ name: 'notes', documents: 2, embedded: 0 }], nextCursor: null })
  expect(await json('list', 'notes', '--prefix', '*')).toEqual({ items: [['users', 'a b&c']], nextCursor: null })
  expect((await run('put', 'notes', 'k', '[1]')).stderr).toMatch(/^error \[INVALID_ARGUMENT\] json: .*not a JSON object/)
  expect((await run('search', 'notes', '--filter', '{')).stderr).toMatch(/^error \[INVALID_ARGUMENT\] --filter/)
  expect((await run('search', 'notes', '--filter', '{"a":{"$like":1}}')).stderr).toMatch(/^error \[INVALID_ARGUMENT\] filter\.a\.\$like/)
}

test('documents: put, get, search and list through a running server', () => tour('--server', cli.server.url), 90_000)

test('documents: put, search and get on a data directory that nobody has open', async () => {
  const where = ['--data-dir', await cli.sandbox.dataDir('alone')]
  await cli.sandbox.json(['documents', 'put', 'notes', 'a/b', '{"text":"likes pizza"}', '--path', 'users', '7', ...where])
  expect(await cli.sandbox.json(['documents', 'search', 'notes', 'pizza', ...where])).toMatchObject({ items: [{ path: ['users', '7'], key: 'a/b' }], mode: 'text' })
  expect(await cli.sandbox.json(['documents', 'get', 'notes', 'a/b', '--path', 'users', '7', ...where])).toMatchObject({ value: { text: 'likes pizza' }, revision: 1 })
}, 120_000)
