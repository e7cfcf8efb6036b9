import type { ImportMemory, ImportMessage, ImportStateEntry, ImportTarget } from './import-target.ts'
import type { LocomoConversation, LocomoSession, LocomoTurn } from './locomo-format.ts'

/** State key of a speaker: their newest turn, as { diaId, session, text, at }. */
export const LAST_TURN_KEY = 'conversation/last'
/** State key of a speaker: how many turns they have had. */
export const TURN_COUNT_KEY = 'conversation/turns'

/** Messages of one append: small enough for any server's limit on a request. */
const APPEND_BATCH = 100

export interface ImportProgress {
  /** Turns that are in, from this run or an earlier one. */
  readonly done: number
  readonly total: number
  readonly label: string
}

export interface ImportOptions {
  readonly target: ImportTarget
  /** Checked between any two writes; the import can be started again after it. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ImportProgress) => void
}

/** How many of each kind there are in the target after the import. */
export interface ImportCounts {
  readonly agents: number
  readonly threads: number
  readonly messages: number
  readonly checkpoints: number
  readonly memories: number
}

export interface ImportSummary extends ImportCounts {
  /** State keys set by this run. */
  readonly stateWrites: number
  /** Made by this run. */
  readonly created: ImportCounts
  /** Found in the target, from an earlier run. */
  readonly skipped: ImportCounts
  readonly ms: number
}

interface Speaker {
  readonly name: string
  readonly id: string
}

/**
 * Imports a conversation: its speakers as agents, itself as a chat session, each session as a thread, each turn as a
 * message and a memory. After each turn its speaker's state is set, after each session a checkpoint `session-<n>` of each agent is
 * made, which so holds the state as of that session's end.
 *
 * It may stop anywhere and be run again: everything is found by key, the state comes from the turn's place in the
 * file, and a session whose checkpoints exist is not written again. State ends as the last session left it.
 */
export async function importLocomo(conversation: LocomoConversation, options: ImportOptions): Promise<ImportSummary> {
  return new LocomoImport(conversation, options).run()
}

class LocomoImport {
  readonly #conversation: LocomoConversation
  readonly #target: ImportTarget
  readonly #options: ImportOptions
  readonly #created = { agents: 0, threads: 0, messages: 0, checkpoints: 0, memories: 0 }
  readonly #all = { agents: 0, threads: 0, messages: 0, checkpoints: 0, memories: 0 }
  /** What each speaker's state should be after the turns passed so far; by name. */
  readonly #expected = new Map<string, readonly ImportStateEntry[]>()
  readonly #turnCounts = new Map<string, number>()
  #stateWrites = 0
  /** The state in the target is what #expected says. Not so at the start and after sessions passed over. */
  #stateIsCurrent = false

  constructor(conversation: LocomoConversation, options: ImportOptions) {
    this.#conversation = conversation
    this.#target = options.target
    this.#options = options
  }

  async run(): Promise<ImportSummary> {
    const started = performance.now()
    const { name, sessions } = this.#conversation
    const total = sessions.reduce((sum, session) => sum + session.turns.length, 0)
    const report = (label: string): void => this.#options.onProgress?.({ done: this.#all.messages, total, label })
    report(name)
    const speakers = await this.#agents()
    const sessionId = await this.#chatSession(speakers)
    for (const session of sessions) {
      await this.#session(session, sessionId, speakers, () => report(`session ${session.number}`))
      report(`session ${session.number}`)
    }
    await this.#bringStateUp(speakers)
    const all = { ...this.#all }
    const skipped = {
      agents: all.agents - this.#created.agents,
      threads: all.threads - this.#created.threads,
      messages: all.messages - this.#created.messages,
      checkpoints: all.checkpoints - this.#created.checkpoints,
      memories: all.memories - this.#created.memories,
    }
    return { ...all, stateWrites: this.#stateWrites, created: { ...this.#created }, skipped, ms: Math.round(performance.now() - started) }
  }

  get #key(): string {
    return `locomo:${this.#conversation.name}`
  }

  async #agents(): Promise<Speaker[]> {
    const speakers: Speaker[] = []
    for (const name of this.#conversation.speakers) {
      const agent = await this.#step(() => this.#target.registerAgent({ key: `${this.#key}:${name}`, name: `${name} (locomo ${this.#conversation.name})`, type: 'specialist' }))
      this.#count('agents', 1, agent.created ? 1 : 0)
      speakers.push({ name, id: agent.id })
    }
    return speakers
  }

