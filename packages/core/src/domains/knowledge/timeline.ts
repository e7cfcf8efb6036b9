import { invalid } from '../../checks/index.ts'
import type { FactEnding, ObjectType } from './words.ts'

/** Evidence as a row keeps it. `key` tells one from another: what it says and for which time. */
export interface StoredEvidence {
  readonly key: string | null
  readonly agentId: string | null
  readonly messages: readonly string[]
  readonly memories: readonly string[]
  readonly text: string | null
  readonly source: string | null
  readonly confidence: number
  readonly at: string
}

/** What a row says, without its times. */
export interface Statement {
  readonly hash: string
  readonly objectType: ObjectType
  readonly value: unknown
  readonly objectEntityId: string | null
  readonly content: string
  readonly folded: string | null
}

/** A row of the present or, with `recordedUntil`, of the past. Times are milliseconds of the epoch; an end of Infinity is open. */
export interface Row extends Statement {
  readonly id: string
  readonly originId: string
  /** The stored row whose vectors are right for this one, too. */
  readonly copyOf: string | null
  readonly stored: boolean
  readonly from: number
  readonly until: number
  readonly confidence: number
  evidence: StoredEvidence[]
  readonly sourceAgentId: string | null
  readonly recordedFrom: number
  recordedUntil: number | null
  endedBy: FactEnding | null
  endNote: string | null
}

export interface Given {
  readonly statement: Statement
  /** Undefined: now. */
  readonly from: number | undefined
  /** Undefined: until the next known value begins. */
  readonly until: number | undefined
  readonly confidence: number
  readonly evidence: Omit<StoredEvidence, 'at'>
  readonly originId?: string
  readonly kept?: readonly StoredEvidence[]
}

interface Interval {
  readonly from: number
  readonly until: number
}

const overlap = (a: Interval, b: Interval): boolean => a.from < b.until && b.from < a.until

/**
 * The rows of one entity and predicate, and what a change does to them. A row is never changed but to end what is recorded. Among rows that
 * are believed, the same value never overlaps itself, and no value overlaps another when the predicate is functional. Pure: it is given ids and clock.
 */
export class Timeline {
  readonly functional: boolean
  readonly rows: Row[]
  /** Stored rows with evidence to add. */
  readonly enriched = new Map<string, StoredEvidence[]>()
  readonly #newId: () => string
  #now: number

  constructor(rows: readonly Row[], functional: boolean, now: number, newId: () => string) {
    this.functional = functional
    this.rows = [...rows]
    this.#newId = newId
    // Two changes in one millisecond are told apart: what was recorded between them can be asked for.
    this.#now = Math.max(now, ...rows.map((row) => Math.max(row.recordedFrom, row.recordedUntil ?? 0) + 1))
  }

  /** The time of the last change made; no reader may come before it is over. */
  get latest(): number {
    return this.#now - 1
  }

  get believed(): Row[] {
    return this.rows.filter((row) => row.recordedUntil === null)
  }

