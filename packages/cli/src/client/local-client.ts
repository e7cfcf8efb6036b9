import { type Cairn, CairnError, type PointInTime } from '@cairn/core'
import { localTarget } from '../import/local-target.ts'
import type { CairnClient, Json, PointJson } from './cairn-client.ts'
import { localDebates } from './debates-client.ts'
import { localCompression } from './compression-client.ts'
import { localConversationRecords } from './conversation-records-client.ts'
import { localDocuments } from './documents-client.ts'
import { localRecall } from './recall-client.ts'
import { localMemory } from './memory-client.ts'
import { localCollaboration, localPersonality } from './people-client.ts'
import { localKnowledge } from './knowledge-client.ts'
import { localLineages } from './lineages-client.ts'
import { localModels } from './models-client.ts'

/** Works on an open Cairn, and closes it in the end. */
export function localClient(cairn: Cairn, place: string): CairnClient {
  const { agents, state, checkpoints, conversations, histories, resilience, lifecycle, cache, agentFiles, tasks, sagas, schedules, events, messages } = cairn
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
    policies: {
      list: async (options) => json(await state.policies.list(options)),
      set: async (input) => json(await state.policies.set(input)),
      remove: (id) => state.policies.remove(id),
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
    lifecycle: {
      get: async (agent) => json(await lifecycle.get(agent)),
      hydrate: (agent) => lifecycle.hydrate(agent),
      flush: (agent) => lifecycle.flush(agent),
      repair: async (agent) => json(await lifecycle.repair(agent)),
    },
    cache: {
      stats: () => Promise.resolve(cache.stats()),
      invalidate: (what) => cache.invalidate(what),
    },
    conversations: {
      sessions: async (options) => json(await conversations.listSessions(options)),
      session: async (idOrKey) => json(await conversations.getSession(idOrKey)),
      threads: async (options) => json(await conversations.listThreads(options)),
      messages: async (options) => json(await conversations.messages(options)),
    },
    histories: {
      list: async (options) => json(await histories.list(options)),
      get: async (history) => json(await histories.get(history)),
      items: async (history, options) => json(await histories.items(history, options)),
      clear: (history) => histories.clear(history),
    },
    pools: { status: async () => json(await cairn.pools.check()) },
    breakers: {
      list: async (options) => json(await resilience.breakers.list(options)),
      get: async (service) => json(await resilience.breakers.get(service)),
      events: async (options) => json(await resilience.breakers.events(options)),
      move: async (service, to, reason) => json(await resilience.breakers[MOVES[to]](service, reason)),
    },
    compression: localCompression(cairn),
    conversationRecords: localConversationRecords(cairn),
    documents: localDocuments(cairn),
    recall: localRecall(cairn),
    memory: localMemory(cairn),
    personality: localPersonality(cairn),
    collaboration: localCollaboration(cairn),
    knowledge: localKnowledge(cairn),
    lineages: localLineages(cairn),
    debates: localDebates(cairn),
    models: localModels(cairn),
    tasks: {
      list: async (filter) => json(await tasks.list(filter)),
      get: async (task) => json(await tasks.get(task)),
      executions: async (task) => json(await tasks.executions(task)),
      enqueue: async (task) => json(await tasks.enqueue(task)),
      retry: async (task) => json(await tasks.retry(task)),
      cancel: async (task, options) => json(await tasks.cancel(task, options)),
      deadLetters: async (filter) => json(await tasks.deadLetters.list(filter)),
      redrive: (which) => tasks.deadLetters.redrive(which),
    },
    sagas: {
      list: async (options) => json(await sagas.list(options)),
      get: async (id) => json(await sagas.get(id)),
      retry: async (id) => json(await sagas.retry(id)),
      skip: async (id) => json(await sagas.skip(id)),
      resolve: async (id, how) => json(await sagas.resolve(id, how)),
    },
    schedules: {
      list: async (filter) => json(await schedules.list(filter)),
      add: async (schedule) => json(await schedules.add(schedule)),
      set: async (schedule) => json(await schedules.set(schedule)),
      pause: async (schedule) => json(await schedules.pause(schedule)),
      resume: async (schedule) => json(await schedules.resume(schedule)),
      trigger: async (schedule, options) => json(await schedules.trigger(schedule, options)),
      remove: async (schedule) => ({ deleted: await schedules.remove(schedule) }),
      next: async (schedule, count) => ({ items: json(await schedules.next(schedule, count)) }),
    },
    events: {
      publish: ({ subject, payload, ...options }) => events.publish(subject, payload, options),
      async *tail(options) {
        for await (const { cursor: _, ...event } of events.tail(options)) yield json(event)
      },
      status: async () => json(await events.status()),
      deadLetters: async (options) => json(await events.deadLetters(options)),
      redrive: (id) => events.redrive(id),
      discard: (id) => events.discard(id),
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

const MOVES = { open: 'forceOpen', close: 'forceClose', reset: 'reset' } as const

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
