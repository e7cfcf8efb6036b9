import { type Cairn, CairnError, ERROR_CODES, type ErrorCode, type Page } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { type ApiDocument, operationsOf } from '../api-document.ts'
import { HOME_POLICY, homePage } from '../home-page.ts'
import { json, problems } from '../openapi.ts'
import { TenantHeaders } from '../schemas/common.ts'
import { VERSION } from '../version.ts'

const tags = ['operations']
/** More are not counted for the page. */
const COUNTED = 200

const Index = z
  .object({ name: z.string(), version: z.string(), tenant: z.string(), links: z.record(z.string(), z.string()) })
  .openapi('Index')
const ErrorEntry = z
  .object({ code: z.string(), status: z.int(), retryable: z.boolean(), summary: z.string(), remedy: z.string() })
  .openapi('ErrorEntry')

const LINKS = {
  agents: '/v1/agents',
  chatSessions: '/v1/chat-sessions',
  threads: '/v1/threads',
  agentTypes: '/v1/agent-types',
  memory: '/v1/memory',
  entities: '/v1/knowledge/entities',
  graph: '/v1/knowledge/graph',
  documents: '/v1/documents',
  tasks: '/v1/tasks',
  schedules: '/v1/schedules',
  sagas: '/v1/sagas',
  debates: '/v1/debates',
  models: '/v1/models',
  messages: '/v1/agent-messages',
  channels: '/v1/channels',
  streams: '/v1/streams',
  histories: '/v1/histories',
  partnerships: '/v1/collaboration/partnerships',
  breakers: '/v1/breakers',
  stateStats: '/v1/state/stats',
  pools: '/v1/pools',
  openapi: '/openapi.json',
  health: '/health',
  ready: '/ready',
  metrics: '/metrics',
}

/** The ways in: a page for people, an index for programs, the OpenAPI document, and what each error code means. */
export function homeRoutes(app: App, { cairn, document }: { cairn: Cairn; document: () => ApiDocument }): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1', tags, summary: 'What there is',
      request: { headers: TenantHeaders },
      responses: { 200: json(Index, 'Name, version and links.'), ...problems() },
    }),
    (c) => c.json({ name: 'Cairn', version: VERSION, tenant: c.get('cairn').identity.tenant, links: LINKS }, 200),
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/errors/{code}', tags, summary: 'What an error code means and what to do',
      request: { params: z.object({ code: z.string() }) },
      responses: { 200: json(ErrorEntry, 'The entry of the catalogue.'), ...problems('NOT_FOUND') },
    }),
    (c) => {
      const { code } = c.req.valid('param')
      if (!Object.hasOwn(ERROR_CODES, code)) throw new CairnError('NOT_FOUND', `There is no error code ${JSON.stringify(code.slice(0, 80))}.`, { details: { code: code.slice(0, 80) } })
      return c.json({ code, ...ERROR_CODES[code as ErrorCode] }, 200)
    },
  )

  app.get('/openapi.json', (c) => c.json(document()))

  app.get('/', async (c) => {
    // One after the other: an engine with one connection would be called slow for what the page itself asks of it.
    const health = await cairn.health.check()
    const rooms = await roomsOf(cairn)
    const page = homePage({ version: VERSION, tenant: cairn.identity.tenant, health, rooms, origin: new URL(c.req.url).origin, operations: operationsOf(document()) })
    return c.html(page, 200, { 'Content-Security-Policy': HOME_POLICY })
  })
}

/** What the tenant of the server has, room by room, each by a page of its list. */
async function roomsOf(cairn: Cairn): Promise<{ count: string; what: string; path: string }[]> {
  const limit = COUNTED
  const rooms: [string, string, Promise<string>][] = [
    ['agents', '/v1/agents', count(cairn.agents.list({ limit }))],
    ['memories', '/v1/memory', count(cairn.memory.list({ limit }))],
    ['known entities', '/v1/knowledge/entities', count(cairn.knowledge.entities({ limit }))],
    ['chat sessions', '/v1/chat-sessions', count(cairn.conversations.listSessions({ limit }))],
    ['messages', '/v1/agent-messages', count(cairn.messages.list({ limit }))],
    ['open tasks', '/v1/task-stats', cairn.tasks.stats().then(({ byStatus }) => String(Object.values(byStatus).reduce((sum, each) => sum + each, 0)), () => '–')],
    ['schedules', '/v1/schedules', count(cairn.schedules.list({ limit }))],
    ['sagas', '/v1/sagas', count(cairn.sagas.list({ limit }))],
    ['debates', '/v1/debates', count(cairn.debates.list({ limit }))],
    ['events', '/v1/streams', cairn.events.status().then(({ streams }) => String(streams.reduce((sum, { messages }) => sum + messages, 0)), () => '–')],
    ['collections', '/v1/documents', count(cairn.documents.collections({ limit }))],
    ['models', '/v1/models', count(cairn.models.list({ limit }))],
  ]
  return Promise.all(rooms.map(async ([what, path, counted]) => ({ what, path, count: await counted })))
}

/** A number for people: exact up to a page; a dash when it cannot be told. */
function count(page: Promise<Page<unknown>>): Promise<string> {
  return page.then(
    ({ items, nextCursor }) => (nextCursor === null ? String(items.length) : `${COUNTED}+`),
    () => '–',
  )
}
