import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../src/index.ts'
import { type Answer, type Call, type TestCairn, caller, openTestCairn } from './harness.ts'
import { type OpenApi, ResponseSchemas } from './response-schemas.ts'
import { COLLABORATION_CASES, PERSONALITY_CASES } from './people-cases.ts'
import { AGENT_CASES, CONVERSATION_CASES, HISTORY_CASES, type RouteCase, STATE_CASES, type World, BREAKER_CASES, DOCUMENT_CASES, TASK_CASES, SCHEDULE_CASES, LINEAGE_CASES, MESSAGE_CASES } from './route-cases.ts'
import { DEBATE_CASES, MODEL_CASES, makeDebates } from './debate-cases.ts'
import { SAGA_CASES, makeStuckSagas } from './saga-cases.ts'
import { RECALL_CASES } from './recall-cases.ts'
import { MEMORY_CASES } from './memory-cases.ts'
import { KNOWLEDGE_CASES } from './knowledge-cases.ts'
import { COMPRESSION_CASES, RECORD_CASES } from './conversation-cases.ts'
import { EVENT_CASES, buryEvents } from './event-cases.ts'

let opened: TestCairn
let app: ReturnType<typeof createApp>
let call: Call
let schemas: ResponseSchemas
const world: World = {}

beforeAll(async () => {
  opened = await openTestCairn()
  await makeStuckSagas(opened.cairn.as({ tenant: 'owner' }))
  await makeDebates(opened.cairn.as({ tenant: 'owner' }))
  Object.assign(world, await buryEvents(opened.cairn.as({ tenant: 'owner' })))
  app = createApp(opened.cairn)
  for (const step of [1, 2, 3]) {
    const space = opened.cairn.as({ tenant: 'owner' }).lineages.space({ namespace: 'graphs' })
    await space.append({ thread: 'ticket/17', id: `00${step}`, ...(step === 1 ? {} : { parentId: `00${step - 1}` }), body: Buffer.from('{}'), metadata: `{"step":${step}}`, versions: new Map(), changed: new Map() })
  }
  call = caller(app)
  schemas = new ResponseSchemas((await call('GET', '/openapi.json')).body as unknown as OpenApi)
})
afterAll(() => opened?.dispose())

const CASES = [...AGENT_CASES, ...STATE_CASES, ...CONVERSATION_CASES, ...HISTORY_CASES, ...BREAKER_CASES, ...DOCUMENT_CASES, ...TASK_CASES, ...SAGA_CASES, ...SCHEDULE_CASES, ...EVENT_CASES, ...LINEAGE_CASES, ...MESSAGE_CASES, ...MEMORY_CASES, ...DEBATE_CASES, ...MODEL_CASES, ...PERSONALITY_CASES, ...COLLABORATION_CASES, ...KNOWLEDGE_CASES, ...RECORD_CASES, ...COMPRESSION_CASES, ...RECALL_CASES]

function send({ name, params, query, json, lines }: RouteCase, tenant: string): Promise<Answer> {
  const [method = '', template = ''] = name.split(' ')
  const values = params?.(world) ?? {}
  const path = template.replaceAll(/\{(\w+)\}/g, (_, part: string) => encodeURIComponent(values[part] ?? ''))
  return call(method, path + (query?.(world) ?? ''), { tenant, ...(json === undefined ? {} : { json: json(world) }), ...(lines === undefined ? {} : { body: lines(world), headers: { 'content-type': 'application/x-ndjson' } }) })
}

describe('every route, with the data of its own tenant and from another tenant', () => {
  test.each(CASES.map((each, index) => [`${index + 1}. ${each.name}`, each] as const))('%s', async (_, each) => {
    if (each.params !== undefined || each.intruder !== undefined) {
      const other = await send(each, 'intruder')
      expect(other.status, other.text).toBe(each.intruder ?? 404)
      if (other.status === 404) expect(other.body['code']).toMatch(/NOT_FOUND$/)
      if (each.name.startsWith('DELETE') && other.status === 200) expect(other.body).toMatchObject({ deleted: false })
      expect(schemas.mismatch(each.name, other)).toBeUndefined()
    } else if (each.name.startsWith('GET') && each.query !== undefined) {
      expect((await send(each, 'intruder')).body['items']).toEqual([])
    }
    const answer = await send(each, 'owner')
    expect(answer.status, answer.text).toBe(each.status)
    expect(schemas.mismatch(each.name, answer)).toBeUndefined()
    each.check?.(answer, world)
  })

  test('leaves nothing of the other tenant behind', async () => {
    for (const path of ['/v1/agents?includeRetired=true', '/v1/chat-sessions', '/v1/threads']) {
      expect((await call('GET', path, { tenant: 'intruder' })).body).toEqual({ items: [], nextCursor: null })
    }
  })
})