  async #chatSession(speakers: readonly Speaker[]): Promise<string> {
    const session = await this.#step(() =>
      this.#target.createSession({
        key: this.#key,
        type: 'group',
        title: this.#conversation.speakers.join(' and '),
        context: { source: 'locomo', name: this.#conversation.name },
        participants: speakers.map((speaker) => ({ kind: 'agent', id: speaker.id, role: 'speaker' })),
      }),
    )
    return session.id
  }

  async #session(session: LocomoSession, sessionId: string, speakers: readonly Speaker[], report: () => void): Promise<void> {
    const { turns, number, startedAt } = session
    const thread = await this.#step(() =>
      this.#target.createThread({ sessionId, key: `${this.#key}:session_${number}`, startedAt, metadata: { session: number } }),
    )
    this.#count('threads', 1, thread.created ? 1 : 0)
    // All turns are sent, also those stored already: so a file that was changed since is noticed (DUPLICATE_KEY).
    for (let first = 0; first < turns.length; first += APPEND_BATCH) {
      const batch = turns.slice(first, first + APPEND_BATCH).map((turn) => this.#message(turn, session, speakers))
      const stored = await this.#step(() => this.#target.appendMany(thread.id, batch))
      this.#created.messages += stored.filter((message) => message.seq > thread.messageCount).length
      const memories = turns.slice(first, first + APPEND_BATCH).map((turn, index) => this.#memory(turn, first + index, session, thread.id, speakers))
      const remembered = await this.#step(() => this.#target.rememberMany(memories))
      this.#count('memories', memories.length, remembered.filter(({ isNew }) => isNew).length)
    }

    const name = `session-${number}`
    const without: Speaker[] = []
    for (const speaker of speakers) {
      if ((await this.#step(() => this.#target.findCheckpoint(speaker.id, name))) === null) without.push(speaker)
    }
    const complete = without.length === 0
    if (complete) this.#stateIsCurrent = false
    else await this.#bringStateUp(speakers)
    for (const turn of turns) {
      const entries = this.#passTurn(turn, number)
      if (!complete) await this.#setState(speakerOf(turn, speakers), entries)
      this.#all.messages++
      if (!complete) report()
    }
    for (const speaker of without) {
      await this.#step(() => this.#target.createCheckpoint(speaker.id, { name, trigger: 'import' }))
      this.#created.checkpoints++
    }
    this.#all.checkpoints += speakers.length
  }

  #message(turn: LocomoTurn, session: LocomoSession, speakers: readonly Speaker[]): ImportMessage {
    return {
      key: `${this.#key}:${turn.diaId}`,
      author: { kind: 'agent', agentId: speakerOf(turn, speakers).id, label: turn.speaker },
      content: turn.text,
      metadata: {
        diaId: turn.diaId,
        session: session.number,
        ...(turn.imageCaption === null ? {} : { imageCaption: turn.imageCaption }),
        ...(turn.imageQuery === null ? {} : { imageQuery: turn.imageQuery }),
      },
      attachments: turn.imageUrls,
      sentAt: turn.at,
    }
  }

  /** A turn as it can be recalled: with what its image shows, next to the turns around it. */
  #memory(turn: LocomoTurn, position: number, session: LocomoSession, sessionId: string, speakers: readonly Speaker[]): ImportMemory {
    return {
      key: `${this.#key}:${turn.diaId}`,
      scope: 'session',
      agentId: speakerOf(turn, speakers).id,
      sessionId,
      position,
      speaker: turn.speaker,
      content: spoken(turn.text, turn.imageCaption, turn.imageQuery),
      occurredAt: turn.at,
      context: 'conversation',
      metadata: { diaId: turn.diaId, session: session.number },
    }
  }

  /** The state that the turn's speaker has after it. */
  #passTurn(turn: LocomoTurn, session: number): readonly ImportStateEntry[] {
    const count = (this.#turnCounts.get(turn.speaker) ?? 0) + 1
    this.#turnCounts.set(turn.speaker, count)
    const entries = [
      { key: LAST_TURN_KEY, value: { diaId: turn.diaId, session, text: turn.text, at: turn.at.toISOString() } },
      { key: TURN_COUNT_KEY, value: count },
    ]
    this.#expected.set(turn.speaker, entries)
    return entries
  }

  /** Sets what the sessions passed over would have left behind. */
  async #bringStateUp(speakers: readonly Speaker[]): Promise<void> {
    if (this.#stateIsCurrent) return
    for (const speaker of speakers) {
      const entries = this.#expected.get(speaker.name)
      if (entries !== undefined) await this.#setState(speaker, entries)
    }
    this.#stateIsCurrent = true
  }

  async #setState(speaker: Speaker, entries: readonly ImportStateEntry[]): Promise<void> {
    await this.#step(() => this.#target.setStateMany(speaker.id, entries))
    this.#stateWrites += entries.length
  }

  /** One call to the target, refused when the caller has asked to stop. */
  #step<T>(call: () => Promise<T>): Promise<T> {
    this.#options.signal?.throwIfAborted()
    return call()
  }

  #count(kind: keyof ImportCounts, seen: number, created: number): void {
    this.#all[kind] += seen
    this.#created[kind] += created
  }
}

/** What was said, and what a picture that was shown is of. A turn may be empty, a memory may not. */
export function spoken(text: string, imageCaption: string | null, imageQuery: string | null): string {
  const image = [imageCaption, imageQuery].filter((part) => part !== null && part.trim() !== '').join('; ')
  return [text, image === '' ? '' : `[${image}]`].filter((part) => part.trim() !== '').join(' ') || '…'
}

function speakerOf(turn: LocomoTurn, speakers: readonly Speaker[]): Speaker {
  return speakers.find((speaker) => speaker.name === turn.speaker) as Speaker
}
