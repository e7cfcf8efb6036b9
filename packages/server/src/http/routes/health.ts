import type { Cairn } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import type { HttpMetrics } from '../metrics.ts'
import { json, problems } from '../openapi.ts'
import { HealthReport, Readiness } from '../schemas/health.ts'

const tags = ['operations']

export interface HealthRouteOptions {
  readonly cairn: Cairn
  readonly metrics: HttpMetrics
  readonly closing: AbortSignal
}

/** What machines ask: is it well, may it be sent requests, what are its numbers. */
export function healthRoutes(app: App, { cairn, metrics, closing }: HealthRouteOptions): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/health', tags, summary: 'Health of each engine, with its latency',
      responses: { 200: json(HealthReport, 'Healthy or degraded.'), 503: json(HealthReport, 'An engine does not answer.'), ...withoutStatus(503) },
    }),
    async (c) => {
      const report = await cairn.health.check()
      return c.json(report, report.status === 'unhealthy' ? 503 : 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/ready', tags, summary: 'Whether requests may be sent here',
      responses: { 200: json(Readiness, 'All engines answer.'), 503: json(Readiness, 'An engine does not answer, or the server is stopping.'), ...withoutStatus(503) },
    }),
    async (c) => {
      if (closing.aborted) return c.json({ ready: false, reason: 'the server is stopping' }, 503)
      const { checks } = await cairn.health.check()
      const failed = checks.find(({ status }) => status === 'unhealthy')
      return failed === undefined ? c.json({ ready: true, reason: null }, 200) : c.json({ ready: false, reason: failed.message }, 503)
    },
  )

  app.openapi(
    createRoute({
      method: 'get', path: '/metrics', tags, summary: 'Numbers in the text format of Prometheus',
      responses: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: z.string() } } }, ...problems() },
    }),
    async (c) => c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }),
  )
}

/** The problems any route may give, but for a status that means something of its own here. */
function withoutStatus(status: number): ReturnType<typeof problems> {
  return Object.fromEntries(Object.entries(problems()).filter(([key]) => key !== String(status))) as ReturnType<typeof problems>
}
