import { type StoredState, isLive } from '../state-entry.ts'
import { type ConflictClock, decodeClock } from './conflict-clock.ts'
import { type Hlc, HLC_ZERO, compareHlc } from './hlc.ts'
import type { Resolution } from './policy-types.ts'
import { type Current, type Incoming, type ResolveEnvironment, type Resolved, knownOperation, laterEnd, newest, sideOf, unchanged, withOperation } from './resolution.ts'
import { resolveCrdt } from './resolve-crdt.ts'
import { resolveVector } from './resolve-vector.ts'

/** The value and clock after `incoming`. Pure but for the merge function. Errors: MERGE_UNDEFINED, MERGE_FAILED, INVALID_ARGUMENT, VERSION_CONFLICT. */
export function resolve(stored: StoredState | undefined, incoming: Incoming, policy: Resolution, environment: ResolveEnvironment): Resolved {
  const current = currentOf(stored, environment)
  switch (policy.strategy) {
    case 'lww':
      return resolveLww(current, incoming)
    case 'vector':
      return resolveVector(current, incoming, policy, environment)
    case 'crdt':
      return resolveCrdt(current, incoming, policy, environment)
    case 'custom':
      return resolveCustom(current, incoming, policy, environment)
  }
}

/** What is stored, as the strategies see it. */
export function currentOf(stored: StoredState | undefined, environment: Pick<ResolveEnvironment, 'believes'>): Current {
  if (stored === undefined) return { text: null, clock: undefined, h: HLC_ZERO, expiresAt: undefined, expired: false }
  const clock = stored.clock === undefined ? undefined : decodeClock(stored.clock)
  // A plain write counts as one at its time, before every write of that millisecond that has a clock.
  const h: Hlc = clock?.h ?? [stored.writtenAt, 0, '']
  const live = isLive(stored)
  return { text: live ? stored.text : null, clock, h: environment.believes(h) ? h : HLC_ZERO, expiresAt: stored.expiresAt, expired: !live && stored.text !== null }
}

/** The strictly newer write stays. */
function resolveLww(current: Current, incoming: Incoming): Resolved {
  const order = incoming.replaces === true ? 1 : compareHlc(incoming.h, current.h)
  if (order <= 0) return unchanged(current, order === 0 ? 'repeated' : 'stale', 'lww')
  return { outcome: 'written', changed: true, text: incoming.text ?? null, clock: { s: 'lww', h: newest(current.h, incoming) }, expiresAt: incoming.expiresAt }
}

/** A deletion is not merged: against it the newer counts. */
function resolveCustom(current: Current, incoming: Incoming, policy: Resolution, environment: ResolveEnvironment): Resolved {
  const known = knownOperation(current.clock?.ops, incoming, environment.mode)
  if (known !== undefined) return { ...unchanged(current, 'repeated', 'custom'), ...known.changed ? { changed: true, clock: { ...(current.clock as ConflictClock), ops: known.ops } } : {} }
  const ops = withOperation(current.clock?.ops, incoming, environment.mode)
  const clock: ConflictClock = { s: 'custom', h: newest(current.h, incoming), ...(ops === undefined ? {} : { ops }) }
  const text = incoming.text ?? null
  if (incoming.replaces === true) return { outcome: 'written', changed: true, text, clock, expiresAt: incoming.expiresAt }
  if (text === null || current.text === null) {
    if (compareHlc(incoming.h, current.h) <= 0) return unchanged(current, 'stale', 'custom')
    return { outcome: 'written', changed: true, text, clock, expiresAt: incoming.expiresAt }
  }
  const merged = environment.merges.run(policy.merge ?? '', sideOf(current.text, current.h), sideOf(text, incoming.h), environment.where)
  return { outcome: 'merged', changed: true, text: merged, clock, expiresAt: laterEnd(current.expiresAt, incoming.expiresAt) }
}
