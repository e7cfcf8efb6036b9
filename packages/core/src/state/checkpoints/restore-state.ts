import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from '../../ids/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../identity/index.ts'
import { type AgentSnapshot, snapshotAgent } from '../agent-snapshot.ts'
import { checksumOf } from '../envelope.ts'
import { addressOf } from '../hot-tier.ts'
import { ReadPath } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import { type StoredState, isLive } from '../state-entry.ts'
import { WritePath } from '../write-path.ts'
import type { RestoreResult } from './checkpoint-types.ts'
import { LOCK_CHECKPOINTS } from './checkpoint-queries.ts'
import { BASE_OF_EPOCH, BEGIN_RESTORE, DROP_RESTORES, END_RESTORE, RESTORES_UNDER_WAY } from './restore-queries.ts'

export const WRITES_AT_ONCE = 256
const FEED_BATCH = 500
const TURN_TIMEOUT_MS = 30_000
const TURN_POLL_MS = 50

export interface Goal {
  readonly agentId: string
  readonly checkpointId: string
  /** Canonical JSON by key. */
  readonly texts: ReadonlyMap<string, string>
}

export interface Write {
  readonly key: string
  /** Null to delete. */
  readonly text: string | null
  /** What is there now, if anything. */
  readonly before: StoredState | undefined
}

/** Restores this process is at, so that its own upkeep leaves them alone. */
const underWay = new WeakMap<StateCore, Set<string>>()

export function restoresUnderWay(core: StateCore): Set<string> {
  const known = underWay.get(core) ?? new Set<string>()
  underWay.set(core, known)
  return known
}

/**
 * Makes the agent's state what `goal` says. A row in the journal says so until it is done: what an interruption leaves is
 * completed by `completeRestores`, except for keys that somebody has written since. Restores of one agent take turns, or else it would
 * end with some keys of each; one that was interrupted and that nobody is at gives way to this one.
 */
export async function restoreState(core: StateCore, identity: TenantIdentity, goal: Goal, unchangedSince: number | undefined): Promise<RestoreResult> {
  const id = uuidv7()
  const active = restoresUnderWay(core)
  active.add(id)
  const done: Done[] = []
  let planned = false
  try {
    await begin(core, identity.tenant, id, goal)
    const unflushed = unchangedSince === undefined ? [] : await keysInFeed(core, identity.tenant, goal.agentId, unchangedSince)
    const now = await snapshotAgent(core, identity.tenant, goal.agentId, () => true)
    if (unchangedSince !== undefined) refuseWhenChanged(now, goal, unchangedSince, unflushed)
    const { writes, unchanged } = planRestore(now, goal)
    planned = true
    await (unchangedSince === undefined ? writeAll(core, identity, goal.agentId, writes) : writeAllOrNone(core, identity, goal, writes, done))
    await core.sql.query(identity, END_RESTORE, [identity.tenant, id])
    const deleted = writes.filter(({ text }) => text === null).length
    return { agentId: goal.agentId, written: writes.length - deleted, deleted, unchanged }
  } catch (error) {
    // What may work later is completed by the upkeep or the next process; what never will, and what has changed nothing, is not.
    const untouched = !planned || (unchangedSince !== undefined && done.length === 0 && isCairnError(error, 'HOT_TIER_UNAVAILABLE'))
    if (untouched || !mayBeCompleted(error)) await core.sql.query(identity, END_RESTORE, [identity.tenant, id]).catch(() => undefined)
    throw error
  } finally {
    active.delete(id)
  }
}

/** The row in the journal, once nobody is at another restore of the agent. TIMEOUT. */
async function begin(core: StateCore, tenant: string, id: string, goal: Goal): Promise<void> {
  const deadline = performance.now() + TURN_TIMEOUT_MS
  while (!(await tryToBegin(core, tenant, id, goal))) {
    if (performance.now() > deadline) {
      throw new CairnError('TIMEOUT', `Agent ${goal.agentId}: another restore of it has been under way for ${TURN_TIMEOUT_MS / 1000} s. Nothing was restored; try again.`, { details: { agentId: goal.agentId } })
    }
    await sleep(TURN_POLL_MS)
  }
}

async function tryToBegin(core: StateCore, tenant: string, id: string, { agentId, checkpointId }: Goal): Promise<boolean> {
  // What is written from here on is younger than the restore.
  const kvRevision = core.hot.available ? (await core.hot.bucket.status()).lastRevision : core.hot.lastSeen
  return core.sql.transaction(MAINTENANCE, async (session) => {
    await session.query(LOCK_CHECKPOINTS, [tenant, agentId])
    const { rowCount } = await session.query(RESTORES_UNDER_WAY, [tenant, agentId, core.writerId, core.options.deadAfterMs, [...restoresUnderWay(core)]])
    if (rowCount > 0) return false
    await session.query(DROP_RESTORES, [tenant, agentId])
    await session.query(BEGIN_RESTORE, [tenant, id, agentId, checkpointId, core.writerId, kvRevision, core.hot.epoch])
    return true
  })
}

/** Whether somebody else, or this process later, may succeed where this failed. */
export function mayBeCompleted(error: unknown): boolean {
  return isCairnError(error) && error.code !== 'VERSION_CONFLICT' && (error.retryable || error.code === 'CLOSED')
}

/** Which writes lead from `now` to the goal. */
export function planRestore(now: AgentSnapshot, { texts }: Goal): { writes: Write[]; unchanged: number } {
  const writes: Write[] = []
  let unchanged = 0
  for (const [key, text] of texts) {
    const before = now.entries.get(key)
    // What is restored does not expire: a value that would is written anew.
    if (before !== undefined && isLive(before) && before.text === text && before.expiresAt === undefined) unchanged++
    else writes.push({ key, text, before })
  }
  for (const [key, before] of now.entries) if (!texts.has(key) && isLive(before)) writes.push({ key, text: null, before })
  return { writes, unchanged }
}

