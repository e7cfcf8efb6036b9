import { expect, it } from 'vitest'
import { ContentCache, knownContent } from '../../../src/state/lineages/content-cache.ts'

const content = (text: string) => knownContent({ body: Buffer.from(text), channels: new Map(), exactMetadata: '' }, text, 0, 0)

it('the contents of the two newest checkpoints of a lineage are kept, and what was read beside them', () => {
  const cache = new ContentCache(1_000_000)
  const put = (id: string): void => {
    cache.set('lineage', id, content(id))
    cache.sawNewest('lineage', id)
  }
  cache.set('lineage', 'read', content('read'))
  for (const id of ['1', '2', '3', '3', '2', '3', '2']) put(id)
  expect(['1', '2', '3', 'read'].map((id) => cache.get('lineage', id)?.frameId)).toEqual([undefined, '2', '3', 'read'])
  expect(cache.newest('lineage')?.frameId).toBe('2')
  put('4')
  expect(['2', '3', '4'].map((id) => cache.get('lineage', id)?.frameId)).toEqual(['2', undefined, '4'])
  expect(cache.newest('another')).toBeUndefined()
})
