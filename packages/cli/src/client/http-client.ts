import { isCairnError } from '@cairn/core'
import { httpTarget } from '../import/http-target.ts'
import type { CairnClient, WriteOptions } from './cairn-client.ts'
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
    messages: {
      send: (input) => http.post('/v1/agent-messages', input),
      receive: async (agent, options) => (await http.post<{ messages: Awaited<ReturnType<CairnClient['messages']['receive']>> }>(`${agentPath(agent)}/inbox`, options)).messages,
      settle: async (settlement) => void (await http.post('/v1/inbox-settlements', settlement)),
      list: ({ between, ...options }) => http.get('/v1/agent-messages', { ...options, between: between?.join(',') }),
      get: (id) => http.get(`/v1/agent-messages/${encodeURIComponent(id)}`),
      deadLetters: (options) => http.get('/v1/message-dead-letters', { ...options }),
      redrive: async (ids) => (await http.post<{ messages: { id: string; messageId: string }[] }>('/v1/message-dead-letters/redrive', { ids })).messages,
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
