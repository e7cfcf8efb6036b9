import type { Cairn, Logger } from '@cairn/core'
import { OpenAPIHono } from '@hono/zod-openapi'
import type { App, AppEnv } from './app-env.ts'
import { apiDocument } from './api-document.ts'
import { bodyLimit } from './body-limit.ts'
import { endBodyOfHead } from './head.ts'
import { hostGuard } from './host-guard.ts'
import { HttpMetrics } from './metrics.ts'
import { noSuchRoute } from './not-found.ts'
import { invalidRequest, missingBody, respondWithProblem } from './problem.ts'
import { requestLog } from './request-log.ts'
import { checkPath, rawPath } from './request-path.ts'
import { IMPORT_PATH, agentFileRoutes } from './routes/agent-files.ts'
import { agentInstanceRoutes } from './routes/agent-instances.ts'
import { agentRelationRoutes } from './routes/agent-relations.ts'
import { agentRoutes } from './routes/agents.ts'
import { breakerRoutes } from './routes/breakers.ts'
import { cacheRoutes } from './routes/cache.ts'
import { checkpointHistoryRoutes } from './routes/checkpoint-history.ts'
import { checkpointRoutes } from './routes/checkpoints.ts'
import { collaborationRoutes } from './routes/collaboration.ts'
import { compressionRoutes } from './routes/compression.ts'
import { SESSION_IMPORT_PATH, conversationRecordRoutes } from './routes/conversation-records.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { debateRoutes } from './routes/debates.ts'
import { documentRoutes } from './routes/documents.ts'
import { recallRoutes } from './routes/recall.ts'
import { eventRoutes } from './routes/events.ts'
import { memoryRoutes } from './routes/memory.ts'
import { memoryUpkeepRoutes } from './routes/memory-upkeep.ts'
import { modelRoutes } from './routes/models.ts'
import { messageRoutes } from './routes/messages.ts'
import { healthRoutes } from './routes/health.ts'
import { historyRoutes } from './routes/histories.ts'
import { homeRoutes } from './routes/home.ts'
import { knowledgeRoutes } from './routes/knowledge.ts'
import { lineageRoutes } from './routes/lineages.ts'
import { personalityRoutes } from './routes/personality.ts'
import { poolRoutes } from './routes/pools.ts'
import { lifecycleRoutes } from './routes/lifecycle.ts'
import { sagaRoutes } from './routes/sagas.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { stateEventRoutes } from './routes/state-events.ts'
import { statePolicyRoutes } from './routes/state-policies.ts'
import { stateRoutes } from './routes/state.ts'
import { pullWorkerRoutes } from './routes/pull-workers.ts'
import { taskRoutes } from './routes/tasks.ts'
import { MCP_PATHS, mcpRoutes } from '../mcp/mcp-routes.ts'
import { securityHeaders } from './security-headers.ts'
import { tenantOf } from './tenant.ts'

export interface AppOptions {
  /** A pino logger or anything of its shape; one line a request. @default silent */
  readonly logger?: Logger
  /** The address the app is reached at. On a loopback address only its names are accepted in the Host header. @default '127.0.0.1' */
  readonly host?: string
  /** More names that the Host header may have, with or without a port. @default [] */
  readonly allowedHosts?: readonly string[]
  /** Largest request body. @default 2097152 (2 MiB) */
  readonly maxBodyBytes?: number
  /** Silence after which a live stream sends a comment. @default 15000 */
  readonly keepAliveMs?: number
  /** Aborted when the server begins to stop: `/ready` says so and live streams end. */
  readonly closing?: AbortSignal
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * Cairn's HTTP API as a web-standard app: `app.fetch(request)` answers a Request. It holds no global state and leaves
 * the Cairn open. Everything it refuses is an RFC 9457 problem document with one of the codes in docs/errors.md.
 */
export function createApp(cairn: Cairn, options: AppOptions = {}): App {
  const { logger = SILENT, host = '127.0.0.1', allowedHosts = [], maxBodyBytes = 2 * 1024 * 1024, keepAliveMs = 15_000, closing = new AbortController().signal } = options
  const metrics = new HttpMetrics(cairn)
  const app: App = new OpenAPIHono<AppEnv>({
    getPath: rawPath,
    defaultHook: (result, c) => {
      // Without a Content-Type there is no body, and the schema was asked about {}: a value, or changes, that nobody sent.
      if (result.target === 'json' && c.req.header('content-type') === undefined) throw missingBody()
      if (!result.success) throw invalidRequest(PARTS[result.target] ?? result.target, result.error)
    },
  })
  app.onError((error, c) => respondWithProblem(c, error, logger))
  app.notFound((c) => respondWithProblem(c, noSuchRoute(app, c), logger))

  app.use(endBodyOfHead, requestLog(logger), metrics.middleware, securityHeaders, hostGuard(host, allowedHosts), checkPath)
  app.use('/v1/*', tenantOf(cairn), bodyLimit(maxBodyBytes, [IMPORT_PATH, SESSION_IMPORT_PATH]))

  for (const path of Object.values(MCP_PATHS)) app.use(path, tenantOf(cairn), bodyLimit(maxBodyBytes))

  agentRoutes(app)
  agentRelationRoutes(app)
  agentInstanceRoutes(app)
  stateRoutes(app)
  statePolicyRoutes(app)
  stateEventRoutes(app, { closing, keepAliveMs })
  checkpointRoutes(app)
  lifecycleRoutes(app)
  cacheRoutes(app)
  checkpointHistoryRoutes(app)
  agentFileRoutes(app)
  conversationRoutes(app)
  conversationRecordRoutes(app)
  compressionRoutes(app)
  historyRoutes(app)
  lineageRoutes(app)
  poolRoutes(app)
  breakerRoutes(app)
  documentRoutes(app)
  knowledgeRoutes(app)
  recallRoutes(app)
  taskRoutes(app)
  pullWorkerRoutes(app, { closing })
  sagaRoutes(app)
  scheduleRoutes(app)
  debateRoutes(app)
  modelRoutes(app)
  eventRoutes(app, { closing, keepAliveMs })
  messageRoutes(app, { closing, keepAliveMs })
  memoryRoutes(app)
  memoryUpkeepRoutes(app)
  personalityRoutes(app)
  collaborationRoutes(app)
  mcpRoutes(app, { cairn, logger, closing, maxBodyBytes })
  healthRoutes(app, { cairn, metrics, closing })
  homeRoutes(app, { cairn, document: apiDocument(app) })
  return app
}

const PARTS: Readonly<Record<string, string>> = { json: 'body', param: 'path', query: 'query', header: 'header' }