/** Revision, as callers see it, of a bucket revision of any epoch. CONSISTENCY_VIOLATION for an unknown epoch. */
export async function revisionAt(core: StateCore, kvRevision: number, epoch: string): Promise<number> {
  if (epoch === core.hot.epoch) return core.hot.revisionOf(kvRevision)
  const { rows } = await core.sql.query<{ base: number }>(MAINTENANCE, BASE_OF_EPOCH, [epoch])
  if (rows[0] === undefined) throw new CairnError('CONSISTENCY_VIOLATION', `The hot tier's epoch ${epoch} is unknown to this database.`, { details: { epoch } })
  return rows[0].base + kvRevision
}

/** Writes one key if it is still as `before` says, whatever else happens; the new revision. VERSION_CONFLICT. */
export function writeIfUnchanged(core: StateCore, identity: TenantIdentity, agentId: string, { key, text, before }: Write, expiresAt?: number): Promise<number> {
  return send(core, identity, agentId, key, text, before !== undefined && isLive(before) ? before.revision : 0, expiresAt)
}

/**
 * On LMDB all writes begun in one turn reach the disk in one commit (up to 10,000 of them or 32 MB), so that a crash leaves
 * all or none. JetStream takes them one by one.
 */
async function writeAll(core: StateCore, identity: TenantIdentity, agentId: string, writes: readonly Write[]): Promise<void> {
  const atOnce = core.shared ? WRITES_AT_ONCE : writes.length
  await inBatches(writes, atOnce, ({ key, text }) => send(core, identity, agentId, key, text, undefined, undefined))
}

/** Some at once; when it rejects, nothing of it is under way any more. */
export async function inBatches(writes: readonly Write[], atOnce: number, write: (write: Write) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < writes.length; start += atOnce) {
    const failures = failuresOf(await Promise.allSettled(writes.slice(start, start + atOnce).map(write)))
    if (failures.length > 0) throw failures.find((error) => !mayBeCompleted(error)) ?? failures[0]
  }
}

/** A write that was made, and the revision it got. */
interface Done {
  readonly write: Write
  readonly revision: number
}

/**
 * Each key only if it is still at its revision; at the first conflict what was written is put back. After a failure that may be over
 * later nothing is put back, or else those who complete the rest would leave a mixture.
 */
async function writeAllOrNone(core: StateCore, identity: TenantIdentity, goal: Goal, writes: readonly Write[], done: Done[]): Promise<void> {
  for (let start = 0; start < writes.length; start += WRITES_AT_ONCE) {
    const failures = failuresOf(
      await Promise.allSettled(
        writes.slice(start, start + WRITES_AT_ONCE).map(async (write) => {
          done.push({ write, revision: await writeIfUnchanged(core, identity, goal.agentId, write) })
        }),
      ),
    )
    if (failures.length === 0) continue
    const refused = failures.find((error) => !mayBeCompleted(error))
    if (refused === undefined) throw failures.find((error) => !isCairnError(error, 'HOT_TIER_UNAVAILABLE')) ?? failures[0]
    await Promise.allSettled(
      done.map(({ write: { key, text, before }, revision }) => {
        const back = before !== undefined && isLive(before) ? before.text : null
        return send(core, identity, goal.agentId, key, back, text === null ? 0 : revision, before?.expiresAt)
      }),
    )
    throw refused
  }
}

function failuresOf(results: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
}

function send(core: StateCore, { tenant, ...rest }: TenantIdentity, agentId: string, key: string, text: string | null, ifRevision: number | undefined, expiresAt: number | undefined): Promise<number> {
  const writes = new WritePath(core, new ReadPath(core))
  return writes.write({ ...rest, tenant }, { address: { tenant, agentId, key }, text, expiresAt, ack: 'durable', ifRevision, operationId: undefined })
}

/** A key that was made and deleted again before a flush is in the change feed alone. What left the feed is in SQL, which is read after it. */
async function keysInFeed(core: StateCore, tenant: string, agentId: string, since: number): Promise<string[]> {
  if (!core.hot.available) return []
  const keys: string[] = []
  let cursor = core.hot.kvRevisionOf(since)
  for (;;) {
    const batch = await core.hot.bucket.changes(cursor, FEED_BATCH)
    for (const entry of batch.entries) {
      if (entry.key[0] !== tenant || entry.key[1] !== agentId) continue
      const address = addressOf(entry.key)
      if (core.hot.toStored(entry, address).revision > since) keys.push(address.key)
    }
    cursor = batch.cursor
    if (batch.cursor >= batch.lastRevision) return keys
  }
}

function refuseWhenChanged(now: AgentSnapshot, goal: Goal, since: number, unflushed: readonly string[]): void {
  const changed = [...new Set([...unflushed, ...[...now.entries].filter(([, stored]) => stored.revision > since).map(([key]) => key)])]
  if (changed.length === 0) return
  throw new CairnError('VERSION_CONFLICT', `Agent ${goal.agentId} was written to since: ${changed.length} keys, ${JSON.stringify(changed[0])} among them. Nothing was restored. Make a checkpoint of it, or restore without ifUnchangedSince.`, {
    details: { agentId: goal.agentId, changedKeys: changed.slice(0, 20), since },
  })
}

export function hashed(texts: ReadonlyMap<string, string>): Map<string, { text: string; checksum: string }> {
  return new Map([...texts].map(([key, text]) => [key, { text, checksum: checksumOf(text) }]))
}
