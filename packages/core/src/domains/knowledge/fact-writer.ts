import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from '../../ids/index.ts'
import { contentHash } from '../../embedding/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CLOCK, CLOCK_AND_FUNCTIONAL, END_ROWS, ENRICH_ROWS, INSERT_ROWS, LOAD_ROWS } from './knowledge-queries.ts'
import { type LoadedRow, dateOrNull, toRow } from './rows.ts'
import type { SpaceContext } from './space-context.ts'
import { type Row, Timeline } from './timeline.ts'

/** What a change has to know of a timeline: the rows of one value, or all. */
export interface Need {
  readonly entityId: string
  readonly predicate: string
  /** Undefined: all values. */
  readonly hash?: string
  /** Evidence that may have been given before. */
  readonly key?: string | null
}

/**
 * The timelines that one transaction changes, read once and written once. The entities must be locked before (`lockEntities`): what is read
 * here then stays so until the end.
 */
export class FactWriter {
  readonly #context: SpaceContext
  readonly #session: SqlSession
  readonly #timelines = new Map<string, { entityId: string; predicate: string; timeline: Timeline }>()
  readonly #believed = new Set<string>()
  readonly #functional: ReadonlySet<string>
  readonly #now: number

  private constructor(context: SpaceContext, session: SqlSession, now: number, functional: ReadonlySet<string>) {
    this.#context = context
    this.#session = session
    this.#now = now
    this.#functional = functional
  }

  static async open(context: SpaceContext, session: SqlSession, needs: readonly Need[], loaded: readonly LoadedRow[] = []): Promise<FactWriter> {
    const { identity, space } = context
    const predicates = [...new Set([...needs.map(({ predicate }) => predicate), ...loaded.map(({ predicate }) => predicate)])]
    const clock = (await session.query<{ ms: number; functional: string[] }>(CLOCK_AND_FUNCTIONAL, [identity.tenant, space, predicates], { name: 'knowledge_clock' })).rows[0]
    const { ms, functional } = clock as { ms: number; functional: string[] }
    const writer = new FactWriter(context, session, Math.floor(ms), new Set(functional))
    writer.#take([...(await writer.#load(needs)), ...loaded])
    return writer
  }

  timeline(entityId: string, predicate: string): Timeline {
    const key = keyOf(entityId, predicate)
    const found = this.#timelines.get(key)?.timeline ?? new Timeline([], this.#functional.has(predicate), this.#now, uuidv7)
    if (!this.#timelines.has(key)) this.#timelines.set(key, { entityId, predicate, timeline: found })
    return found
  }

  /** `vectors` by the hash of what a fact says, of the space's embedder. Waits until the times that were given are over. */
  async write(vectors: ReadonlyMap<string, readonly number[]> = new Map()): Promise<void> {
    const { identity, space, embedder, embedderVersion } = this.#context
    const all = [...this.#timelines.values()]
    const ended = all.flatMap(({ timeline }) => timeline.rows.filter((row) => row.stored && row.recordedUntil !== null && this.#believed.has(row.id)))
    const enriched = all.flatMap(({ timeline }) => [...timeline.enriched].map(([id, evidence]) => ({ id, evidence })))
    const added = all.flatMap(({ entityId, predicate, timeline }) => timeline.rows.filter(({ stored }) => !stored).map((row) => inserted(row, entityId, predicate, timeline.functional, vectors)))
    // Ends first: the unique indexes see one row after the other.
    if (ended.length > 0) {
      const ends = ended.map(({ id, recordedUntil, endedBy, endNote }) => ({ id, until: new Date(recordedUntil as number), by: endedBy, note: endNote }))
      await this.#session.query(END_ROWS, [identity.tenant, JSON.stringify(ends)], { name: 'knowledge_end' })
    }
    if (enriched.length > 0) await this.#session.query(ENRICH_ROWS, [identity.tenant, JSON.stringify(enriched)], { name: 'knowledge_enrich' })
    if (added.length > 0) {
      const values = [identity.tenant, space, JSON.stringify(added), embedder?.model ?? null, embedderVersion, embedder?.dimensions ?? null]
      await this.#session.query(INSERT_ROWS, values, { name: 'knowledge_insert' })
    }
    const latest = Math.max(this.#now, ...all.map(({ timeline }) => timeline.latest))
    if (latest > this.#now) await this.#until(latest)
  }

  async #load(needs: readonly Need[]): Promise<LoadedRow[]> {
    if (needs.length === 0) return []
    const asked = new Map<string, { entity: string; predicate: string; hash: string | null; all: boolean; keys: string[] }>()
    for (const { entityId, predicate, hash, key } of needs) {
      const name = `${keyOf(entityId, predicate)}/${hash ?? ''}`
      const each = asked.get(name) ?? { entity: entityId, predicate, hash: hash ?? null, all: hash === undefined || this.#functional.has(predicate), keys: [] }
      if (key !== undefined && key !== null && !each.keys.includes(key)) each.keys.push(key)
      asked.set(name, each)
    }
    return (await this.#session.query<LoadedRow>(LOAD_ROWS, [this.#context.identity.tenant, JSON.stringify([...asked.values()])], { name: 'knowledge_load' })).rows
  }

  #take(loaded: readonly LoadedRow[]): void {
    const unique = [...new Map(loaded.map((row) => [row.id, row])).values()]
    for (const { id, recordedUntil } of unique) if (recordedUntil === null) this.#believed.add(id)
    const byKey = Map.groupBy(unique, ({ entityId, predicate }) => keyOf(entityId, predicate))
    for (const [key, rows] of byKey) {
      const { entityId, predicate } = rows[0] as LoadedRow
      this.#timelines.set(key, { entityId, predicate, timeline: new Timeline(rows.map(toRow), this.#functional.has(predicate), this.#now, uuidv7) })
    }
  }

  async #until(latest: number): Promise<void> {
    for (;;) {
      const { ms } = (await this.#session.query<{ ms: number }>(CLOCK, [], { name: 'knowledge_now' })).rows[0] as { ms: number }
      if (ms >= latest) return
      await sleep(Math.ceil(latest - ms))
    }
  }
}

const keyOf = (entityId: string, predicate: string): string => `${entityId}/${predicate}`

function inserted(row: Row, entity: string, predicate: string, functional: boolean, vectors: ReadonlyMap<string, readonly number[]>): Record<string, unknown> {
  const hash = contentHash(row.content)
  return {
    id: row.id, origin: row.originId, entity, predicate, functional, type: row.objectType, value: row.value, object: row.objectEntityId, hash: row.hash,
    content: row.content, folded: row.folded, agent: row.sourceAgentId, confidence: row.confidence, evidence: row.evidence,
    from: new Date(row.from), until: dateOrNull(row.until), recorded: new Date(row.recordedFrom), ended: row.recordedUntil === null ? null : new Date(row.recordedUntil),
    by: row.endedBy, note: row.endNote, copy: row.copyOf, contentHash: hash, embedding: vectors.get(hash) ?? null, embeddingId: uuidv7(),
  }
}
