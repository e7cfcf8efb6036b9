/** What an import writes to: an open Cairn or a server. Every method may be called again with the same input. */
export interface ImportTarget {
  /** The agent with this key, registered if there is none. */
  registerAgent(agent: { readonly key: string; readonly name: string; readonly type: string }): Promise<{ readonly id: string; readonly created: boolean }>
  /** The chat session with this key, opened if there is none. */
  createSession(session: ImportSession): Promise<{ readonly id: string; readonly created: boolean }>
  /** The thread with this key, opened if there is none, and how many messages it held before. */
  createThread(thread: ImportThread): Promise<{ readonly id: string; readonly created: boolean; readonly messageCount: number }>
  /** Appends in order and returns all of them as stored; those whose key is stored already stay as they are. */
  appendMany(threadId: string, messages: readonly ImportMessage[]): Promise<readonly { readonly seq: number }[]>
  /** Remembers each once, by its key; in their order, whether it is new. */
  rememberMany(memories: readonly ImportMemory[]): Promise<readonly { readonly isNew: boolean }[]>
  /** Sets these keys of one agent and resolves when they are acknowledged. */
  setStateMany(agentId: string, entries: readonly ImportStateEntry[]): Promise<void>
  /** Keeps all state of the agent as it is now, under this name. */
  createCheckpoint(agentId: string, checkpoint: { readonly name: string; readonly trigger: string }): Promise<{ readonly id: string }>
  /** The agent's checkpoint of this name, or null. */
  findCheckpoint(agentId: string, name: string): Promise<{ readonly id: string } | null>
}

export interface ImportSession {
  readonly key: string
  readonly type: 'individual' | 'group' | 'support'
  readonly title: string
  readonly context: Readonly<Record<string, unknown>>
  readonly participants: readonly { readonly kind: 'agent'; readonly id: string; readonly role: string }[]
}

export interface ImportThread {
  readonly sessionId: string
  readonly key: string
  readonly startedAt: Date
  readonly metadata: Readonly<Record<string, unknown>>
}

/** A subset of what `conversations.appendMany` takes. */
export interface ImportMessage {
  readonly key: string
  readonly author: { readonly kind: 'agent'; readonly agentId: string; readonly label: string }
  readonly content: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly attachments: readonly string[]
  readonly sentAt: Date
}

/** A subset of what `memory.rememberMany` takes. */
export interface ImportMemory {
  readonly key: string
  readonly scope: 'session'
  readonly agentId: string
  readonly sessionId: string
  readonly position: number
  readonly speaker: string
  readonly content: string
  readonly occurredAt: Date
  readonly context: string
  readonly metadata: Readonly<Record<string, unknown>>
}

export interface ImportStateEntry {
  readonly key: string
  readonly value: unknown
}
