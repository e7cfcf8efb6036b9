import { ERROR_CODES } from '@cairn/core'
import type { App } from './app-env.ts'
import { VERSION } from './version.ts'

export interface ApiOperation {
  readonly method: string
  readonly path: string
  readonly tag: string
  readonly summary: string
}

export type ApiDocument = ReturnType<App['getOpenAPI31Document']>

/** The OpenAPI 3.1 document of all routes; made once, when it is first asked for. */
export function apiDocument(app: App): () => ApiDocument {
  let document: ApiDocument | undefined
  return () => {
    document ??= app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Cairn',
        version: VERSION,
        license: { name: 'Apache-2.0' },
        description:
          'The durable state and memory of multi-agent systems. There is no authentication in this release: the server is meant for the loopback address. Lists return `{ items, nextCursor }`; errors are RFC 9457 problem documents with a stable code.',
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'agents', description: 'What agents are, how they are and how they are found.' },
        { name: 'instances', description: 'The processes that agents run as.' },
        { name: 'state', description: 'The keyed, versioned state of agents.' },
        { name: 'checkpoints', description: 'Points to come back to.' },
        { name: 'conversations', description: 'Chat sessions, threads and messages.' },
        { name: 'histories', description: 'The ordered items of sessions, such as those of the OpenAI Agents SDK.' },
        { name: 'messages', description: 'Messages between agents: channels, queues, inboxes.' },
        { name: 'operations', description: 'Health and numbers of the server.' },
      ],
    })
    for (const { path, method, operation } of walk(document)) complete(path, method, operation)
    return document
  }
}

interface Operation {
  operationId?: string
  readonly tags?: string[]
  readonly summary?: string
  readonly requestBody?: unknown
  readonly responses: Record<string, { description: string; content?: unknown }>
}

function walk(document: ApiDocument): { path: string; method: string; operation: Operation }[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>).map(([method, operation]) => ({ path, method, operation })),
  )
}

/** What follows from the route itself: its operation id, and what may be wrong with any request body. */
function complete(path: string, method: string, operation: Operation): void {
  operation.operationId = [method, ...(path.replace('/v1', '').match(/\w+/g) ?? ['root'])].map((word, index) => (index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('')
  const { responses } = operation
  if (operation.requestBody === undefined) return
  for (const code of ['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) {
    responses[ERROR_CODES[code].status] ??= { description: `${code}: ${ERROR_CODES[code].summary}`, content: responses['default']?.content }
  }
}

/** Every operation of the document, in its order. */
export function operationsOf(document: ApiDocument): ApiOperation[] {
  return walk(document).map(({ path, method, operation }) => ({ method: method.toUpperCase(), path, tag: operation.tags?.[0] ?? '', summary: operation.summary ?? '' }))
}