describe('the OpenAPI document', () => {
  test('is version 3.1 and lists every route under /v1 that the app serves', () => {
    expect(schemas.document.openapi).toBe('3.1.0')
    const served = new Set(app.routes.filter(({ method, path }) => method !== 'ALL' && path.startsWith('/v1')).map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`))
    const listed = schemas.operations().filter(({ path }) => path.startsWith('/v1')).map(({ name }) => name)
    expect(listed.sort()).toEqual([...served].sort())
    expect(served.size).toBeGreaterThan(70)
  })

  test('gives every operation an id of its own, a summary, problems and the tenant header', () => {
    const operations = schemas.operations()
    expect(new Set(operations.map(({ operation }) => (operation as unknown as { operationId: string }).operationId)).size).toBe(operations.length)
    for (const { name, path, operation } of operations) {
      expect((operation as unknown as { summary: string }).summary, name).toBeTruthy()
      expect(Object.keys(operation.responses['400']?.content ?? {}), name).toEqual(['application/problem+json'])
      expect(operation.responses['default'], name).toBeDefined()
      if (path.startsWith('/v1')) expect(operation.parameters?.map((parameter) => parameter.name), name).toContain('X-Cairn-Tenant')
    }
  })

  test('has a case above for each of its routes but the live ones', () => {
    const tried = new Set(CASES.map(({ name }) => name))
    const untried = schemas.operations().filter(({ name, path }) => path.startsWith('/v1') && !tried.has(name)).map(({ name }) => name)
    expect(untried.sort()).toEqual(['GET /v1/agents/{agent}/inbox-events', 'GET /v1/agents/{agent}/state-events', 'GET /v1/event-stream'])
  })

  test('lists the same routes as docs/reference/http.md', async () => {
    const text = await readFile(new URL('../../../docs/reference/http.md', import.meta.url), 'utf8')
    const told = [...text.matchAll(/^\| `([A-Z]+) (\/[^`]*)` \|/gm)].map(([, method, path]) => `${method} ${path}`)
    expect(told.sort()).toEqual(schemas.operations().map(({ name }) => name).sort())
  })

  test('refers only to schemas it has', () => {
    const references = JSON.stringify(schemas.document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)
    for (const [, name] of references) expect(schemas.document.components.schemas).toHaveProperty(name ?? '')
  })
})

describe('bad input, tried on every route', () => {
  const fill = (path: string): string => path.replaceAll(/\{\w+\}/g, '019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f').replace('participants/019a0c5e-7d2b-7cc3-98c4-dc0c0c07398f', 'participants/user')
  const operations = () => schemas.operations().filter(({ path }) => path.startsWith('/v1'))
  async function refused(name: string, answer: Answer, status: number, code: string): Promise<void> {
    expect(answer.status, `${name}: ${answer.text}`).toBe(status)
    expect(answer.headers.get('content-type'), name).toBe('application/problem+json')
    expect(answer.body['code'], name).toBe(code)
    expect(schemas.mismatch(name, answer)).toBeUndefined()
  }

  test('a malformed tenant or actor', async () => {
    for (const { name, method, path } of operations()) {
      const tenant = await call(method, fill(path), { headers: { 'x-cairn-tenant': 'no such/tenant' } })
      await refused(name, tenant, 400, 'INVALID_ARGUMENT')
      expect(tenant.body['detail']).toContain('tenant')
      await refused(name, await call(method, fill(path), { headers: { 'x-cairn-actor': 'nobody' } }), 400, 'INVALID_ARGUMENT')
    }
  })

  test('a body that is not JSON, is not said to be JSON, or has an unknown field', async () => {
    const withBody = operations().filter(({ operation, path }) => operation.requestBody !== undefined && path !== '/v1/agent-imports' && path !== '/v1/chat-session-imports')
    expect(withBody.length).toBeGreaterThan(30)
    for (const { name, method, path } of withBody) {
      await refused(name, await call(method, fill(path), { body: '{"a":', headers: { 'content-type': 'application/json' } }), 400, 'INVALID_ARGUMENT')
      await refused(name, await call(method, fill(path), { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }), 415, 'UNSUPPORTED_MEDIA_TYPE')
      if (path.endsWith('/state/{key}')) continue
      const unknown = await call(method, fill(path), { json: { nonsense: 1 } })
      await refused(name, unknown, 400, 'INVALID_ARGUMENT')
      if (unknown.text.includes('nonsense')) expect(unknown.body['details']).toEqual({ field: 'nonsense', in: 'body' })
    }
  })

  test('an unknown query parameter, a limit out of range and a cursor of nowhere', async () => {
    const lists = operations().filter(({ operation }) => operation.parameters?.some((parameter) => parameter.name === 'cursor'))
    expect(lists.length).toBeGreaterThan(15)
    for (const { name, method, path } of lists) {
      await refused(name, await call(method, `${fill(path)}?nonsense=1`), 400, 'INVALID_ARGUMENT')
      const limit = await call(method, `${fill(path)}?limit=5000`)
      await refused(name, limit, 400, 'INVALID_ARGUMENT')
      const required = path.includes('stale') ? '&olderThanMs=1' : path.includes('matches') ? '&anyOf=a' : path.includes('message-search') ? '&query=a' : ''
      const cursor = await call(method, `${fill(path)}?cursor=bm93aGVyZQ${required}`)
      expect(cursor.status, `${name}: ${cursor.text}`).toSatisfy((status: number) => status === 400 || status === 404)
      expect(cursor.body['code'], name).toMatch(/^(INVALID_CURSOR|AGENT_NOT_FOUND)$/)
    }
  })

  test('a method that the path does not have, with the ones it has', async () => {
    for (const { name, path } of operations()) {
      const answer = await call('POST', `${fill(path)}/`)
      expect(answer.status, name).toBe(404)
      const options = await call('OPTIONS', fill(path))
      expect(options.status, name).toBe(405)
      expect(options.headers.get('allow'), name).toContain(name.split(' ')[0])
      expect(options.body['code']).toBe('METHOD_NOT_ALLOWED')
    }
  })
})
