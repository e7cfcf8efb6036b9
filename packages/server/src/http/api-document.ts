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
        { name: 'operations', description: 'Health and numbers of the server.' },
      ],
    })
    return document
  }
}

/** Every operation of the document, in its order. */
export function operationsOf(document: ApiDocument): ApiOperation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { tags?: string[]; summary?: string }>).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      tag: operation.tags?.[0] ?? '',
      summary: operation.summary ?? '',
    })),
  )
}
