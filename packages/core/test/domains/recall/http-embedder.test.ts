import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HttpEmbedder, embedTexts } from '../../../src/embedding/index.ts'

interface Asked {
  readonly path: string
  readonly authorization: string | undefined
  readonly body: { input: string[]; model: string; dimensions?: number }
}

describe('an embedder behind HTTP', () => {
  const asked: Asked[] = []
  let answer: (request: Asked, response: ServerResponse) => void
  let baseUrl = ''
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const one: Asked = { path: request.url ?? '', authorization: request.headers.authorization, body: JSON.parse(Buffer.concat(chunks).toString()) as Asked['body'] }
      asked.push(one)
      answer(one, response)
    })
  })
  const vectors = ({ body }: Asked, response: ServerResponse): void => void response.end(JSON.stringify({ data: body.input.map((text, index) => ({ index, embedding: [text.length, 1] })).reverse() }))
  const embedder = (options: Partial<ConstructorParameters<typeof HttpEmbedder>[0]> = {}): HttpEmbedder => new HttpEmbedder({ baseUrl, model: 'm', dimensions: 2, apiKey: 'sk-secret', ...options })

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`
  })
  beforeEach(() => {
    asked.length = 0
    answer = vectors
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  it('is asked in batches, with the key, and its vectors are put in order', async () => {
    expect(await embedder({ batchSize: 2, sendDimensions: true }).embed(['a', 'bb', 'ccc'])).toEqual([[1, 1], [2, 1], [3, 1]])
    expect(asked.map(({ path, authorization, body }) => ({ path, authorization, ...body }))).toMatchObject([
      { path: '/v1/embeddings', authorization: 'Bearer sk-secret', model: 'm', input: ['a', 'bb'], dimensions: 2 },
      { input: ['ccc'] },
    ])
  })

  it('is asked again after what may pass, and not after what stays wrong', async () => {
    answer = (request, response) => (asked.length < 3 ? void response.writeHead(asked.length === 1 ? 503 : 429).end() : vectors(request, response))
    expect(await embedder().embed(['a'])).toEqual([[1, 1]])
    expect(asked).toHaveLength(3)
    answer = (_, response) => void response.writeHead(401).end('{"error":"sk-secret is wrong"}')
    const error = await embedder().embed(['a']).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'EMBEDDER_UNAVAILABLE', details: { model: 'm', status: 401 } })
    expect(String(error)).not.toContain('sk-secret')
    expect(asked).toHaveLength(4)
    await expect(embedder({ attempts: 2 }).embed(['a'], 'query')).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
  })

  it('that is slow, silent or talks nonsense fails in a typed way', async () => {
    answer = () => undefined
    await expect(embedder({ timeoutMs: 30, attempts: 1 }).embed(['a'])).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE', message: expect.stringContaining('within 30 ms') as string })
    for (const said of ['', '<html>', '{}', '{"data":[]}', 'null']) {
      answer = (_, response) => void response.end(said)
      await expect(embedder({ attempts: 1 }).embed(['a'])).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
    }
    for (const embedding of [null, 'x', [1], [1, 'a'], [1, null]]) {
      answer = (_, response) => void response.end(JSON.stringify({ data: [{ embedding }] }))
      await expect(embedTexts(embedder({ attempts: 1 }), ['a'], 'document')).rejects.toMatchObject({ code: 'EMBEDDING_INVALID' })
    }
    await expect(embedder({ baseUrl: 'http://127.0.0.1:1/v1', attempts: 1 }).embed(['a'])).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
  })

  it('ends its requests when it is closed', async () => {
    answer = () => undefined
    const closing = embedder()
    const waiting = closing.embed(['a'])
    const refused = expect(waiting).rejects.toMatchObject({ code: expect.stringMatching('CLOSED|EMBEDDER_UNAVAILABLE') as string })
    await closing.close()
    await refused
  })
})
