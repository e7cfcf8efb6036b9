import type { Cairn, ChatSession, ConversationSummary, ExportSessionOptions, FoundMessage, ImportSessionOptions, Page, SearchMessagesOptions, SummarizeInput } from '@cairn/core'
import type { Json } from './cairn-client.ts'
import type { Http } from './http.ts'

/** What the commands ask of conversations besides lists. */
export interface ConversationRecordsClient {
  search(options: SearchMessagesOptions): Promise<Json<Page<FoundMessage>>>
  summarize(input: Omit<SummarizeInput, 'summarize'>): Promise<Json<ConversationSummary>>
  export(sessionId: string, options: ExportSessionOptions): AsyncIterable<string | Uint8Array>
  import(lines: AsyncIterable<Uint8Array>, options: ImportSessionOptions): Promise<Json<ChatSession>>
  delete(sessionId: string): Promise<{ deleted: boolean }>
}

export function localConversationRecords({ conversations }: Cairn): ConversationRecordsClient {
  const json = <T>(value: T): Json<T> => JSON.parse(JSON.stringify(value)) as Json<T>
  return {
    search: async (options) => json(await conversations.search(options)),
    summarize: async (input) => json(await conversations.summarize(input)),
    export: (sessionId, options) => conversations.exportSession(sessionId, options),
    import: async (lines, options) => json(await conversations.importSession(lines, options)),
    delete: async (sessionId) => ({ deleted: (await conversations.deleteSession(sessionId)).deleted }),
  }
}

export function httpConversationRecords(http: Http): ConversationRecordsClient {
  const of = (sessionId: string): string => `/v1/chat-sessions/${encodeURIComponent(sessionId)}`
  return {
    search: ({ sentAfter, sentBefore, ...options }) => http.get('/v1/message-search', { ...options, ...(sentAfter === undefined ? {} : { sentAfter: timeText(sentAfter) }), ...(sentBefore === undefined ? {} : { sentBefore: timeText(sentBefore) }) }),
    summarize: ({ sessionId, threadId, ...input }) => http.post(`${threadId === undefined ? of(sessionId ?? '') : `/v1/threads/${encodeURIComponent(threadId)}`}/summaries`, input),
    export: (sessionId, { format = 'jsonl', attachments = true }) => http.download(`${of(sessionId)}/export?${new URLSearchParams({ format, attachments: String(attachments) }).toString()}`),
    import: (lines, { key, ...options }) => http.upload('/v1/chat-session-imports', { ...options, key: key ?? undefined }, lines),
    delete: (sessionId) => http.delete(of(sessionId)),
  }
}

/** A text that is no time goes as it is: the server says what is wrong with it. */
function timeText(given: Date | string): string {
  const time = new Date(given)
  return Number.isNaN(time.getTime()) ? String(given) : time.toISOString()
}
