import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { isCairnError } from '@cairn/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../core/test/harness/cairns.ts'
import { createApp, serve } from '../src/index.ts'
import { type TestCairn, openTestCairn } from './harness.ts'

let opened: TestCairn
beforeAll(async () => {
  opened = await openTestCairn()
  await opened.cairn.agents.register({ name: 'scout', type: 'analyst' })
})
afterAll(() => opened?.dispose())

/** The first half of a write with a body, when the server has its headers: it says so. */
async function begin(url: string): Promise<ClientRequest> {
  const running = request(url, { method: 'PUT', headers: { 'content-type': 'application/json', connection: 'keep-alive', expect: '100-continue' } })
  await once(running, 'continue')
  running.write('{"half":')
  return running
}

interface Streamed {
  readonly id: string
  readonly event: string
  readonly data: Record<string, unknown>
}

/** Reads events of a stream into `events` until `enough` of them came. */
async function readEvents(response: Response, enough: number, events: Streamed[] = []): Promise<Streamed[]> {
  let text = ''
  for await (const chunk of (response.body as NonNullable<typeof response.body>).pipeThrough(new TextDecoderStream())) {
    text += chunk
    const frames = text.split('\n\n')
    text = frames.pop() ?? ''
    for (const frame of frames) {
      const [, id, event, data] = /^id: (.+)\nevent: (.+)\ndata: (.+)$/.exec(frame) ?? []
      if (id !== undefined && event !== undefined && data !== undefined) events.push({ id, event, data: JSON.parse(data) as Record<string, unknown> })
    }
    if (events.length >= enough) return events
  }
  return events
}

test('listens on loopback and tells its address; a taken port is a clear error', async () => {
  const server = await serve(opened.cairn, { port: 0 })
  try {
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
    expect((await fetch(`${server.url}/v1`)).status).toBe(200)
    const error = await serve(opened.cairn, { port: server.port }).catch((failure: unknown) => failure)
    expect(isCairnError(error, 'PORT_IN_USE')).toBe(true)
    expect((error as Error).message).toContain(String(server.port))
  } finally {
    await server.close()
  }
  await expect(fetch(`${server.url}/v1`)).rejects.toThrow('fetch failed')
  await server.close()
})

