import { CairnError, isCairnError } from '../../errors/index.ts'
import { canonicalJson, type StateEntry, type StateService } from '../../state/index.ts'
import { bad } from './definition.ts'

/** What a step of state writes; without `value` it deletes. */
export interface StateWrite {
  readonly agent: string
  readonly key: string
  readonly delete: boolean
  readonly value: unknown
}

/** What it found there. */
export interface StateImage {
  readonly exists: boolean
  readonly value: unknown
  /** 0 when there was nothing. */
  readonly revision: number
  readonly expiresAt: number | null
}

const TRIES = 5

export function checkStateWrite(spec: unknown, deletes: boolean): StateWrite {
  const { agent, key, value } = (typeof spec === 'object' && spec !== null ? spec : {}) as Partial<StateWrite>
  if (typeof agent !== 'string' || typeof key !== 'string') bad(deletes ? 'deleteState' : 'setState', 'it needs an agent and a key')
  if (!deletes) canonicalJson(value)
  return { agent, key, delete: deletes, value: deletes ? null : value }
}

export const targetOf = (write: StateWrite): string => `state ${JSON.stringify(write.agent)} ${JSON.stringify(write.key)}`

export interface StateStep {
  readonly state: StateService
  readonly write: StateWrite
  readonly stepKey: string
  /** What an earlier attempt found, if it got that far. */
  readonly known: { readonly image: StateImage; readonly fresh: boolean } | undefined
  /** Stored before the write, so that a crash leaves the way back. */
  readonly keep: (image: StateImage) => Promise<void>
}

/**
 * Writes at the revision that was found, durably; resolves with the new revision (0: there was nothing to delete).
 * After a crash the hot tier tells by the operation id whether the write was made, for two minutes; later the value
 * does. CONSISTENCY_VIOLATION when neither can tell, as somebody wrote in between.
 */
export async function writeState({ state, write, stepKey, known, keep }: StateStep): Promise<number> {
  let image = known?.image
  let fresh = known?.fresh ?? true
  for (let tries = 1; ; tries++) {
    if (image === undefined) {
      image = imageOf(await state.get(write.agent, write.key))
      fresh = true
      await keep(image)
    }
    if (write.delete && !image.exists) return 0
    try {
      return await put(state, write, image.revision, `${stepKey}:${image.revision}`, null)
    } catch (error) {
      if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
      if (!fresh) {
        const current = await state.get(write.agent, write.key)
        if (holds(current, write)) return current?.revision ?? 0
        throw new CairnError('CONSISTENCY_VIOLATION', `${targetOf(write)}: the process that wrote it was lost more than two minutes ago, and others have written since. Look at the key, then resolve or skip.`, { cause: error, details: { uncertain: true } })
      }
      if (tries >= TRIES) throw error
      image = undefined
    }
  }
}

/**
 * Puts back what the step found; resolves with the revision that did. `revision` is the one the step wrote, undefined when
 * it is not known whether it wrote: then a write that is still on its way finds another revision and is refused.
 * CONSISTENCY_VIOLATION when somebody else wrote since.
 */
export async function restoreState(state: StateService, write: StateWrite, image: StateImage, revision: number | undefined, operationId: string): Promise<number> {
  const expired = image.expiresAt !== null && image.expiresAt <= Date.now()
  const former: StateWrite = { ...write, delete: !image.exists || expired, value: image.value }
  if (write.delete && !image.exists) return 0
  const left = write.delete ? 0 : (revision ?? image.revision)
  try {
    return await put(state, former, revision === undefined ? image.revision : left, operationId, image.expiresAt)
  } catch (error) {
    if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
    const current = await state.get(write.agent, write.key)
    if (holds(current, former)) return current?.revision ?? 0
    if (revision === undefined && holds(current, write)) return put(state, former, current?.revision ?? 0, `${operationId}:late`, image.expiresAt)
    throw new CairnError('CONSISTENCY_VIOLATION', `${targetOf(write)} was changed by others after the saga's step: its former value was not put back over it. Look at the key, then resolve, skip or retry.`, { cause: error })
  }
}

async function put(state: StateService, write: StateWrite, ifRevision: number, operationId: string, expiresAt: number | null): Promise<number> {
  const options = { ack: 'durable', ifRevision, operationId } as const
  if (write.delete) return (await state.delete(write.agent, write.key, options)).revision
  const ttl = expiresAt === null ? {} : { ttlMs: Math.max(1, expiresAt - Date.now()) }
  return (await state.set(write.agent, write.key, write.value, { ...options, ...ttl })).revision
}

function imageOf(entry: StateEntry | undefined): StateImage {
  if (entry === undefined) return { exists: false, value: null, revision: 0, expiresAt: null }
  return { exists: true, value: entry.value, revision: entry.revision, expiresAt: entry.expiresAt?.getTime() ?? null }
}

function holds(entry: StateEntry | undefined, write: StateWrite): boolean {
  if (write.delete || entry === undefined) return write.delete && entry === undefined
  return canonicalJson(entry.value) === canonicalJson(write.value)
}
