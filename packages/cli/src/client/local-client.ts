import { type Cairn, CairnError, type PointInTime } from '@cairn/core'
import { localTarget } from '../import/local-target.ts'
import type { CairnClient, Json, PointJson } from './cairn-client.ts'

/** Works on an open Cairn, and closes it in the end. */
export function localClient(cairn: Cairn, place: string): CairnClient {
  const { agents, agentFiles, state, checkpoints, conversations } = cairn
  return {
    agents: {
      list: async (filter) => json(await agents.list(filter)),
      get: async (agent) => json(await agents.get(agent)),
      register: async (input) => json(await agents.register(input)),
      retire: async (agent, reason) => json(await agents.retire(agent, reason)),
      export: (agent) => agentFiles.export(agent),
      import: (source, options) => agentFiles.import(source, options),
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
      restore: async (id, options) => json(await checkpoints.restore(id, options)),
      fork: async (id, options) => json(await checkpoints.fork(id, options)),
      stateAt: async (agent, point) => json(await checkpoints.stateAt(agent, pointOf(point))),
      diff: async (id, to) => json(await checkpoints.diff(id, to)),
      tag: async (id, tag, options) => json(await checkpoints.tag(id, tag, options)),
      untag: async (id, tag) => ({ deleted: await checkpoints.untag(id, tag) }),
      prune: async (agent, policy, dryRun) => json(await checkpoints.prune(agent, policy, { dryRun })),
      runPolicies: async (dryRun) => ({ results: json(await checkpoints.policies.run({ dryRun })) }),
      policy: async (agent) => ({ policy: (await checkpoints.policies.get(agent)) ?? null }),
      async setPolicy(policy, agent) {
        await checkpoints.policies.set(policy, agent)
        return { policy }
      },
      removePolicy: async (agent) => ({ deleted: await checkpoints.policies.remove(agent) }),
    },
    conversations: {
      sessions: async (options) => json(await conversations.listSessions(options)),
      session: async (idOrKey) => json(await conversations.getSession(idOrKey)),
      threads: async (options) => json(await conversations.listThreads(options)),
      messages: async (options) => json(await conversations.messages(options)),
    },
    importTarget: localTarget(cairn),
    place,
    close: () => cairn.close(),
  }
}

function pointOf({ time, kvRevision, checkpoint, tag }: PointJson): PointInTime {
  if (time !== undefined) return new Date(time)
  if (kvRevision !== undefined) return { kvRevision }
  if (checkpoint !== undefined) return { checkpointId: checkpoint }
  if (tag !== undefined) return { tag }
  throw new CairnError('INVALID_ARGUMENT', 'Give one of time, kvRevision, checkpoint and tag.', { details: { field: 'time' } })
}

function json<T>(value: T): Json<T> {
  return JSON.parse(JSON.stringify(value)) as Json<T>
}
