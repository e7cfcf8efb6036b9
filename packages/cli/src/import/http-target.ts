import { isCairnError } from '@cairn/core'
import { type Http } from '../client/http.ts'
import type { ImportTarget } from './import-target.ts'
import { made } from './local-target.ts'

interface Found {
  readonly id: string
  readonly messageCount: number
}

/** Imports through a running server. */
export function httpTarget(http: Http): ImportTarget {
  const agentPath = (agent: string): string => `/v1/agents/${encodeURIComponent(agent)}`
  const sessionPath = (session: string): string => `/v1/chat-sessions/${encodeURIComponent(session)}`
  const threadPath = (thread: string): string => `/v1/threads/${encodeURIComponent(thread)}`

  /** What GET answers, or null for 404. */
  async function find(path: string): Promise<Found | null> {
    try {
      return await http.get<Found>(path)
    } catch (error) {
      if (isCairnError(error, 'NOT_FOUND') || isCairnError(error, 'AGENT_NOT_FOUND')) return null
      throw error
    }
  }

  return {
    async registerAgent(agent) {
      const found = await find(agentPath(agent.key))
      if (found !== null) return { id: found.id, created: false }
      return made(() => http.post<Found>('/v1/agents', { ...agent, status: 'active' }), () => http.get<Found>(agentPath(agent.key)))
    },
    async createSession(session) {
      const found = await find(sessionPath(session.key))
      if (found !== null) return { id: found.id, created: false }
      return made(() => http.post<Found>('/v1/chat-sessions', session), () => http.get<Found>(sessionPath(session.key)))
    },
    async createThread({ sessionId, ...thread }) {
      const found = await find(threadPath(thread.key))
      if (found !== null) return { id: found.id, created: false, messageCount: found.messageCount }
      const { id, created } = await made(() => http.post<Found>(`${sessionPath(sessionId)}/threads`, thread), () => http.get<Found>(threadPath(thread.key)))
      return { id, created, messageCount: 0 }
    },
    async appendMany(threadId, messages) {
      const { items } = await http.post<{ items: { seq: number }[] }>(`${threadPath(threadId)}/messages/batch`, { messages })
      return items
    },
    async rememberMany(memories) {
      return (await http.post<{ items: { isNew: boolean }[] }>('/v1/memory-batches', { memories })).items
    },
    async setStateMany(agentId, entries) {
      await http.post(`${agentPath(agentId)}/state-batch`, { set: Object.fromEntries(entries.map(({ key, value }) => [key, value])) })
    },
    createCheckpoint: (agentId, checkpoint) => http.post<Found>(`${agentPath(agentId)}/checkpoints`, checkpoint),
    async findCheckpoint(agentId, name) {
      const { items } = await http.get<{ items: Found[] }>(`${agentPath(agentId)}/checkpoints`, { name, limit: 1 })
      return items[0] ?? null
    },
  }
}
