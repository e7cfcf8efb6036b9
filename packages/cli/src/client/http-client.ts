import { type CairnEvent, isCairnError } from '@cairn/core'
import { httpTarget } from '../import/http-target.ts'
import type { CairnClient, WriteOptions, Json } from './cairn-client.ts'
import { httpDebates } from './debates-client.ts'
import { httpCompression } from './compression-client.ts'
import { httpConversationRecords } from './conversation-records-client.ts'
import { httpDocuments } from './documents-client.ts'
import { httpCollaboration, httpPersonality } from './people-client.ts'
import { httpRecall } from './recall-client.ts'
import { Http, type Query } from './http.ts'
import { httpKnowledge } from './knowledge-client.ts'
import { httpLineages } from './lineages-client.ts'
import { httpMemory } from './memory-client.ts'
import { httpModels } from './models-client.ts'

/** Works through a running server, for its own tenant unless one is named. */
export function httpClient(base: string, tenant: string | undefined): CairnClient {
  const http = new Http(base, tenant)
  return {
    agents: {
      list: (filter) => http.get('/v1/agents', { ...filter } as Query),
      get: (agent) => http.get(agentPath(agent)),
      register: (input) => http.post('/v1/agents', input),
      retire: (agent, reason) => http.post(`${agentPath(agent)}/retire`, reason === undefined ? {} : { reason }),
      export: (agent) => http.download(`${agentPath(agent)}/export`),
      import: (source, { as, overwrite }) => http.upload('/v1/agent-imports', { as, overwrite }, source()),
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
    policies: {
      list: (options) => http.get('/v1/state-policies', { ...options }),
      set: (input) => http.put('/v1/state-policies', input),
      remove: async (id) => (await http.delete<{ deleted: boolean }>(`/v1/state-policies/${encodeURIComponent(id)}`)).deleted,
    },
    checkpoints: {
      list: (agent, options) => http.get(`${agentPath(agent)}/checkpoints`, { ...options }),
      create: (agent, options) => http.post(`${agentPath(agent)}/checkpoints`, options),
      get: (id) => http.get(checkpointPath(id)),
      restore: (id, options) => http.post(`${checkpointPath(id)}/restore`, options),
      fork: (id, options) => http.post(`${checkpointPath(id)}/fork`, options),
      stateAt: (agent, point) => http.get(`${agentPath(agent)}/state-at`, { ...point }),
      diff: (id, to) => http.get(`${checkpointPath(id)}/diff`, { to }),
      tag: (id, tag, options) => http.put(`${checkpointPath(id)}/tags/${encodeURIComponent(tag)}`, options),
      untag: (id, tag) => http.delete(`${checkpointPath(id)}/tags/${encodeURIComponent(tag)}`),
      prune: (agent, policy, dryRun) => http.post(`${agentPath(agent)}/checkpoints/prune`, { policy, dryRun }),
      runPolicies: (dryRun) => http.post('/v1/checkpoint-policy/run', { dryRun }),
      policy: (agent) => http.get('/v1/checkpoint-policy', { agent }),
      setPolicy: (policy, agent) => http.put('/v1/checkpoint-policy', policy, { agent }),
      removePolicy: (agent) => http.delete('/v1/checkpoint-policy', { agent }),
    },
    lifecycle: {
      get: (agent) => http.get(`${agentPath(agent)}/lifecycle`),
      hydrate: (agent) => http.post(`${agentPath(agent)}/hydrate`),
      flush: (agent) => http.post(`${agentPath(agent)}/flush`),
      repair: (agent) => http.post(`${agentPath(agent)}/repair`),
    },
    cache: {
      stats: () => http.get('/v1/cache/stats'),
      invalidate: (what) => http.post('/v1/cache/invalidate', what),
    },
    conversations: {
      sessions: ({ participant, ...options }) => http.get('/v1/chat-sessions', { ...options, participant: participant && `${participant.kind}:${participant.id}` }),
      session: (idOrKey) => http.get(`/v1/chat-sessions/${encodeURIComponent(idOrKey)}`),
      threads: ({ sessionId, ...options }) => http.get(sessionId === undefined ? '/v1/threads' : `/v1/chat-sessions/${encodeURIComponent(sessionId)}/threads`, options),
      messages: ({ sessionId, threadId, ...options }) => http.get(sessionId === undefined ? `/v1/threads/${encodeURIComponent(threadId ?? '')}/messages` : `/v1/chat-sessions/${encodeURIComponent(sessionId)}/messages`, options),
    },
    histories: {
      list: (options) => http.get('/v1/histories', { ...options }),
      get: ({ key, namespace }) => http.get(historyPath(key), { namespace }),
      items: ({ key, namespace }, options) => http.get(`${historyPath(key)}/items`, { ...options, namespace }),
      clear: ({ key, namespace }) => http.post(`${historyPath(key)}/clear?${new URLSearchParams({ namespace }).toString()}`),
    },
    pools: { status: () => http.get('/v1/pools') },
    breakers: {
      list: (options) => http.get('/v1/breakers', { ...options }),
      get: (service) => http.get(breakerPath(service)),
      events: (options) => http.get('/v1/breaker-events', { ...options }),
      move: (service, to, reason) => http.post(`${breakerPath(service)}/${to}`, reason === undefined ? {} : { reason }),
    },
    compression: httpCompression(http),
    conversationRecords: httpConversationRecords(http),
    documents: httpDocuments(http),
    recall: httpRecall(http),
    memory: httpMemory(http),
    personality: httpPersonality(http),
    collaboration: httpCollaboration(http),
    knowledge: httpKnowledge(http),
    lineages: httpLineages(http),
    debates: httpDebates(http),
    models: httpModels(http),
    tasks: {
      list: (filter) => http.get('/v1/tasks', { ...filter }),
      get: (task) => http.get(taskPath(task)),
      executions: (task) => http.get(`${taskPath(task)}/executions`),
      enqueue: (task) => http.post('/v1/tasks', task),
      retry: (task) => http.post(`${taskPath(task)}/retry`),
      cancel: (task, options) => http.post(`${taskPath(task)}/cancel`, options),
      deadLetters: (filter) => http.get('/v1/task-dead-letters', { ...filter }),
      redrive: async (which) => (await http.post<{ items: string[] }>('/v1/task-dead-letters/redrive', which)).items,
    },
    sagas: {
      list: (options) => http.get('/v1/sagas', { ...options }),
      get: (id) => http.get(sagaPath(id)),
      retry: (id) => http.post(`${sagaPath(id)}/retry`),
      skip: (id) => http.post(`${sagaPath(id)}/skip`),
      resolve: (id, how) => http.post(`${sagaPath(id)}/resolve`, how),
    },
    schedules: {
      list: (filter) => http.get('/v1/schedules', { ...filter }),
      add: (schedule) => http.post('/v1/schedules', schedule),
      set: ({ key, ...settings }) => http.put(schedulePath(key), settings),
      pause: (schedule) => http.post(`${schedulePath(schedule)}/pause`),
      resume: (schedule) => http.post(`${schedulePath(schedule)}/resume`),
      trigger: (schedule, options) => http.post(`${schedulePath(schedule)}/trigger`, options),
      remove: (schedule) => http.delete(schedulePath(schedule)),
      next: (schedule, count) => http.get(`${schedulePath(schedule)}/next`, { count }),
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
const historyPath = (key: string): string => `/v1/histories/${encodeURIComponent(key)}`
const breakerPath = (service: string): string => `/v1/breakers/${encodeURIComponent(service)}`
const taskPath = (task: string): string => `/v1/tasks/${encodeURIComponent(task)}`
const schedulePath = (schedule: string): string => `/v1/schedules/${encodeURIComponent(schedule)}`
const checkpointPath = (id: string): string => `/v1/checkpoints/${encodeURIComponent(id)}`
const sagaPath = (id: string): string => `/v1/sagas/${encodeURIComponent(id)}`

function conditionOf({ ifRevision }: WriteOptions): Record<string, string> {
  if (ifRevision === undefined) return {}
  return ifRevision === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${ifRevision}"` }
}
