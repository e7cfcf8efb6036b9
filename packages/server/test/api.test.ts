import type { Logger } from '@cairn/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../src/index.ts'
import { type Call, type TestCairn, caller, openTestCairn } from './harness.ts'

let opened: TestCairn
let call: Call
const lines: { level: string; fields: Record<string, unknown>; message: string }[] = []
const at = (level: string) => (fields: object, message: string): void => void lines.push({ level, fields: fields as Record<string, unknown>, message })
const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }

beforeAll(async () => {
  opened = await openTestCairn()
  call = caller(createApp(opened.cairn, { logger }))
  await opened.cairn.agents.register({ name: 'scout', type: 'analyst' })
  await opened.cairn.as({ tenant: 'acme' }).agents.register({ name: 'scout', type: 'analyst' })
})
afterAll(() => opened?.dispose())

const at1 = (key: string): string => `/v1/agents/scout/state/${encodeURIComponent(key)}`

describe('state keys in paths', () => {
  test.each(['a/b', '/', '?', '#', '%', '%2F', '%41', 'a b', 'a+b', 'ключ 🪨', 'line\nbreak', 'tab\t', '\\', '{key}', ':key', '*', '__proto__', 'constructor', '..a', 'x'.repeat(255), '"quoted"', '\u{1F5FF}'.repeat(60)])('holds %j as it is', async (key) => {
    const put = await call('PUT', at1(key), { json: { key } })
    expect(put.status, put.text).toBe(200)
    expect(put.body['key']).toBe(key)
    expect((await call('GET', at1(key))).body).toMatchObject({ key, value: { key } })
    expect((await opened.cairn.state.get('scout', key))?.value).toEqual({ key })
    expect((await call('DELETE', at1(key))).body['deleted']).toBe(true)
    expect((await call('GET', at1(key))).status).toBe(404)
  })

  test('refuses a key that is too long, has U+0000, or whose encoding is broken', async () => {
    for (const path of [at1('x'.repeat(256)), at1('\0'), '/v1/agents/scout/state/%E0%A4%A', '/v1/agents/scout/state/%zz', '/v1/agents/scout/state/%FF']) {
      const answer = await call('PUT', path, { json: 1 })
      expect(answer.status, answer.text).toBe(400)
      expect(answer.body['code']).toBe('INVALID_ARGUMENT')
    }
    expect((await call('PUT', '/v1/agents/scout/state/a/b', { json: 1 })).status).toBe(404)
  })

  test('reaches the keys . and .. and __proto__ through batch and lookup', async () => {
    const set = await call('POST', '/v1/agents/scout/state-batch', { body: '{"set":{".":1,"..":2,"__proto__":{"a":3}}}', headers: { 'content-type': 'application/json' } })
    expect(Object.keys(set.body['revisions'] as object).sort()).toEqual(['.', '..', '__proto__'])
    const found = await call('POST', '/v1/agents/scout/state-lookup', { json: { keys: ['.', '..', '__proto__', 'none'] } })
    const entries = found.body['entries'] as Record<string, { value: unknown }>
    expect(Object.entries(entries).map(([key, { value }]) => [key, value]).sort()).toEqual([['.', 1], ['..', 2], ['__proto__', { a: 3 }]])
    expect((await call('POST', '/v1/agents/scout/state-batch', { json: { delete: ['.', '..', '__proto__', 'none'] } })).body).toEqual({ revisions: {}, deleted: ['.', '..', '__proto__'] })
    const both = await call('POST', '/v1/agents/scout/state-batch', { json: { set: { a: 1 }, delete: ['a'] } })
    expect(both.body).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'delete' } })
  })
})