test('refuses a port or a host that cannot be', async () => {
  await expect(serve(opened.cairn, { port: 70_000 })).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('port') })
  await expect(serve(opened.cairn, { port: 1.5 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(serve(opened.cairn, { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('host') })
})

test('close lets a running request end, with its keep-alive connection, and then resolves', async () => {
  const server = await serve(opened.cairn, { port: 0 })
  const running = await begin(`${server.url}/v1/agents/scout/state/slow`)
  const answer = once(running, 'response') as Promise<[IncomingMessage]>
  const closed = server.close()
  running.end('true}')
  const [response] = await answer
  expect(response.statusCode).toBe(200)
  response.resume()
  await closed
  expect((await opened.cairn.state.get('scout', 'slow'))?.value).toEqual({ half: true })
})

test('close cuts a request that does not end in time', async () => {
  const server = await serve(opened.cairn, { port: 0, closeTimeoutMs: 50 })
  const running = await begin(`${server.url}/v1/agents/scout/state/never`)
  const cut = new Promise<Error>((resolve) => running.on('error', resolve))
  await server.close()
  expect(((await cut) as NodeJS.ErrnoException).code).toMatch(/ECONNRESET|EPIPE/)
})

test('streams the changes of an agent, ends when the client goes and when the server closes', async () => {
  const server = await serve(opened.cairn, { port: 0, keepAliveMs: 20 })
  const url = `${server.url}/v1/agents/scout/state-events?prefix=live`
  const leaving = new AbortController()
  const response = await fetch(url, { signal: leaving.signal })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const reading = readEvents(response, 1)
  const { revision } = await opened.cairn.state.set('scout', 'live/a', { n: 1 })
  expect(await reading).toMatchObject([{ id: String(revision), event: 'set', data: { key: 'live/a', revision, entry: { value: { n: 1 } } } }])
  leaving.abort()

  const second = await fetch(url)
  const seen: Streamed[] = []
  const all = readEvents(second, 99, seen)
  await opened.cairn.state.set('scout', 'elsewhere', 1)
  await opened.cairn.as({ tenant: 'acme' }).agents.register({ name: 'scout', type: 'analyst' })
  await opened.cairn.as({ tenant: 'acme' }).state.set('scout', 'live/acme', 1)
  const third = await fetch(url)
  const deletion = readEvents(third, 1)
  await opened.cairn.state.delete('scout', 'live/a')
  expect(await deletion).toMatchObject([{ event: 'delete', data: { key: 'live/a', entry: null } }])
  // Each stream is written by itself.
  await until('the other stream shows the deletion', () => seen.length > 0)
  await server.close()
  expect((await all).map(({ event, data }) => [event, data['key']])).toEqual([['delete', 'live/a']])
})

test('a client that goes ends the watch behind its stream', async () => {
  const ended = Promise.withResolvers<void>()
  const { state } = opened.cairn
  const watched = new Proxy(opened.cairn, {
    get: (target, name) =>
      name === 'state'
        ? {
            list: state.list.bind(state),
            async *watch(...given: Parameters<typeof state.watch>) {
              yield* state.watch(...given)
              ended.resolve()
            },
          }
        : Reflect.get(target, name, target),
  })
  const server = await serve(watched, { port: 0 })
  try {
    const leaving = new AbortController()
    await fetch(`${server.url}/v1/agents/scout/state-events`, { signal: leaving.signal })
    leaving.abort()
    await ended.promise
  } finally {
    await server.close()
  }
})

test('a silent stream sends comments; an unknown agent is a problem and not a stream', async () => {
  const server = await serve(opened.cairn, { port: 0, keepAliveMs: 10 })
  try {
    const response = await fetch(`${server.url}/v1/agents/scout/state-events?prefix=silent`)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    while (!text.includes(': alive\n\n: alive\n\n')) text += new TextDecoder().decode((await reader.read()).value)
    expect(text.startsWith(': watching\n\n')).toBe(true)
    await reader.cancel()
    const unknown = await fetch(`${server.url}/v1/agents/nobody/state-events`)
    expect([unknown.status, unknown.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
  } finally {
    await server.close()
  }
})

test('refuses a body above 2 MB, whether or not it says its length, and a foreign Host', async () => {
  const server = await serve(opened.cairn, { port: 0 })
  try {
    const body = JSON.stringify('x'.repeat(2_200_000))
    const headers = { 'content-type': 'application/json' }
    const sized = await fetch(`${server.url}/v1/agents/scout/state/big`, { method: 'PUT', headers, body })
    expect([sized.status, ((await sized.json()) as { code: string }).code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    const chunked = await fetch(`${server.url}/v1/agents/scout/state/big`, { method: 'PUT', headers, body: new Blob([body]).stream(), duplex: 'half' })
    expect(chunked.status).toBe(413)
    expect(await opened.cairn.state.get('scout', 'big')).toBeUndefined()
    const status = await new Promise<string>((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write('GET /v1 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'))
      socket.once('data', (data) => resolve(data.toString().split('\r\n')[0] ?? ''))
      socket.once('error', reject)
    })
    expect(status).toContain('403')
  } finally {
    await server.close()
  }
})

test('takes a body that does not say its length', async () => {
  const server = await serve(opened.cairn, { port: 0 })
  try {
    const url = `${server.url}/v1/agents/scout/state/chunked`
    const chunked = { method: 'PUT', headers: { 'content-type': 'application/json' }, duplex: 'half' } as const
    expect((await fetch(url, { ...chunked, body: new Blob(['{"some":', '"thing"}']).stream() })).status).toBe(200)
    expect((await opened.cairn.state.get('scout', 'chunked'))?.value).toEqual({ some: 'thing' })
    expect((await fetch(url, { ...chunked, body: new Blob(['{"some":']).stream() })).status).toBe(400)
  } finally {
    await server.close()
  }
})

test('keys with slashes, dots in the middle and percent signs arrive unchanged over the wire', async () => {
  const server = await serve(opened.cairn, { port: 0 })
  try {
    for (const key of ['a/b', 'a/../b', '%2F', 'a%b', '?x=1#y', 'ключ', '\\']) {
      const url = `${server.url}/v1/agents/scout/state/${encodeURIComponent(key)}`
      expect((await fetch(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '1' })).status, key).toBe(200)
      expect((await opened.cairn.state.get('scout', key))?.key).toBe(key)
    }
  } finally {
    await server.close()
  }
})

test('a reader that goes away unread ends what is behind its stream, and messages taken ahead go back', async () => {
  const { messages, agents } = opened.cairn
  await agents.register({ name: 'left', type: 'analyst' })
  await messages.sendMany(Array.from({ length: 4 }, (_, payload) => ({ to: 'left', payload })))
  const response = await createApp(opened.cairn).request('/v1/agents/left/inbox-events?prefetch=4', { headers: { host: 'localhost' } })
  // It is never read on: the first message is on its way, the other three are taken ahead.
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  await expect.poll(async () => (await messages.list({ to: 'left' })).items.filter(({ status }) => status === 'delivered').length).toBe(4)
  await reader.cancel()
  await expect.poll(async () => (await messages.receive('left', { limit: 10 })).length).toBe(3)
})

test('HEAD of a live stream answers and leaves nothing open behind it', async () => {
  const { messages, agents, state } = opened.cairn
  await agents.register({ name: 'headed', type: 'analyst' })
  await messages.send({ to: 'headed', payload: 1 })
  const ended = Promise.withResolvers<void>()
  const watched = new Proxy(opened.cairn, {
    get: (target, name) =>
      name === 'state'
        ? {
            list: state.list.bind(state),
            async *watch(...given: Parameters<typeof state.watch>) {
              try {
                yield* state.watch(...given)
              } finally {
                ended.resolve()
              }
            },
          }
        : Reflect.get(target, name, target),
  })
  const server = await serve(watched, { port: 0 })
  try {
    for (const path of ['inbox-events', 'state-events', 'export']) {
      const answer = await fetch(`${server.url}/v1/agents/headed/${path}`, { method: 'HEAD' })
      expect([answer.status, await answer.text()], path).toEqual([200, ''])
    }
    await ended.promise
    expect(await messages.receive('headed')).toHaveLength(1)
  } finally {
    await server.close()
  }
})

test('close answers those that wait for messages and replies at once', async () => {
  const { agents } = opened.cairn
  await agents.register({ name: 'patient', type: 'analyst' })
  const server = await serve(opened.cairn, { port: 0, closeTimeoutMs: 60_000 })
  const post = (path: string, json: unknown): Promise<Response> => fetch(`${server.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) })
  const inbox = post('/v1/agents/patient/inbox', { waitMs: 30_000 })
  const asked = post('/v1/agent-requests', { from: 'patient', to: 'scout', payload: 1, timeoutMs: 30_000 })
  const reply = fetch(`${server.url}/v1/agent-requests/${crypto.randomUUID()}/reply?timeoutMs=30000`)
  await expect.poll(async () => (await opened.cairn.messages.list({ from: 'patient' })).items.length).toBe(1)
  const started = performance.now()
  await server.close()
  expect(performance.now() - started).toBeLessThan(20_000)
  expect([(await inbox).status, await (await inbox).json()]).toEqual([200, { messages: [] }])
  for (const answer of [await asked, await reply]) expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([504, 'TIMEOUT'])
})

test('a body that is missing or not UTF-8 is refused, and what was stored stays', async () => {
  await opened.cairn.state.set('scout', 'kept', { precious: true })
  const server = await serve(opened.cairn, { port: 0 })
  try {
    const url = `${server.url}/v1/agents/scout/state/kept`
    const json = { 'content-type': 'application/json' }
    const latin1 = Buffer.from('"caf\xe9"', 'latin1')
    for (const [name, init] of Object.entries<RequestInit>({ missing: {}, empty: { headers: json, body: '' }, latin1: { headers: json, body: latin1 } })) {
      const answer = await fetch(url, { method: 'PUT', ...init })
      expect([answer.status, ((await answer.json()) as { code: string }).code], name).toEqual([400, 'INVALID_ARGUMENT'])
    }
    const chunked = await fetch(url, { method: 'PUT', headers: json, body: new Blob([latin1]).stream(), duplex: 'half' })
    expect(chunked.status).toBe(400)
    expect((await opened.cairn.state.get('scout', 'kept'))?.value).toEqual({ precious: true })
  } finally {
    await server.close()
  }
})

test('an upload whose client goes away in the middle stores nothing and is no fault of the server', async () => {
  const lines: { level: string; fields: object }[] = []
  const at = (level: string) => (fields: object) => void lines.push({ level, fields })
  const server = await serve(opened.cairn, { port: 0, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } })
  try {
    for (const route of ['/v1/chat-session-imports', '/v1/agent-imports', '/v1/channels']) {
      const type = route === '/v1/channels' ? 'application/json' : 'application/x-ndjson'
      const socket = connect(server.port, '127.0.0.1', () => socket.write(`POST ${route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 100\r\n\r\n{"some`))
      await (await fetch(`${server.url}/v1`)).text()
      socket.destroy()
      await expect.poll(() => lines.map(({ fields }) => fields)).toContainEqual(expect.objectContaining({ route, status: 400 }))
    }
    expect(lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([])
  } finally {
    await server.close()
  }
})

// proves S4-7.2-01
test('with the engines gone, health is 503, the server is not ready, calls are problems, and the page still shows', async () => {
  const app = createApp(opened.cairn)
  await opened.cairn.close()
  const health = await app.request('/health')
  expect([health.status, ((await health.json()) as { status: string }).status]).toEqual([503, 'unhealthy'])
  expect((await app.request('/ready')).status).toBe(503)
  const agents = await app.request('/v1/agents')
  expect([agents.status, agents.headers.get('content-type')]).toEqual([503, 'application/problem+json'])
  const page = await app.request('/')
  expect(page.status).toBe(200)
  expect(await page.text()).toContain('unhealthy')
  expect((await app.request('/metrics')).status).toBe(200)
})
