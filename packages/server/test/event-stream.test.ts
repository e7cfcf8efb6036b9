import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../src/index.ts'
import { type TestCairn, openTestCairn } from './harness.ts'

let opened: TestCairn
let app: ReturnType<typeof createApp>
beforeAll(async () => {
  opened = await openTestCairn()
  app = createApp(opened.cairn)
})
afterAll(() => opened?.dispose())

interface Received {
  readonly id: string
  readonly event: string
  readonly data: { readonly subject: string; readonly payload: unknown }
}

/** Reads server-sent events until there are `count`; `act` runs when the stream is open. */
async function receive(path: string, count: number, headers: Record<string, string> = {}, act?: () => Promise<unknown>): Promise<Received[]> {
  const gone = new AbortController()
  const response = await app.request(path, { headers: { host: 'localhost', ...headers }, signal: gone.signal })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  await act?.()
  const received: Received[] = []
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    received.push(...[...text.matchAll(/^id: (.*)\nevent: (.*)\ndata: (.*)\n\n/gm)].map(([, id, event, data]) => ({ id: id as string, event: event as string, data: JSON.parse(data as string) as Received['data'] })))
    text = text.slice(text.lastIndexOf('\n\n') + 2)
    if (received.length >= count) break
  }
  gone.abort()
  return received
}

test('sends what is published after it answered, goes on behind Last-Event-ID, and shows one tenant', async () => {
  const { events } = opened.cairn
  const path = '/v1/event-stream?stream=EVENTS&filter=events.sse.%3E'
  const first = await receive(path, 2, {}, async () => {
    await opened.cairn.as({ tenant: 'other' }).events.publish('events.sse.a', 'foreign')
    await events.publish('events.sse.a', 1)
    await events.publish('events.sse.b', 2)
  })
  expect(first.map(({ event, data }) => [event, data.subject, data.payload])).toEqual([['sse', 'events.sse.a', 1], ['sse', 'events.sse.b', 2]])
  await events.publish('events.sse.c', 3)
  const resumed = await receive(path, 2, { 'last-event-id': first[0]?.id ?? '' })
  expect(resumed.map(({ data }) => data.payload)).toEqual([2, 3])
  expect((await receive(`${path}&after=${first[1]?.id ?? ''}`, 1)).map(({ data }) => data.payload)).toEqual([3])
})

test('goes on behind Last-Event-ID though the address names an older place, as an EventSource connects again', async () => {
  const { events } = opened.cairn
  const path = '/v1/event-stream?stream=EVENTS&filter=events.again.%3E'
  const first = await receive(path, 2, {}, () => events.publishMany([1, 2].map((payload) => ({ subject: 'events.again.a', payload }))))
  await events.publish('events.again.a', 3)
  const resumed = await receive(`${path}&after=${first[0]?.id ?? ''}`, 1, { 'last-event-id': first[1]?.id ?? '' })
  expect(resumed.map(({ data }) => data.payload)).toEqual([3])
})

test('tells its place before the first event, so that nothing is lost when the connection breaks before that', async () => {
  const { events } = opened.cairn
  for (const [stream, filter] of [['EVENTS', 'events.early.>'], ['AGENT_STATE', '>']] as const) {
    const path = `/v1/event-stream?stream=${stream}&filter=${encodeURIComponent(filter)}`
    const response = await app.request(path, { headers: { host: 'localhost' } })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const place = /^id: (.+)\n\n/m.exec(new TextDecoder().decode((await reader.read()).value))?.[1]
    await reader.cancel()
    if (stream === 'EVENTS') await events.publish('events.early.a', 1)
    else await opened.cairn.agents.register({ name: 'early', type: 'analyst' })
    expect(await receive(path, 1, { 'last-event-id': place ?? 'none' })).toHaveLength(1)
  }
})

test('resumes a stream of two sources, with changes of state', async () => {
  const agent = await opened.cairn.agents.register({ name: 'watched', type: 'analyst' })
  const path = '/v1/event-stream?stream=AGENT_STATE'
  const first = await receive(path, 2, {}, async () => {
    await opened.cairn.state.set(agent.id, 'one', 1)
    await opened.cairn.agents.setStatus(agent.id, 'active')
  })
  expect(first.map(({ event }) => event).sort()).toEqual(['lifecycle', 'state'])
  await opened.cairn.state.set(agent.id, 'two', 2)
  const [next] = await receive(path, 1, { 'last-event-id': first[1]?.id ?? '' })
  expect(next?.data.payload).toMatchObject({ key: 'two' })
})

test('answers a bad cursor, stream or filter with a problem', async () => {
  for (const [query, code] of [['stream=EVENTS&after=nonsense', 'INVALID_CURSOR'], ['stream=NOBODY', 'INVALID_ARGUMENT'], ['stream=EVENTS&filter=tasks.%3E', 'INVALID_ARGUMENT'], ['', 'INVALID_ARGUMENT']] as const) {
    const response = await app.request(`/v1/event-stream?${query}`, { headers: { host: 'localhost' } })
    expect(response.status, query).toBe(400)
    expect(((await response.json()) as { code: string }).code, query).toBe(code)
  }
})