describe('state values', () => {
  test.each([null, false, 0, '', 'text', [], [1, [2]], {}, { __proto__: null, deep: { er: [null] } }])('keeps %j', async (value) => {
    expect((await call('PUT', at1('value'), { json: value })).status).toBe(200)
    expect((await call('GET', at1('value'))).body['value']).toEqual(value)
  })

  test('refuses a value above 1 MB, a body above 2 MB, and what JSON cannot hold', async () => {
    const large = await call('PUT', at1('large'), { json: 'x'.repeat(1_000_001) })
    expect([large.status, large.body['code']]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    const larger = await call('PUT', at1('large'), { json: 'x'.repeat(2_097_153) })
    expect([larger.status, larger.body['code'], larger.body['details']]).toEqual([413, 'PAYLOAD_TOO_LARGE', { field: 'body', maxBytes: 2_097_152 }])
    const lone = await call('PUT', at1('lone'), { body: '"\\ud800"', headers: { 'content-type': 'application/json' } })
    expect([lone.status, lone.body['code']]).toEqual([422, 'SERIALIZATION_ERROR'])
    expect((await call('GET', at1('large'))).status).toBe(404)
  })
})

describe('compare-and-set over HTTP', () => {
  test('If-Match writes only at that revision; a conflict tells the current one', async () => {
    const first = await call('PUT', at1('cas'), { json: 1 })
    const tag = first.headers.get('etag') as string
    expect(tag).toBe(`"${String(first.body['revision'])}"`)
    const second = await call('PUT', at1('cas'), { json: 2, headers: { 'if-match': tag } })
    expect(second.status).toBe(200)
    const late = await call('PUT', at1('cas'), { json: 3, headers: { 'if-match': tag } })
    expect(late.status).toBe(412)
    expect(late.headers.get('etag')).toBe(second.headers.get('etag'))
    expect(late.body).toMatchObject({ type: '/errors/VERSION_CONFLICT', code: 'VERSION_CONFLICT', retryable: true, status: 412, details: { currentRevision: second.body['revision'] } })
    expect((await call('DELETE', at1('cas'), { headers: { 'if-match': tag } })).status).toBe(412)
    expect((await call('DELETE', at1('cas'), { headers: { 'if-match': second.headers.get('etag') as string } })).body['deleted']).toBe(true)
  })

  test('of many writers with the same If-Match exactly one wins', async () => {
    const tag = (await call('PUT', at1('race'), { json: 0 })).headers.get('etag') as string
    const answers = await Promise.all(Array.from({ length: 20 }, (_, writer) => call('PUT', at1('race'), { json: writer + 1, headers: { 'if-match': tag } })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(412)])
    const winner = answers.findIndex(({ status }) => status === 200)
    expect((await call('GET', at1('race'))).body['value']).toBe(winner + 1)
  })

  test('If-None-Match: * writes only a new key', async () => {
    expect((await call('PUT', at1('fresh'), { json: 1, headers: { 'if-none-match': '*' } })).status).toBe(200)
    expect((await call('PUT', at1('fresh'), { json: 2, headers: { 'if-none-match': '*' } })).status).toBe(412)
    expect((await call('GET', at1('fresh'))).body['value']).toBe(1)
  })

  test('If-None-Match of a read answers 304 without a body while nothing changed', async () => {
    const tag = (await call('PUT', at1('seen'), { json: 1 })).headers.get('etag') as string
    for (const header of [tag, `W/${tag}`, `"1", ${tag}`, '*']) {
      const same = await call('GET', at1('seen'), { headers: { 'if-none-match': header } })
      expect([same.status, same.text, same.headers.get('etag')]).toEqual([304, '', tag])
    }
    await call('PUT', at1('seen'), { json: 2 })
    expect((await call('GET', at1('seen'), { headers: { 'if-none-match': tag } })).status).toBe(200)
  })

  test('refuses conditions that are not one revision', async () => {
    for (const headers of [{ 'if-match': '7' }, { 'if-match': 'W/"7"' }, { 'if-match': '*' }, { 'if-match': '"1", "2"' }, { 'if-none-match': '"7"' }, { 'if-match': '"1"', 'if-none-match': '*' }, { 'idempotency-key': 'has space' }]) {
      const answer = await call('PUT', at1('cas'), { json: 1, headers })
      expect([answer.status, answer.body['code']], JSON.stringify(headers)).toEqual([400, 'INVALID_ARGUMENT'])
    }
  })

  test('the same Idempotency-Key is applied once', async () => {
    const headers = { 'idempotency-key': 'op-1' }
    const first = await call('PUT', at1('once'), { json: 'a', headers })
    const again = await call('PUT', at1('once'), { json: 'a', headers })
    expect(again.body['revision']).toBe(first.body['revision'])
  })

  test("an agent's configVersion is its ETag", async () => {
    const { headers } = await call('GET', '/v1/agents/scout')
    const tag = headers.get('etag') as string
    const changed = await call('PATCH', '/v1/agents/scout', { json: { description: 'x' }, headers: { 'if-match': tag } })
    expect(changed.status).toBe(200)
    const late = await call('PATCH', '/v1/agents/scout', { json: { description: 'y' }, headers: { 'if-match': tag } })
    expect([late.status, late.headers.get('etag')]).toEqual([412, changed.headers.get('etag')])
  })

  test('an entry with ttlMs tells when it expires', async () => {
    await call('PUT', `${at1('brief')}?ttlMs=60000`, { json: 1 })
    expect(Date.parse((await call('GET', at1('brief'))).body['expiresAt'] as string)).toBeGreaterThan(Date.now() + 50_000)
    expect((await call('PUT', `${at1('brief')}?ttlMs=0`, { json: 1 })).body).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'ttlMs', in: 'query' } })
  })
})

