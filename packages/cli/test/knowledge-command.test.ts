import { expect, test } from 'vitest'
import { useServer } from './running-server.ts'

const cli = useServer()

test('knowledge: add, facts, search, path, history and entities through a running server', async () => {
  const where = ['--server', cli.server.url, '--space', 'a b']
  const run = (...args: string[]) => cli.sandbox.run(['knowledge', ...args, ...where])
  const json = (...args: string[]) => cli.sandbox.json(['knowledge', ...args, ...where])
  expect(await json('add', 'Ada', 'works_at', 'Engines Ltd', '--object', '--type', 'person', '--object-type', 'company', '--confidence', '0.9', '--from', '2020-01-01', '--source', 'badge')).toMatchObject({
    isNew: true, fact: { entity: { name: 'Ada', type: 'person' }, object: { name: 'Engines Ltd', type: 'company' }, confidence: 0.9, validFrom: '2020-01-01T00:00:00.000Z', evidence: [{ source: 'badge' }] },
  })
  expect((await run('add', 'Bob', 'works_at', 'Engines Ltd', '--object')).stdout).toMatch(/^Recorded: Bob works at Engines Ltd \(/)
  expect(await run('add', 'Bob', 'age', 'old', '--number')).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error \[INVALID_ARGUMENT\] value/) as string })
  expect((await run('facts', '--entity', 'Ada', '--valid', '2021-01-01', '--min-confidence', '0.5')).stdout).toMatch(/^entity +predicate +value +confidence +holds +id\nAda +works_at +Engines Ltd +0\.9 +2020-01-01/)
  expect(await json('search', 'engines')).toMatchObject({ mode: 'text', items: [{ predicate: 'works_at' }, { predicate: 'works_at' }] })
  expect((await run('search', 'engines', '--mode', 'vector')).stdout).toMatch(/works_at[^]*\nSearched by text: .*CAIRN_EMBEDDER/)
  expect((await run('path', 'Ada', 'Bob')).stdout).toBe('Ada -[works_at]-> Engines Ltd <-[works_at]- Bob\n')
  expect((await run('history', 'Ada', '--predicate', 'works_at')).stdout).toMatch(/^recorded +predicate +value +holds +ended\n/)
  expect((await run('entities', '--type', 'person')).stdout).toMatch(/^name +type +aliases +id\nAda +person/)
  expect(await run('path', 'Ada', 'Nobody')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error \[NOT_FOUND\]/) as string })
}, 120_000)

test('knowledge: add on a data directory that nobody has open', async () => {
  const where = ['--data-dir', await cli.sandbox.dataDir('alone')]
  expect(await cli.sandbox.json(['knowledge', 'add', 'Ada', 'likes', '{"drink":"tea"}', ...where])).toMatchObject({ isNew: true, fact: { objectType: 'json', value: { drink: 'tea' }, space: 'default' } })
  expect(await cli.sandbox.json(['knowledge', 'facts', '--entity', 'Ada', ...where])).toMatchObject({ items: [{ value: { drink: 'tea' } }], nextCursor: null })
}, 120_000)
