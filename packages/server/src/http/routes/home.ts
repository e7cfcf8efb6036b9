import { type Cairn, CairnError, ERROR_CODES, type ErrorCode, type Page } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { type ApiDocument, operationsOf } from '../api-document.ts'
import { HOME_POLICY, homePage } from '../home-page.ts'
import { json, problems } from '../openapi.ts'
import { TenantHeaders } from '../schemas/common.ts'
import { VERSION } from '../version.ts'

const tags = ['operations']
const COUNTED = 1000

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
    const [health, agents, sessions] = await Promise.all([
      cairn.health.check(),
      count(cairn.agents.list({ limit: COUNTED })),
      count(cairn.conversations.listSessions({ limit: COUNTED })),
    ])
    const page = homePage({ version: VERSION, tenant: cairn.identity.tenant, health, agents, sessions, origin: new URL(c.req.url).origin, operations: operationsOf(document()) })
    return c.html(page, 200, { 'Content-Security-Policy': HOME_POLICY })
  })
}

/** A number for people: exact up to a page; a dash when it cannot be told. */
function count(page: Promise<Page<unknown>>): Promise<string> {
  return page.then(
    ({ items, nextCursor }) => (nextCursor === null ? String(items.length) : `${COUNTED}+`),
    () => '–',
  )
}