describe('lists', () => {
  test('pages by opaque cursors show every entry once', async () => {
    const set = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`page/${index}`, index]))
    await call('POST', '/v1/agents/scout/state-batch?ack=durable', { json: { set } })
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body } = await call('GET', `/v1/agents/scout/state?prefix=${encodeURIComponent('page/')}&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
      const page = body as { items: { key: string }[]; nextCursor: string | null }
      expect(page.items.length).toBeLessThanOrEqual(3)
      seen.push(...page.items.map(({ key }) => key))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(Object.keys(set))
    const foreign = (await call('GET', '/v1/agent-types?limit=1')).body['nextCursor'] as string
    expect((await call('GET', `/v1/agents?cursor=${foreign}`)).body['code']).toBe('INVALID_CURSOR')
  })
})

describe('tenants and actors', () => {
  test('the same agent key in two tenants has two states', async () => {
    await call('PUT', at1('mine'), { json: 'default' })
    await call('PUT', at1('mine'), { json: 'acme', tenant: 'acme' })
    expect((await call('GET', at1('mine'))).body['value']).toBe('default')
    expect((await call('GET', at1('mine'), { tenant: 'acme' })).body['value']).toBe('acme')
    expect((await call('GET', at1('mine'), { tenant: 'other' })).body['code']).toBe('AGENT_NOT_FOUND')
  })

  test('an event tells the actor of the request', async () => {
    await call('PUT', '/v1/agents/scout/status', { json: { status: 'active' }, headers: { 'x-cairn-actor': 'service:tests' } })
    const { items } = (await call('GET', '/v1/agents/scout/events?limit=1')).body as { items: { actor: string }[] }
    expect(items[0]?.actor).toContain('tests')
  })
})

describe('who may ask', () => {
  test('only names of this machine are served on a loopback address', async () => {
    for (const host of ['localhost', 'localhost:4100', '127.0.0.1:4100', '[::1]:4100', 'LOCALHOST']) expect((await call('GET', '/v1', { headers: { host } })).status, host).toBe(200)
    for (const host of ['evil.example', 'evil.example:4100', 'localhost.evil.example', '127.0.0.1.evil.example', 'localhost:4100.evil.example']) {
      const answer = await call('GET', '/v1/agents', { headers: { host } })
      expect([answer.status, answer.body['code']], host).toEqual([403, 'ORIGIN_REFUSED'])
    }
  })

  test('more names are served when allowed, and all of them on a public address', async () => {
    const allowing = caller(createApp(opened.cairn, { allowedHosts: ['cairn.test'] }))
    expect((await allowing('GET', '/v1', { headers: { host: 'cairn.test:80' } })).status).toBe(200)
    expect((await allowing('GET', '/v1', { headers: { host: 'other.test' } })).status).toBe(403)
    const open = caller(createApp(opened.cairn, { host: '0.0.0.0' }))
    expect((await open('GET', '/v1', { headers: { host: 'anything.test' } })).status).toBe(200)
  })

  test('pages of other sites may neither read nor write', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://localhost:9999']) {
      const answer = await call('POST', '/v1/state/flush', { headers: { origin, host: 'localhost:4100' } })
      expect([answer.status, answer.headers.get('access-control-allow-origin')], origin).toEqual([403, null])
    }
    expect((await call('POST', '/v1/state/flush', { headers: { origin: 'http://localhost:4100', host: 'localhost:4100' } })).status).toBe(204)
  })
})

describe('errors', () => {
  test('an error without a code shows nothing of its inside and is logged with its cause', async () => {
    const secret = new Error('password=hunter2 in SELECT * FROM secrets')
    const broken = new Proxy(opened.cairn, { get: (target, name) => (name === 'state' ? { stats: () => { throw secret } } : Reflect.get(target, name, target)) })
    const answer = await caller(createApp(broken, { logger }))('GET', '/v1/state/stats')
    expect([answer.status, answer.body['code']]).toEqual([500, 'UNKNOWN'])
    expect(answer.text).not.toMatch(/hunter2|SELECT|stack/)
    const line = lines.find(({ level, fields }) => level === 'error' && fields['code'] === 'UNKNOWN')
    expect(line?.fields).toMatchObject({ err: secret, requestId: answer.headers.get('x-request-id') })
  })

  test('a validation error names its field, a code is explained at its type', async () => {
    const answer = await call('POST', '/v1/agents', { json: { name: 'x', type: 'analyst', maxRetries: 'many' } })
    expect(answer.body).toMatchObject({ code: 'INVALID_ARGUMENT', title: 'An argument is missing or malformed.', status: 400, details: { field: 'maxRetries', in: 'body' } })
    expect((await call('GET', answer.body['type'] as string)).body).toMatchObject({ code: 'INVALID_ARGUMENT', remedy: expect.any(String) })
    expect((await call('GET', '/errors/__proto__')).status).toBe(404)
    expect((await call('POST', '/v1/agents', { json: { name: 'scout', type: 'analyst' } })).body['code']).toBe('DUPLICATE_KEY')
    expect((await call('PUT', '/v1/agents/scout/status', { json: { status: 'initializing' } })).body).toMatchObject({ code: 'INVALID_TRANSITION', details: { allowed: expect.any(Array) } })
  })
})

describe('what operations see', () => {
  // proves S4-7.2-01
  test('/health tells each engine with status and latency, slow ones as degraded', async () => {
    const answer = await call('GET', '/health')
    expect(answer.status).toBe(200)
    const { checks } = answer.body as { checks: { name: string; status: string; latencyMs: number | null; details: { engine?: string } }[] }
    expect(checks.map(({ name, details }) => [name, details.engine])).toEqual([['sql', 'pglite'], ['kv', 'lmdb'], ['consistency', undefined]])
    const sql = checks[0] as { status: string; latencyMs: number }
    expect(sql.status).toBe(sql.latencyMs > 10 ? 'degraded' : 'healthy')
    expect((await call('GET', '/ready')).body).toEqual({ ready: true, reason: null })
  })

  test('/metrics counts requests by route pattern, never by path', async () => {
    await call('GET', at1('metered'))
    await call('GET', '/no/such/path')
    const { text, headers } = await call('GET', '/metrics')
    expect(headers.get('content-type')).toContain('text/plain')
    expect(text).toMatch(/cairn_http_requests_total\{method="GET",route="\/v1\/agents\/\{agent\}\/state\/\{key\}",status="404"\} \d+/)
    expect(text).toMatch(/cairn_http_requests_total\{method="GET",route="unmatched",status="404"\} \d+/)
    expect(text).not.toContain('metered')
    for (const name of ['cairn_http_request_duration_seconds_bucket', 'process_cpu_seconds_total', 'cairn_state_dirty_keys', 'cairn_state_lag_seconds{quantile="0.95"}', 'cairn_state_flushes_total', 'cairn_state_rows_flushed_total', 'cairn_state_hot_available 1', 'cairn_state_lag_violations_total', 'cairn_state_cache_hits_total', 'cairn_sql_pool_connections{pool="primary",state="max"} 1', 'cairn_sql_pool_waiting']) {
      expect(text).toContain(name)
    }
  })

  // proves S4-7.1-01
  test('/metrics gauges the lag of each agent, with its violations and repairs', async () => {
    expect((await call('PUT', `${at1('gauged')}?ack=durable`, { json: 1 })).status).toBe(200)
    const { id } = await opened.cairn.agents.get('scout')
    const { text } = await call('GET', '/metrics')
    const shown = (name: string): string | undefined => new RegExp(`^${name}\\{tenant="default",agent="${id}"\\} ([0-9.e+-]+)$`, 'm').exec(text)?.[1]
    expect(Number(shown('consistency_lag_ms'))).toBeGreaterThan(0)
    expect([shown('consistency_violations'), shown('consistency_repairs')].map(Number).every((count) => count >= 0)).toBe(true)
  })

  test('a request is one log line without bodies, keys or queries; health checks are quiet', async () => {
    lines.length = 0
    await call('PUT', `${at1('private-key')}?ack=hot`, { json: 'private-value', tenant: 'acme' })
    await call('GET', '/health')
    expect(lines.filter(({ level }) => level !== 'debug')).toEqual([
      { level: 'info', message: 'request', fields: { method: 'PUT', route: '/v1/agents/{agent}/state/{key}', status: 200, ms: expect.any(Number), tenant: 'acme', requestId: expect.any(String) } },
    ])
    expect(JSON.stringify(lines)).not.toContain('private')
  })
})

describe('the page at /', () => {
  test('is self-contained and shows what runs and every route', async () => {
    const { status, text, headers } = await call('GET', '/')
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8'])
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(text).not.toMatch(/<script|<link|<img|src=|@import|url\(/)
    for (const shown of ['SQL (pglite)', 'Hot tier (lmdb)', '/v1/agents/{agent}/state/{key}', 'Write a key; the body is the value', 'href="/openapi.json"', 'href="/metrics"', 'curl', 'open tasks', 'memories', 'debates', 'href="/v1/streams"', 'href="#knowledge"']) expect(text).toContain(shown)
  })

  test('shows no markup that a name brings along', async () => {
    const { cairn } = opened
    const named = new Proxy(cairn, { get: (target, name) => (name === 'identity' ? { ...target.identity, tenant: '<b>x</b>' } : Reflect.get(target, name, target)) })
    const { text } = await caller(createApp(named))('GET', '/')
    expect(text).toContain('&lt;b&gt;x&lt;/b&gt;')
  })
})
