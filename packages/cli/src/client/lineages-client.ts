import { type Cairn, type LineageHeader, type LineageHeaderListOptions, type LineagePruneResult, type LineageThread, type LineageThreadListOptions, type Page, replayedChannels } from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

export interface PruneLineages {
  readonly threads: readonly string[]
  readonly keepLast?: number
  /** ISO 8601. */
  readonly olderThan?: string
}

/** What the commands ask of lineages, in one namespace. */
export interface LineagesClient {
  threads(namespace: string, options: LineageThreadListOptions): Promise<Json<Page<LineageThread>>>
  checkpoints(namespace: string, options: LineageHeaderListOptions): Promise<Json<Page<LineageHeader>>>
  prune(namespace: string, options: PruneLineages): Promise<LineagePruneResult>
  copy(namespace: string, from: string, to: string): Promise<{ thread: string }>
  delete(namespace: string, thread: string): Promise<{ deleted: boolean }>
}

export function localLineages({ lineages }: Cairn): LineagesClient {
  return {
    threads: async (namespace, options) => json(await lineages.space({ namespace }).threads(options)),
    checkpoints: async (namespace, options) => json(await lineages.space({ namespace }).checkpoints(options)),
    prune: (namespace, { olderThan, ...options }) => lineages.space({ namespace }).prune({ ...options, ...(olderThan === undefined ? {} : { olderThan: new Date(olderThan) }), replayed: replayedChannels }),
    async copy(namespace, from, to) {
      await lineages.space({ namespace }).copyThread(from, to)
      return { thread: to }
    },
    delete: async (namespace, thread) => ({ deleted: await lineages.space({ namespace }).deleteThread(thread) }),
  }
}

export function httpLineages(http: Http): LineagesClient {
  const base = (thread: string): string => `/v1/lineages/${encodeURIComponent(thread)}`
  return {
    threads: (namespace, options) => http.get('/v1/lineages', { ...options, namespace }),
    checkpoints: (namespace, { thread, ...options }) => http.get(`${base(thread)}/checkpoints`, { ...options, namespace }),
    prune: (namespace, options) => http.post('/v1/lineages/prune', { ...options, namespace }),
    copy: (namespace, from, to) => http.post(`${base(from)}/copy`, { namespace, to }),
    delete: (namespace, thread) => http.delete(base(thread), { namespace }),
  }
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
