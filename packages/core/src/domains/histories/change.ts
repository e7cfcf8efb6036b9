import { uuidv7 } from '../../ids/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { otherOperation, rewriteMismatch, suffixMismatch } from './failures.ts'
import { APPEND, DELETE_EXPIRED, LOCK_HISTORY, REPLACE_LAST, REWRITE } from './histories-queries.ts'
import type { CheckedName } from './input.ts'
import type { HistoryChange } from './types.ts'

/** After this many tries without a lock, a change takes the lock first: then no other writer can overtake it. */
const TRIES_WITHOUT_LOCK = 3
/** Each further try needs another writer to make, delete or let expire the history in between. */
const MAX_TRIES = 50

interface Operation {
  readonly id: string | null
  readonly digest: Uint8Array | null
}

export interface Append {
  readonly name: CheckedName
  readonly operation: Operation
  readonly items: string
  readonly ttlMs: number | null
}

export interface ReplaceLast {
  readonly name: CheckedName
  readonly operation: Operation
  /** How many items to drop; null drops all. */
  readonly drop: number | null
  /** What they must be, as a JSON array; null for anything. */
  readonly expected: string | null
  readonly items: string
  readonly forgetOperations: boolean
  readonly returnLast: boolean
  readonly ttlMs: number | null
}

export interface Rewrite {
  readonly name: CheckedName
  readonly operation: Operation
  readonly set: readonly number[]
  readonly items: string
  readonly remove: readonly number[]
  readonly append: string
  readonly ifRevision: number | null
}

interface Outcome {
  readonly revision: number
  readonly item_count: number
  readonly same: boolean | null
  readonly outcome: 'applied' | 'repeated' | 'mismatch' | 'overtaken'
  readonly entry: { seq: number; item: unknown } | null
  readonly found: unknown[] | null
}

/** What a change came to, with the item it took from the end. */
export interface Replaced extends HistoryChange {
  readonly entry: { seq: number; item: unknown } | null
}

export async function append(context: DomainContext, change: Append): Promise<HistoryChange> {
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const result = await tryAppend(context, change, false)
    if (result !== undefined) return result
  }
  throw busy(change.name)
}

/** Undefined when it must be tried again: the operation was raced, or the history had expired (then it is gone now). */
async function tryAppend(context: DomainContext, { name, operation, items, ttlMs }: Append, onlyNew: boolean): Promise<HistoryChange | undefined> {
  const { sql, identity } = context
  const { tenant } = identity
  const values = [tenant, ...name, uuidv7(), items, operation.id, operation.digest, ttlMs, onlyNew]
  const row = await raced(() => sql.query<Outcome>(identity, APPEND, values, { name: 'histories.append' }).then(({ rows }) => rows[0]))
  if (row === RACED) return undefined
  if (row !== undefined) return outcomeOf(row, operation)
  await sql.query(identity, DELETE_EXPIRED, [tenant, ...name])
  return undefined
}

/** Drops the last items and adds others, in one step. A history that does not exist is empty, and is made when there is something to keep. */
export async function replaceLast(context: DomainContext, change: ReplaceLast): Promise<Replaced> {
  const { name, operation, drop, expected, items, forgetOperations, returnLast, ttlMs } = change
  const values = [context.identity.tenant, ...name, operation.id, operation.digest, drop, expected, items, forgetOperations, returnLast, ttlMs]
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const row = await runChange(context, name, REPLACE_LAST, values, 'histories.replace_last', tries)
    if (row === RACED || row?.outcome === 'overtaken') continue
    if (row?.outcome === 'mismatch') throw suffixMismatch(name, drop ?? 0, row.found ?? [], row.revision)
    if (row !== undefined) return { ...outcomeOf(row, operation), entry: row.entry }
    if (expected !== null && drop !== 0) throw suffixMismatch(name, drop ?? 0, [], 0)
    if (items === '[]' && operation.id === null) return { applied: true, revision: 0, itemCount: 0, entry: null }
    const made = await tryAppend(context, { name, operation, items, ttlMs }, true)
    if (made !== undefined) return { ...made, entry: null }
  }
  throw busy(name)
}

/** Undefined when there is no such history. With `session`, in a transaction that has locked the history. */
export async function rewrite(context: DomainContext, change: Rewrite, session?: SqlSession): Promise<HistoryChange | undefined> {
  const { name, operation, set, items, remove, append: added, ifRevision } = change
  const values = [context.identity.tenant, ...name, operation.id, operation.digest, set, items, remove, added, ifRevision]
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const row = session === undefined ? await runChange(context, name, REWRITE, values, 'histories.rewrite', tries) : (await session.query<Outcome>(REWRITE, values)).rows[0]
    if (row === undefined) return undefined
    if (row === RACED || row.outcome === 'overtaken') continue
    if (row.outcome === 'mismatch') throw rewriteMismatch(name, row.revision)
    return outcomeOf(row, operation)
  }
  throw busy(name)
}

async function runChange(context: DomainContext, name: CheckedName, text: string, values: readonly unknown[], statement: string, tries: number): Promise<Outcome | undefined | typeof RACED> {
  const { sql, identity } = context
  if (tries <= TRIES_WITHOUT_LOCK) return raced(() => sql.query<Outcome>(identity, text, values, { name: statement }).then(({ rows }) => rows[0]))
  return raced(() =>
    sql.transaction(identity, async (session) => {
      await session.query(LOCK_HISTORY, [identity.tenant, ...name])
      return (await session.query<Outcome>(text, values)).rows[0]
    }),
  )
}

const RACED = Symbol('another writer stored the same operation first')

/** A unique violation can only be that of an operation which was committed after the statement's snapshot. */
async function raced<T>(run: () => Promise<T>): Promise<T | typeof RACED> {
  try {
    return await run()
  } catch (error) {
    if (isCairnError(error, 'DUPLICATE_KEY')) return RACED
    throw error
  }
}

function outcomeOf(row: Pick<Outcome, 'revision' | 'item_count' | 'same'>, operation: Operation): HistoryChange {
  if (row.same === false) throw otherOperation(operation.id ?? '')
  return { applied: row.same === null, revision: row.revision, itemCount: row.item_count }
}

function busy([, key]: CheckedName): CairnError {
  return new CairnError('TIMEOUT', `The history ${JSON.stringify(key)} was made and deleted by others ${MAX_TRIES} times while this change was tried. Nothing was changed; try again.`, {
    details: { key },
  })
}
