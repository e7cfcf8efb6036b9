import type { Cairn, Logger } from '@cairn/core'
import { type McpHttpHandler, createMcpHandler } from '@modelcontextprotocol/server'
import type { App, AppContext } from '../http/app-env.ts'
import { servicesOf } from '../http/tenant.ts'
import { type ToolSet, makeMcpServer } from './tool-sets.ts'

/** Where each tool set is served. */
export const MCP_PATHS: Readonly<Record<ToolSet, string>> = { cairn: '/mcp', graph: '/mcp/graph' }

interface McpRouteOptions {
  readonly cairn: Cairn
  readonly logger: Logger
  readonly closing: AbortSignal
  readonly maxBodyBytes: number
}

/**
 * The Model Context Protocol over HTTP: one request, one answer, no sessions, in the revision of 2026-07-28 and those before it. Tenant and actor are
 * those of the headers, as on every other route. GET and DELETE, which belong to sessions, get 405 from the protocol's own handler.
 */
export function mcpRoutes(app: App, { cairn, logger, closing, maxBodyBytes }: McpRouteOptions): void {
  for (const [toolSet, path] of Object.entries(MCP_PATHS) as [ToolSet, string][]) {
    const report = (error: Error): void => logger.warn({ err: error, toolSet }, `mcp: ${error.message}`)
    const handler = createMcpHandler(({ requestInfo }) => makeMcpServer(requestInfo === undefined ? cairn : servicesOf(cairn, requestInfo.headers), toolSet, report), {
      maxRequestBodySize: maxBodyBytes,
      onerror: (error) => logger.debug({ err: error, toolSet }, `mcp: ${error.message}`),
    })
    const endStreams = (): void => void handler.close().catch(report)
    const calls = new RunningCalls(closing, endStreams)
    app.on(['GET', 'POST', 'DELETE'], path, (c) => (c.req.header('mcp-method') === 'subscriptions/listen' ? answer(handler, c) : calls.run(() => answer(handler, c))))
  }
}

/** Calls `endStreams` once it is closing and the last call is answered: ending them ends calls as well. */
class RunningCalls {
  #running = 0
  readonly #closing: AbortSignal
  readonly #endStreams: () => void

  constructor(closing: AbortSignal, endStreams: () => void) {
    this.#closing = closing
    this.#endStreams = endStreams
    closing.addEventListener('abort', () => this.#look(), { once: true })
  }

  async run(call: () => Promise<Response>): Promise<Response> {
    this.#running++
    try {
      return await call()
    } finally {
      this.#running--
      this.#look()
    }
  }

  #look(): void {
    if (this.#closing.aborted && this.#running === 0) this.#endStreams()
  }
}

/** The handler gets a request of the platform's own class: node-server's does not survive being cloned. */
async function answer(handler: McpHttpHandler, c: AppContext): Promise<Response> {
  const { raw } = c.req
  const body = raw.method === 'POST' ? await c.req.text() : undefined
  return handler.fetch(new Request(raw.url, { method: raw.method, headers: new Headers([...raw.headers]), signal: raw.signal, ...(body === undefined ? {} : { body }) }))
}
