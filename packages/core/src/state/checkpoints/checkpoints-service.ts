import { CairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import { snapshotAgent } from '../agent-snapshot.ts'
import type { StateCore } from '../state-core.ts'
import { isLive } from '../state-entry.ts'
import { CheckpointPolicies } from './checkpoint-policies.ts'
import { FIND_POINT, LIST_CHECKPOINTS } from './checkpoint-queries.ts'
import { CheckpointStore, type HashedText, checkId } from './checkpoint-store.ts'
import { REMOVE_TAG, addTag, addTags, checkTag } from './checkpoint-tags.ts'
import type {
  Checkpoint, CheckpointListOptions, CheckpointWithState, CreateCheckpointOptions, ForkResult, PointInTime, RestoreOptions, RestoreResult, TagOptions,
} from './checkpoint-types.ts'
import { type StateDiff, diffPoints } from './diff-points.ts'
import { type PruneResult, pruneCheckpoints } from './prune-checkpoints.ts'
import { hashed, restoreState, revisionAt } from './restore-state.ts'
import { type RetentionPolicy, checkPolicy, doomed } from './retention.ts'

const LIST = 'checkpoints'

/**
 * Points to which an agent's state can be brought back, or from which another agent starts. A checkpoint stores the values that
 * no earlier one has, and the names of the keys that changed. Errors: AGENT_NOT_FOUND, NOT_FOUND, INVALID_ARGUMENT,
 * CONSISTENCY_VIOLATION (damaged checkpoint), TIMEOUT, those of `state.set` on restore. Source: S4 §2.2, §9.2.
 */
export class CheckpointsService {
  readonly policies: CheckpointPolicies
  readonly #core: StateCore
  readonly #identity: TenantIdentity
  readonly #store: CheckpointStore

  constructor(core: StateCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
    this.#store = new CheckpointStore(core, identity)
    this.policies = new CheckpointPolicies(core, identity)
  }

  /**
   * Stores all live keys of the agent as they are at one moment after the call, including what is not flushed, while
   * writers go on; committed by PostgreSQL when it resolves. Values are kept, their times to live are not.
   */
  async create(agent: string, options: CreateCheckpointOptions = {}): Promise<Checkpoint> {
    checkText('name', options.name, 255)
    checkText('trigger', options.trigger, 100)
    for (const tag of options.tags ?? []) checkTag(tag)
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    const { entries, kvRevision } = await snapshotAgent(this.#core, this.#identity.tenant, agentId, isLive)
    return this.#insert(agentId, entries as ReadonlyMap<string, HashedText>, kvRevision, options, null)
  }

  /** The checkpoint with its state. */
  async get(id: string): Promise<CheckpointWithState> {
    const { checkpoint, texts } = await this.#store.load(id)
    return { ...checkpoint, state: stateOf(texts) }
  }

  /** Checkpoints of an agent, newest first, without their state. */
  async list(agent: string, options: CheckpointListOptions = {}): Promise<Page<Checkpoint>> {
    const limit = pageLimit(options)
    const after = decodeCursor(LIST, options.cursor, 2)
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    const values = [this.#identity.tenant, agentId, options.name ?? null, after?.[0] ?? null, after?.[1] ?? null, limit + 1, options.tag ?? null]
    const { rows } = await this.#core.sql.query<Checkpoint & { createdText: string }>(this.#identity, LIST_CHECKPOINTS, values)
    const shown = rows.slice(0, limit)
    const last = shown.at(-1)
    const items = shown.map(({ createdText, ...checkpoint }) => checkpoint)
    return { items, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(LIST, [last.createdText, last.id]) : null }
  }

  /**
   * The agent's state at a point: the newest checkpoint at or before it, which the result names; no other is read. A tag
   * gives the newest checkpoint that has it. NOT_FOUND when there is none.
   */
  async stateAt(agent: string, point: PointInTime): Promise<CheckpointWithState> {
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    if (!(point instanceof Date) && 'checkpointId' in point) {
      const found = await this.get(point.checkpointId)
      if (found.agentId === agentId) return found
      throw new CairnError('NOT_FOUND', `Checkpoint ${point.checkpointId} is not one of agent ${JSON.stringify(agent)}.`, { details: { checkpointId: point.checkpointId, agentId } })
    }
    return this.get(await this.#find(agentId, point))
  }

  /** The newest checkpoint of the agent with this tag. NOT_FOUND. */
  async find(agent: string, tag: string): Promise<Checkpoint> {
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    return this.#store.get(await this.#find(agentId, { tag }))
  }

  /** What changed from one checkpoint to another, or to the state of its agent now (without `to`). */
  diff(from: string, to?: string): Promise<StateDiff> {
    return diffPoints(this.#core, this.#identity, this.#store, from, to)
  }

  /** Adds a tag; returns the checkpoint. DUPLICATE_KEY when another checkpoint of the agent has it as a moving tag. */
  async tag(id: string, tag: string, options: TagOptions = {}): Promise<Checkpoint> {
    checkTag(tag)
    // The id as it is stored: the caller's may have capitals.
    const { agentId, id: stored } = await this.#store.get(id)
    return this.#store.locked(agentId, async (session) => {
      await this.#store.get(stored, session)
      await addTag(session, this.#identity.tenant, agentId, stored, tag, options)
      return this.#store.get(stored, session)
    })
  }

  /** Removes a tag; false when the checkpoint did not have it. */
  async untag(id: string, tag: string): Promise<boolean> {
    checkId(id)
    checkTag(tag)
    return (await this.#core.sql.query(this.#identity, REMOVE_TAG, [this.#identity.tenant, id, tag])).rowCount > 0
  }

  /**
   * Makes the agent's state what it was: keys are written back, later keys deleted; committed by PostgreSQL when it
   * resolves. Everything is verified before the first write. Embedded, the hot tier takes all keys in one commit (up to 10,000
   * or 32 MB); JetStream takes them one by one. An interrupted restore is completed by the next process that opens, except
   * for keys written since.
   */
  async restore(id: string, options: RestoreOptions = {}): Promise<RestoreResult> {
    const { checkpoint, texts } = await this.#store.load(id)
    const since = options.ifUnchangedSince === undefined ? undefined : await this.#revisionOf(options.ifUnchangedSince, checkpoint.agentId)
    return restoreState(this.#core, this.#identity, { agentId: checkpoint.agentId, checkpointId: id, texts }, since)
  }

  /** Gives another agent this state (its own keys are replaced) and marks the point with a checkpoint of its own. */
  async fork(id: string, options: { agent: string; name?: string }): Promise<ForkResult> {
    checkText('name', options.name, 255)
    const { checkpoint: source, texts } = await this.#store.load(id)
    const agentId = await this.#core.directory.resolve(this.#identity, options.agent)
    const result = await restoreState(this.#core, this.#identity, { agentId, checkpointId: id, texts }, undefined)
    const name = options.name ?? source.name
    const checkpoint = await this.#insert(agentId, hashed(texts), this.#core.hot.lastSeen, { ...(name === null ? {} : { name }), trigger: 'fork' }, source.id)
    return { ...result, checkpoint }
  }

  /** Removes a checkpoint; false when there was none, or when a restore is reading it. The others load as before. */
  async delete(id: string): Promise<boolean> {
    checkId(id)
    const found = await this.#store.get(id).catch((error: unknown) => {
      if (error instanceof CairnError && error.code === 'NOT_FOUND') return undefined
      throw error
    })
    if (found === undefined) return false
    return (await pruneCheckpoints(this.#store, this.#identity.tenant, found.agentId, () => new Set([found.id]), false)).removed.length > 0
  }

  /** Removes the checkpoints of an agent that the policy does not keep; with `dryRun` only says which. INVALID_ARGUMENT. */
  async prune(agent: string, policy: RetentionPolicy, { dryRun = false }: { dryRun?: boolean } = {}): Promise<PruneResult> {
    checkPolicy(policy)
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    return pruneCheckpoints(this.#store, this.#identity.tenant, agentId, (candidates) => doomed(candidates, policy, new Date()), dryRun)
  }

  async #insert(agentId: string, entries: ReadonlyMap<string, HashedText>, kvRevision: number, options: CreateCheckpointOptions, source: string | null): Promise<Checkpoint> {
    const { name = null, trigger = 'manual', metadata = {}, tags = [] } = options
    const checkpoint = { agentId, name, trigger, metadata, kvRevision, kvEpoch: this.#core.hot.epoch, source }
    return this.#store.insert(checkpoint, entries, (session, id) => addTags(session, this.#identity.tenant, agentId, id, tags))
  }

  async #find(agentId: string, point: Date | { readonly kvRevision: number } | { readonly tag: string }): Promise<string> {
    const values: unknown[] = [this.#identity.tenant, agentId, null, null, this.#core.hot.epoch, null]
    if (point instanceof Date) {
      if (Number.isNaN(point.getTime())) throw new CairnError('INVALID_ARGUMENT', 'point: it is not a time.', { details: { field: 'point' } })
      values[2] = endOfMillisecond(point)
    } else if ('kvRevision' in point) {
      if (!Number.isSafeInteger(point.kvRevision) || point.kvRevision < 0) throw new CairnError('INVALID_ARGUMENT', `kvRevision: ${point.kvRevision} is not a revision.`, { details: { field: 'kvRevision' } })
      values[3] = point.kvRevision
    } else {
      checkTag(point.tag)
      values[5] = point.tag
    }
    const { rows } = await this.#core.sql.query<{ id: string }>(this.#identity, FIND_POINT, values)
    if (rows[0] !== undefined) return rows[0].id
    throw new CairnError('NOT_FOUND', `Agent ${agentId} has no checkpoint ${describe(point)}. checkpoints.list(agent) shows those it has.`, { details: { agentId } })
  }

  async #revisionOf(since: string | number, agentId: string): Promise<number> {
    if (typeof since === 'number') {
      if (Number.isSafeInteger(since) && since >= 0) return this.#core.hot.revisionOf(since)
      throw new CairnError('INVALID_ARGUMENT', `ifUnchangedSince: ${since} is not a kvRevision.`, { details: { field: 'ifUnchangedSince' } })
    }
    const checkpoint = await this.#store.get(since)
    if (checkpoint.agentId !== agentId || checkpoint.kvRevision === null || checkpoint.kvEpoch === null) {
      throw new CairnError('INVALID_ARGUMENT', `ifUnchangedSince: checkpoint ${since} marks no moment of this agent in this database.`, { details: { field: 'ifUnchangedSince' } })
    }
    return revisionAt(this.#core, checkpoint.kvRevision, checkpoint.kvEpoch)
  }
}

function stateOf(texts: ReadonlyMap<string, string>): Record<string, unknown> {
  // Through JSON, so that any key is a property of its own, also `__proto__`.
  return JSON.parse(`{${[...texts.keys()].sort().map((key) => `${JSON.stringify(key)}:${texts.get(key) as string}`).join(',')}}`) as Record<string, unknown>
}

/** A Date has milliseconds, the row microseconds: a checkpoint of this very millisecond counts. PostgreSQL writes other years than these another way. */
function endOfMillisecond(point: Date): string {
  const end = point.getTime() + 1
  if (end > Date.parse('9999-12-31T23:59:59.999Z')) return 'infinity'
  return end < Date.parse('0001-01-01T00:00:00.000Z') ? '-infinity' : new Date(end).toISOString()
}

function describe(point: Date | { readonly kvRevision: number } | { readonly tag: string }): string {
  if (point instanceof Date) return `from ${point.toISOString()} or before`
  return 'tag' in point ? `with the tag ${JSON.stringify(point.tag)}` : `at kvRevision ${point.kvRevision} or before, in the present life of the bucket`
}

function checkText(field: string, text: string | undefined, most: number): void {
  if (text === undefined) return
  if (typeof text !== 'string' || text === '' || [...text].length > most || text.includes('\u0000') || !text.isWellFormed()) {
    throw new CairnError('INVALID_ARGUMENT', `${field}: it must be text of 1 to ${most} characters without U+0000 and lone surrogates.`, { details: { field } })
  }
}
