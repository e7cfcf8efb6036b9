import { afterAll, describe, expect, it } from 'vitest'
import { OfflineEmbedder, cosine, embedTexts, offlineModelInstalled } from '../../../src/embedding/index.ts'

describe('the offline embedder', () => {
  const embedder = new OfflineEmbedder()
  afterAll(() => embedder.close())

  it('is installed here, and knows what is alike', async () => {
    expect(offlineModelInstalled()).toBe(true)
    const [dog = [], puppy = [], tax = [], empty = [], long = []] = await embedTexts(embedder, ['The dog sleeps.', 'A puppy is sleeping.', 'Taxes are due in May.', '', 'word '.repeat(500)], 'document')
    expect([dog, puppy, tax, empty, long].map(({ length }) => length)).toEqual([512, 512, 512, 512, 512])
    expect(cosine(dog, puppy)).toBeGreaterThan(cosine(dog, tax) + 0.2)
  })

  it('answers a question before the documents that wait', async () => {
    const order: string[] = []
    const documents = embedder.embed(Array.from({ length: 24 }, (_, index) => `text ${index}`)).then(() => order.push('documents'))
    const query = embedder.embed(['a question'], 'query').then(() => order.push('question'))
    await Promise.all([documents, query])
    expect(order).toEqual(['question', 'documents'])
  })

  it('that is closed refuses in a typed way, also what waits', async () => {
    const closing = new OfflineEmbedder()
    const waiting = closing.embed(['one'])
    const refused = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await closing.close()
    await refused
    await expect(closing.embed(['two'])).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
