import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../core/test/harness/cairns.ts'
import { WordEmbedder } from '../../core/test/domains/documents/embedders.ts'
import { createApp } from '../src/index.ts'
import { type Call, type TestCairn, caller, openTestCairn } from './harness.ts'

let opened: TestCairn
let call: Call
beforeAll(async () => {
  opened = await openTestCairn({ embedder: new WordEmbedder(), recall: { embed: false } })
  call = caller(createApp(opened.cairn))
})
afterAll(() => opened?.dispose())

test("the server's embedder answers searches of facts by meaning, and clusters insights", async () => {
  await call('POST', '/v1/knowledge/facts?space=s', { json: { facts: [{ entity: 'Ada', predicate: 'likes', value: 'hot tea' }, { entity: 'Bob', predicate: 'likes', value: 'cold beer' }] } })
  // A search waits for vectors, but for no longer than two seconds.
  await until('the facts have vectors', async () => {
    const { body } = await call('POST', '/v1/knowledge/search?space=s', { json: { query: 'tea', mode: 'vector' } })
    return (body['items'] as unknown[]).length === 2
  })
  for (const mode of ['vector', 'hybrid']) {
    const { body } = await call('POST', '/v1/knowledge/search?space=s', { json: { query: 'Ada likes hot tea', mode } })
    expect(body).toMatchObject({ mode, degraded: null, items: [{ value: 'hot tea' }, { value: 'cold beer' }] })
  }
  expect((await call('POST', '/v1/knowledge/search?space=s', { tenant: 'other', json: { query: 'Ada likes hot tea', mode: 'vector' } })).body['items']).toEqual([])
  const insights = [{ agent: 'a', content: 'ship it on monday' }, { agent: 'b', content: 'on monday ship it' }]
  expect((await call('POST', '/v1/collaboration/fusions', { json: { insights, method: 'semantic' } })).body).toMatchObject({ comparedBy: 'vectors', consensusLevel: 1 })
})
