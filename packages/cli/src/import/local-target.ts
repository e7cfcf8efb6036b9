import { type Cairn, isCairnError } from '@cairn/core'
import type { ImportTarget } from './import-target.ts'

/** Imports into an open Cairn. */
export function localTarget(cairn: Cairn): ImportTarget {
  const { agents, checkpoints, conversations, memory, state } = cairn
  return {
    async registerAgent(agent) {
      const found = await agents.find(agent.key)
      if (found !== undefined) return { id: found.id, created: false }
      return made(() => agents.register({ ...agent, status: 'active' }), () => agents.get(agent.key))
    },
    async createSession(session) {
      const found = await conversations.findSession(session.key)
      if (found !== null) return { id: found.id, created: false }
      return made(() => conversations.createSession(session), () => conversations.getSession(session.key))
    },
    async createThread(thread) {
      const found = await conversations.findThread(thread.key)
      if (found !== null) return { id: found.id, created: false, messageCount: found.messageCount }
      const { id, created } = await made(() => conversations.createThread(thread), () => conversations.getThread(thread.key))
      return { id, created, messageCount: 0 }
    },
    appendMany: (threadId, messages) => conversations.appendMany(threadId, messages),
    rememberMany: (memories) => memory.rememberMany(memories),
    async setStateMany(agentId, entries) {
      await state.setMany(agentId, Object.fromEntries(entries.map(({ key, value }) => [key, value])))
    },
    createCheckpoint: (agentId, checkpoint) => checkpoints.create(agentId, checkpoint),
    async findCheckpoint(agentId, name) {
      return (await checkpoints.list(agentId, { name, limit: 1 })).items[0] ?? null
    },
  }
}

/** What `make` made; when another import was first, what that one made. */
export async function made(make: () => Promise<{ id: string }>, find: () => Promise<{ id: string }>): Promise<{ id: string; created: boolean }> {
  try {
    return { id: (await make()).id, created: true }
  } catch (error) {
    if (!isCairnError(error, 'DUPLICATE_KEY')) throw error
    return { id: (await find()).id, created: false }
  }
}