  assert(given: Given): { row: Row; isNew: boolean } {
    const replayed = given.evidence.key === null ? undefined : this.#withEvidence(given.statement.hash, given.evidence.key)
    if (replayed !== undefined) return { row: replayed, isNew: false }
    const now = this.#tick()
    const from = given.from ?? now
    const others = this.functional ? this.believed.filter(({ hash }) => hash !== given.statement.hash) : []
    const until = given.until ?? Math.min(Infinity, ...others.filter((row) => row.from > from).map((row) => row.from))
    if (until <= from) throw invalid('validUntil', `${new Date(until).toISOString()} is not after the beginning, ${new Date(from).toISOString()}; give validFrom, too`)
    const covering = this.believed.find((row) => row.hash === given.statement.hash && row.from <= from && row.until >= until)
    if (covering === undefined || covering.confidence < given.confidence) return { row: this.#put({ ...given, from, until }, now), isNew: covering === undefined }
    this.#enrich(covering, { ...given.evidence, at: new Date(now).toISOString() })
    return { row: covering, isNew: false }
  }

  /** Replaces a row by one that says something else, or for another time. */
  correct(row: Row, given: Omit<Given, 'from' | 'until' | 'originId' | 'kept'> & Interval, note: string | null): Row {
    const now = this.#tick()
    this.#end(row, now, 'corrected', note)
    return this.#put({ ...given, originId: row.originId, kept: row.evidence }, now, row)
  }

  /** From `at` (or now) on it does not hold any more. Undefined when `at` is not within the row's time. */
  invalidate(row: Row, at: number | undefined, note: string | null): Row | undefined {
    const now = this.#tick()
    const until = at ?? now
    if (until <= row.from || until >= row.until) return undefined
    this.#end(row, now, 'invalidated', note)
    return this.#piece(row, { from: row.from, until }, now)
  }

  end(row: Row, ending: FactEnding, note: string | null): void {
    this.#end(row, this.#tick(), ending, note)
  }

  /** Takes a row of another entity: only for the times that are free here. Returns what was put. */
  adopt(row: Row, statement: Statement): Row[] {
    const now = this.#tick()
    const taken = this.believed.filter((each) => this.functional && each.hash !== statement.hash && overlap(each, row)).sort((a, b) => a.from - b.from)
    const free: Interval[] = []
    let from = row.from
    for (const each of taken) {
      if (each.from > from) free.push({ from, until: each.from })
      from = Math.max(from, each.until)
    }
    if (from < row.until) free.push({ from, until: row.until })
    const [first] = row.evidence
    const evidence: Given['evidence'] = first ?? { key: null, agentId: null, messages: [], memories: [], text: null, source: null, confidence: row.confidence }
    return free.map((piece) => this.#put({ statement, ...piece, confidence: row.confidence, evidence, originId: row.originId, kept: row.evidence }, now, undefined, row.sourceAgentId))
  }

  #tick(): number {
    return this.#now++
  }

  /** What was told with this very evidence before, the latest first: it is not told again, whatever became of it. */
  #withEvidence(hash: string, key: string): Row | undefined {
    const told = this.rows.filter((row) => row.hash === hash && row.evidence.some((each) => each.key === key))
    return told.find((row) => row.recordedUntil === null) ?? told.at(-1)
  }

  #put(given: Given & Interval, now: number, replaced?: Row, sourceAgentId: string | null = null): Row {
    const { statement } = given
    const same = this.believed.filter((row) => row.hash === statement.hash && overlap(row, given))
    const whole = { from: Math.min(given.from, ...same.map((row) => row.from)), until: Math.max(given.until, ...same.map((row) => row.until)) }
    for (const row of same) this.#end(row, now, 'extended', null)
    const others = this.functional ? this.believed.filter((row) => overlap(row, whole)) : []
    for (const row of others) {
      this.#end(row, now, 'superseded', null)
      if (row.from < whole.from) this.#piece(row, { from: row.from, until: whole.from }, now)
      if (row.until > whole.until) this.#piece(row, { from: whole.until, until: row.until }, now)
    }
    const id = this.#newId()
    const told = [...(given.kept ?? []), ...same.flatMap((row) => row.evidence), { ...given.evidence, at: new Date(now).toISOString() }]
    const copied = replaced?.hash === statement.hash ? replaced : same[0]
    const put: Row = {
      ...statement, id, originId: given.originId ?? same[0]?.originId ?? id, copyOf: copied === undefined ? null : (copied.stored ? copied.id : copied.copyOf), stored: false, ...whole,
      confidence: given.kept === undefined ? Math.max(given.confidence, ...same.map((row) => row.confidence)) : given.confidence,
      evidence: distinct(told), sourceAgentId: replaced?.sourceAgentId ?? same[0]?.sourceAgentId ?? sourceAgentId ?? given.evidence.agentId,
      recordedFrom: now, recordedUntil: null, endedBy: null, endNote: null,
    }
    this.rows.push(put)
    return put
  }

  #piece(row: Row, interval: Interval, now: number): Row {
    const piece: Row = { ...row, ...interval, id: this.#newId(), copyOf: row.stored ? row.id : row.copyOf, stored: false, evidence: [...row.evidence], recordedFrom: now, recordedUntil: null, endedBy: null, endNote: null }
    this.rows.push(piece)
    return piece
  }

  #end(row: Row, now: number, ending: FactEnding, note: string | null): void {
    row.recordedUntil = now
    row.endedBy = ending
    row.endNote = note
  }

  #enrich(row: Row, evidence: StoredEvidence): void {
    // Said again without anything to point to, it adds nothing.
    if (evidence.key === null) return
    row.evidence.push(evidence)
    if (row.stored) this.enriched.set(row.id, [...(this.enriched.get(row.id) ?? []), evidence])
  }
}

/** Each evidence once; assertions without any count for nothing beside others. */
function distinct(evidence: readonly StoredEvidence[]): StoredEvidence[] {
  return evidence.filter(({ key }, index) => key !== null && evidence.findIndex((each) => each.key === key) === index)
}
