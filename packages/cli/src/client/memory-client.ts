import type {
  Cairn, Memory, MemoryBlock, MemoryBlockListOptions, MemoryBlockRef, MemoryListOptions, NewMemory, Page, PageOptions, Remembered, RememberOptions, RetainOptions, RetentionDecision,
  RetentionReport, SetMemoryBlock,
} from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http, Query } from './http.ts'

/** What the commands ask of memory. */
export interface MemoryClient {
  list(options: MemoryListOptions): Promise<Json<Page<Memory>>>
  get(memory: string): Promise<Json<Memory>>
  remember(memory: NewMemory, options: Pick<RememberOptions, 'conflicts'>): Promise<Json<Remembered>>
  forget(memory: string): Promise<{ deleted: boolean }>
  forgetUser(user: string): Promise<{ memories: number; blocks: number }>
  retain(options: RetainOptions): Promise<Json<RetentionReport>>
  decisions(report: string, options: PageOptions): Promise<Json<Page<RetentionDecision>>>
  preview(options: PageOptions): Promise<Json<Page<RetentionDecision>>>
  blocks(options: MemoryBlockListOptions): Promise<Json<Page<MemoryBlock>>>
  block(ref: MemoryBlockRef): Promise<Json<MemoryBlock>>
  setBlock(ref: MemoryBlockRef, block: SetMemoryBlock): Promise<Json<MemoryBlock>>
  appendToBlock(ref: MemoryBlockRef, content: string): Promise<Json<MemoryBlock>>
  removeBlock(ref: MemoryBlockRef): Promise<{ deleted: boolean }>
}

export function localMemory({ memory }: Cairn): MemoryClient {
  return {
    list: async (options) => json(await memory.list(options)),
    get: async (id) => json(await memory.get(id)),
    remember: async (input, options) => json(await memory.remember(input, options)),
    forget: async (id) => ({ deleted: await memory.forget(id) }),
    forgetUser: (user) => memory.forgetUser(user),
    retain: async (options) => json(await memory.retain(options)),
    decisions: async (report, options) => json(await memory.retention.decisions(report, options)),
    preview: async (options) => json(await memory.retention.preview(options)),
    blocks: async (options) => json(await memory.blocks.list(options)),
    block: async (ref) => json(await memory.blocks.get(ref)),
    setBlock: async (ref, block) => json(await memory.blocks.set(ref, block)),
    appendToBlock: async (ref, content) => json(await memory.blocks.append(ref, content)),
    removeBlock: async (ref) => ({ deleted: await memory.blocks.remove(ref) }),
  }
}

export function httpMemory(http: Http): MemoryClient {
  const path = (memory: string): string => `/v1/memory/${encodeURIComponent(memory)}`
  return {
    list: (options) => http.get('/v1/memory', { ...options } as Query),
    get: (id) => http.get(path(id)),
    remember: (input, options) => http.post('/v1/memory', { ...input, ...options }),
    forget: (id) => http.delete(path(id)),
    forgetUser: (user) => http.post(`/v1/memory-users/${encodeURIComponent(user)}/forget`),
    retain: (options) => http.post('/v1/memory-retention', options),
    decisions: (report, options) => http.get(`/v1/memory-retention/${encodeURIComponent(report)}/decisions`, { ...options }),
    preview: (options) => http.get('/v1/memory-retention-preview', { ...options }),
    blocks: (options) => http.get('/v1/memory-blocks', { ...options }),
    block: (ref) => http.get(blockPath(ref)),
    setBlock: (ref, { ifVersion, ...block }) => http.put(blockPath(ref), block, undefined, ifVersion === undefined ? {} : { 'if-match': `"${ifVersion}"` }),
    appendToBlock: (ref, content) => http.post(blockPath(ref, '/append'), { content }),
    removeBlock: (ref) => http.delete(blockPath(ref)),
  }
}

function blockPath({ label, ...owner }: MemoryBlockRef, action = ''): string {
  const query = new URLSearchParams({ ...owner }).toString()
  return `/v1/memory-blocks/${encodeURIComponent(label)}${action}${query === '' ? '' : `?${query}`}`
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
