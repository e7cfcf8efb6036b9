import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CairnError } from '@cairn/core'
import { createRoute, z } from '@hono/zod-openapi'
import type { App } from '../app-env.ts'
import { bodyChunks } from '../body-limit.ts'
import { exact } from '../exact.ts'
import { json, problems } from '../openapi.ts'
import { AgentParam, Count, Id, TenantHeaders } from '../schemas/common.ts'

/** Larger than other bodies: it is written to a file and never held in memory. */
export const IMPORT_PATH = '/v1/agent-imports'
const LARGEST_FILE = 4 * 1024 * 1024 * 1024
const LINES = 'application/x-ndjson'
const TAKEN: ReadonlySet<string> = new Set([LINES, 'application/octet-stream'])

const tags = ['agents']
const ImportQuery = z.strictObject({
  as: z.string().optional().openapi({ description: 'Key and name of the agent it becomes.' }),
  overwrite: z.enum(['true', 'false']).optional().openapi({ description: 'Replace the agent that exists. Default: false.' }),
})
const ImportResult = z
  .object({ agentId: Id, key: z.string(), created: z.boolean(), keys: Count, expired: Count, checkpoints: Count, missingDependencies: z.array(z.string()) })
  .openapi('AgentImportResult')

/** One agent as a file. */
export function agentFileRoutes(app: App): void {
  app.openapi(
    createRoute({
      method: 'get', path: '/v1/agents/{agent}/export', tags, summary: 'Export an agent with its state and checkpoints',
      request: { params: AgentParam, headers: TenantHeaders },
      responses: { 200: { description: 'The agent file, one JSON object a line.', content: { [LINES]: { schema: z.string() } } }, ...problems('AGENT_NOT_FOUND') },
    }),
    async (c) => {
      const { agent } = c.req.valid('param')
      const cairn = c.get('cairn')
      await cairn.agents.get(agent)
      const stream = Readable.toWeb(Readable.from(cairn.agentFiles.export(agent), { objectMode: false })) as ReadableStream<Uint8Array>
      // A file that breaks off has no last line, so that no import takes it.
      return new Response(stream, { headers: { 'content-type': LINES, 'content-disposition': 'attachment; filename="agent.cairn.json"' } })
    },
  )

  app.openapi(
    createRoute({
      method: 'post', path: IMPORT_PATH, tags, summary: 'Import an agent from a file',
      request: { headers: TenantHeaders, query: ImportQuery, body: { description: 'The agent file, uncompressed.', required: true, content: { [LINES]: { schema: z.string() } } } },
      responses: { 201: json(ImportResult, 'What was imported.'), ...problems('IMPORT_MALFORMED', 'DUPLICATE_KEY', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE') },
    }),
    async (c) => {
      const { as, overwrite } = exact(c.req.valid('query'))
      const type = (c.req.header('content-type') ?? '').split(';')[0] ?? ''
      if (!TAKEN.has(type)) throw new CairnError('UNSUPPORTED_MEDIA_TYPE', `Content-Type: send the agent file as ${LINES}.`, { details: { contentType: type } })
      const folder = await mkdtemp(join(tmpdir(), 'cairn-import-'))
      try {
        const path = join(folder, 'agent.cairn.json')
        await pipeline(limited(c.req.raw.body), createWriteStream(path))
        const result = await c.get('cairn').agentFiles.import(() => createReadStream(path), { ...(as === undefined ? {} : { as }), overwrite: overwrite === 'true' })
        return c.json(result, 201)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  )
}

async function* limited(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of bodyChunks(body)) {
    size += chunk.byteLength
    if (size > LARGEST_FILE) throw new CairnError('PAYLOAD_TOO_LARGE', `body: the file is larger than ${LARGEST_FILE} bytes.`, { details: { field: 'body', maxBytes: LARGEST_FILE } })
    yield chunk
  }
}
