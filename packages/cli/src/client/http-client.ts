import { type CairnEvent, isCairnError } from '@cairn/core'
import { httpTarget } from '../import/http-target.ts'
import type { CairnClient, Json, WriteOptions } from './cairn-client.ts'
import { Http, type Query } from './http.ts'

/** Works through a running server, for its own tenant unless one is named. */
export function httpClient(base: string, tenant: string | undefined): CairnClient {
  const http = new Http(base, tenant)
  return {
    agents: {
      list: (filter) => http.get('/v1/agents', { ...filter } as Query),
      get: (agent) => http.get(agentPath(agent)),
      register: (input) => http.post('/v1/agents', input),
      retire: (agent, reason) => http.post(`${agentPath(agent)}/retire`, reason === undefined ? {} : { reason }),
    },
    state: {
      list: (agent, options) => http.get(`${agentPath(agent)}/state`, { ...options }),
      async get(agent, key) {
        try {
          return await http.get(statePath(agent, key))
        } catch (error) {
          if (isCairnError(error, 'NOT_FOUND')) return undefined
          throw error
        }
      },
      set: (agent, key, value, options) => http.put(statePath(agent, key), value, { ack: options.ack }, conditionOf(options)),
      delete: (agent, key, options) => http.delete(statePath(agent, key), { ack: options.ack }, options.ifRevision === undefined ? {} : { 'if-match': `"${options.ifRevision}"` }),
    },
    checkpoints: {
      list: (agent, options) => http.get(`${agentPath(agent)}/checkpoints`, { ...options }),
      create: (agent, options) => http.post(`${agentPath(agent)}/checkpoints`, options),
      get: (id) => http.get(checkpointPath(id)),
      restore: (id) => http.post(`${checkpointPath(id)}/restore`),
      fork: (id, options) => http.post(`${checkpointPath(id)}/fork`, options),
    },
    conversations: {
      sessions: ({ participant, ...options }) => http.get('/v1/chat-sessions', { ...options, participant: participant && `${participant.kind}:${participant.id}` }),
      session: (idOrKey) => http.get(`/v1/chat-sessions/${encodeURIComponent(idOrKey)}`),
      threads: ({ sessionId, ...options }) => http.get(sessionId === undefined ? '/v1/threads' : `/v1/chat-sessions/${encodeURIComponent(sessionId)}/threads`, options),
      messages: ({ sessionId, threadId, ...options }) => http.get(sessionId === undefined ? `/v1/threads/${encodeURIComponent(threadId ?? '')}/messages` : `/v1/chat-sessions/${encodeURIComponent(sessionId)}/messages`, options),
    },
    events: {
      publish: (event) => http.post('/v1/events', event),
      async *tail({ signal, ...options }) {
        for await (const { data } of http.events('/v1/event-stream', { ...options }, signal)) yield data as Json<CairnEvent>
      },
      status: () => http.get('/v1/streams'),
      deadLetters: (options) => http.get('/v1/event-dead-letters', { ...options }),
      redrive: (id) => http.post(`/v1/event-dead-letters/${encodeURIComponent(id)}/redrive`),
      discard: async (id) => (await http.delete<{ deleted: boolean }>(`/v1/event-dead-letters/${encodeURIComponent(id)}`)).deleted,
    },
    importTarget: httpTarget(http),
    place: http.base,
    close: () => Promise.resolve(),
  }
}

const agentPath = (agent: string): string => `/v1/agents/${encodeURIComponent(agent)}`
const statePath = (agent: string, key: string): string => `${agentPath(agent)}/state/${encodeURIComponent(key)}`
const checkpointPath = (id: string): string => `/v1/checkpoints/${encodeURIComponent(id)}`

function conditionOf({ ifRevision }: WriteOptions): Record<string, string> {
  if (ifRevision === undefined) return {}
  return ifRevision === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${ifRevision}"` }
}
