import type { ImportMemory, ImportMessage, ImportSession, ImportStateEntry, ImportTarget, ImportThread } from '../src/import/import-target.ts'

/**
 * A test double of ImportTarget: keeps everything in memory, as a Cairn would, and fails when `failAt` says so, before
 * or after the call took effect.
 */
export class RecordingImportTarget implements ImportTarget {
  readonly agents = new Map<string, { id: string; name: string; type: string }>()
  readonly sessions = new Map<string, ImportSession>()
  readonly threads = new Map<string, ImportThread & { messages: ImportMessage[] }>()
  readonly messages = new Map<string, ImportMessage & { seq: number }>()
  readonly memories = new Map<string, ImportMemory>()
  readonly state = new Map<string, Record<string, unknown>>()
  readonly checkpoints = new Map<string, { id: string; state: Record<string, unknown>; trigger: string }>()
  readonly log: string[] = []
  /** Called before and after each call; throw in it to break off the import there. */
  onCall: (moment: 'before' | 'after', count: number) => void = () => {}
  #calls = 0

  registerAgent(agent: { key: string; name: string; type: string }) {
    return this.#call(`agent ${agent.key}`, () => {
      const created = !this.agents.has(agent.key)
      if (created) this.agents.set(agent.key, { id: `id of ${agent.key}`, name: agent.name, type: agent.type })
      return { id: `id of ${agent.key}`, created }
    })
  }

  createSession(session: ImportSession) {
    return this.#call(`session ${session.key}`, () => {
      const created = !this.sessions.has(session.key)
      if (created) this.sessions.set(session.key, session)
      return { id: session.key, created }
    })
  }

  createThread(thread: ImportThread) {
    return this.#call(`thread ${thread.key}`, () => {
      const known = this.threads.get(thread.key)
      if (known === undefined) this.threads.set(thread.key, { ...thread, messages: [] })
      return { id: thread.key, created: known === undefined, messageCount: known?.messages.length ?? 0 }
    })
  }

  appendMany(threadId: string, messages: readonly ImportMessage[]) {
    return this.#call(`append ${threadId}`, () =>
      messages.map((message) => {
        const stored = this.messages.get(message.key)
        if (stored !== undefined) return stored
        const thread = this.threads.get(threadId)
        if (thread === undefined) throw new Error(`no thread ${threadId}`)
        const added = { ...message, seq: thread.messages.push(message) }
        this.messages.set(message.key, added)
        return added
      }),
    )
  }

  rememberMany(memories: readonly ImportMemory[]) {
    return this.#call('memories', () =>
      memories.map((memory) => {
        const isNew = !this.memories.has(memory.key)
        this.memories.set(memory.key, memory)
        return { isNew }
      }),
    )
  }

  setStateMany(agentId: string, entries: readonly ImportStateEntry[]) {
    return this.#call(`state ${agentId}`, () => {
      this.state.set(agentId, { ...this.state.get(agentId), ...Object.fromEntries(entries.map((entry) => [entry.key, structuredClone(entry.value)])) })
    })
  }

  createCheckpoint(agentId: string, checkpoint: { name: string; trigger: string }) {
    return this.#call(`checkpoint ${agentId} ${checkpoint.name}`, () => {
      const key = `${agentId} ${checkpoint.name}`
      if (this.checkpoints.has(key)) throw new Error(`checkpoint ${key} made twice`)
      this.checkpoints.set(key, { id: key, state: { ...this.state.get(agentId) }, trigger: checkpoint.trigger })
      return { id: key }
    })
  }

  findCheckpoint(agentId: string, name: string) {
    return this.#call(`find ${agentId} ${name}`, () => this.checkpoints.get(`${agentId} ${name}`) ?? null)
  }

  /** Everything stored, for comparing two targets. */
  contents(): unknown {
    const { agents, sessions, threads, messages, memories, state, checkpoints } = this
    return structuredClone({ agents, sessions, threads, messages, memories, state, checkpoints })
  }

  async #call<T>(what: string, run: () => T): Promise<T> {
    this.#calls++
    this.onCall('before', this.#calls)
    this.log.push(what)
    const result = run()
    this.onCall('after', this.#calls)
    return result
  }
}
