import type { Cairn } from '@cairn/core'
import { localTarget } from '../import/local-target.ts'
import type { CairnClient, Json } from './cairn-client.ts'

/** Works on an open Cairn, and closes it in the end. */
export function localClient(cairn: Cairn, place: string): CairnClient {
  const { agents, state, checkpoints, conversations, messages } = cairn
  return {
    agents: {
      list: async (filter) => json(await agents.list(filter)),
      get: async (agent) => json(await agents.get(agent)),
      register: async (input) => json(await agents.register(input)),
      retire: async (agent, reason) => json(await agents.retire(agent, reason)),
    },
    state: {
      list: async (agent, options) => json(await state.list(agent, options)),
      async get(agent, key) {
        const entry = await state.get(agent, key)
        return entry === undefined ? undefined : json(entry)
      },
      set: (agent, key, value, options) => state.set(agent, key, value, options),
      delete: (agent, key, options) => state.delete(agent, key, options),
    },
    checkpoints: {
      list: async (agent, options) => json(await checkpoints.list(agent, options)),
      create: async (agent, options) => json(await checkpoints.create(agent, options)),
      get: async (id) => json(await checkpoints.get(id)),
      restore: async (id) => json(await checkpoints.restore(id)),
      fork: async (id, options) => json(await checkpoints.fork(id, options)),
    },
    conversations: {
      sessions: async (options) => json(await conversations.listSessions(options)),
      session: async (idOrKey) => json(await conversations.getSession(idOrKey)),
      threads: async (options) => json(await conversations.listThreads(options)),
      messages: async (options) => json(await conversations.messages(options)),
    },
    messages: {
      send: async (input) => json(await messages.send(input)),
      receive: async (agent, options) => json(await messages.receive(agent, options)),
      settle: (settlement) => messages.settle(settlement),
      list: async (options) => json(await messages.list(options)),
      get: async (id) => json(await messages.get(id)),
      deadLetters: async (options) => json(await messages.deadLetters.list(options)),
      redrive: (ids) => messages.deadLetters.redrive(ids),
    },
    importTarget: localTarget(cairn),
    place,
    close: () => cairn.close(),
  }
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
