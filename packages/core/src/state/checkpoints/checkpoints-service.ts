import { v7 as uuidv7 } from 'uuid'
import { CairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { type Page, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import { snapshotAgent } from '../agent-snapshot.ts'
import { canonicalJson } from '../canonical-json.ts'
import { checksumOf } from '../envelope.ts'
import { ReadPath } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import { isLive } from '../state-entry.ts'
import { WritePath } from '../write-path.ts'
import { DELETE_CHECKPOINT, INSERT_CHECKPOINT, LIST_CHECKPOINTS, SELECT_CHECKPOINT } from './checkpoint-queries.ts'
import type { Checkpoint, CheckpointListOptions, CheckpointWithState, CreateCheckpointOptions, ForkResult, RestoreResult } from './checkpoint-types.ts'

const LIST = 'checkpoints'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const WRITES_AT_ONCE = 256

/**
 * Points to which an agent's state can be brought back, or from which another agent starts. Errors: AGENT_NOT_FOUND,
 * NOT_FOUND, INVALID_ARGUMENT, CONSISTENCY_VIOLATION (damaged snapshot), those of `state.set` on restore. Source: S4 §2.2, §9.2.
 */
export class CheckpointsService {
  readonly #core: StateCore
  readonly #identity: TenantIdentity
  readonly #writes: WritePath

  constructor(core: StateCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
    this.#writes = new WritePath(core, new ReadPath(core))
  }

  /** Stores all live keys of the agent as they are now, including what is not flushed; committed by PostgreSQL when it resolves. */
  async create(agent: string, options: CreateCheckpointOptions = {}): Promise<Checkpoint> {
    checkText('name', options.name, 255)
    checkText('trigger', options.trigger, 100)
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    const { entries, kvRevision, consistent } = await snapshotAgent(this.#core, this.#identity.tenant, agentId, isLive)
    const snapshot = `{${[...entries.keys()].sort().map((key) => `${JSON.stringify(key)}:${entries.get(key)?.text as string}`).join(',')}}`
    const metadata = { ...options.metadata, ...(consistent ? {} : { consistent: false }) }
    return this.#insert(agentId, snapshot, entries.size, kvRevision, options, metadata, null)
  }

  /** The checkpoint with its state. */
  async get(id: string): Promise<CheckpointWithState> {
    const row = await this.#load(id)
    const text = canonicalJson(JSON.parse(row.snapshot))
    if (checksumOf(text) !== row.checksum) {
      throw new CairnError('CONSISTENCY_VIOLATION', `Checkpoint ${id} is damaged: its snapshot does not match its SHA-256 checksum. Use an older checkpoint.`, { details: { checkpointId: id } })
    }
    const { snapshot, ...checkpoint } = row
    return { ...checkpoint, state: JSON.parse(text) as Record<string, unknown> }
  }

  /** Checkpoints of an agent, newest first, without their state. */
  async list(agent: string, options: CheckpointListOptions = {}): Promise<Page<Checkpoint>> {
    const limit = pageLimit(options)
    const after = decodeCursor(LIST, options.cursor, 2)
    const agentId = await this.#core.directory.resolve(this.#identity, agent)
    const values = [this.#identity.tenant, agentId, options.name ?? null, after?.[0] ?? null, after?.[1] ?? null, limit + 1]
    const { rows } = await this.#core.sql.query<Checkpoint & { createdText: string }>(this.#identity, LIST_CHECKPOINTS, values)
    const shown = rows.slice(0, limit)
    const last = shown.at(-1)
    const items = shown.map(({ createdText, ...checkpoint }) => checkpoint)
    return { items, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(LIST, [last.createdText, last.id]) : null }
  }

  /**
   * Makes the agent's state what it was: keys are written back, later keys deleted; committed by PostgreSQL when it
   * resolves. Not one transaction: repeating it after an interruption completes it. Nobody else should write to the agent meanwhile.
   */
  async restore(id: string): Promise<RestoreResult> {
    const checkpoint = await this.get(id)
    return this.#apply(checkpoint.agentId, checkpoint.state)
  }

  /** Gives another agent this state (its own keys are replaced) and marks the point with a checkpoint of its own. */
  async fork(id: string, options: { agent: string; name?: string }): Promise<ForkResult> {
    checkText('name', options.name, 255)
    const source = await this.get(id)
    const agentId = await this.#core.directory.resolve(this.#identity, options.agent)
    const result = await this.#apply(agentId, source.state)
    const name = options.name ?? source.name
    const kvRevision = this.#core.hot.lastSeen
    const checkpoint = await this.#insert(agentId, canonicalJson(source.state), source.keyCount, kvRevision, { ...(name === null ? {} : { name }), trigger: 'fork' }, {}, source.id)
    return { ...result, checkpoint }
  }

  /** Removes a checkpoint; false when there was none. */
  async delete(id: string): Promise<boolean> {
    checkId(id)
    return (await this.#core.sql.query(this.#identity, DELETE_CHECKPOINT, [this.#identity.tenant, id])).rowCount > 0
  }

  async #apply(agentId: string, state: Readonly<Record<string, unknown>>): Promise<RestoreResult> {
    const { tenant } = this.#identity
    const now = await snapshotAgent(this.#core, tenant, agentId, isLive)
    const writes: { key: string; text: string | null }[] = []
    let unchanged = 0
    for (const [key, value] of Object.entries(state)) {
      const text = canonicalJson(value)
      if (now.entries.get(key)?.text === text) unchanged++
      else writes.push({ key, text })
    }
    for (const key of now.entries.keys()) if (!Object.hasOwn(state, key)) writes.push({ key, text: null })
    for (let start = 0; start < writes.length; start += WRITES_AT_ONCE) {
      await Promise.all(
        writes.slice(start, start + WRITES_AT_ONCE).map(({ key, text }) =>
          this.#writes.write(this.#identity, { address: { tenant, agentId, key }, text, expiresAt: undefined, ack: 'durable', ifRevision: undefined, operationId: undefined }),
        ),
      )
    }
    const deleted = writes.filter(({ text }) => text === null).length
    return { agentId, written: writes.length - deleted, deleted, unchanged }
  }

  async #insert(agentId: string, snapshot: string, keyCount: number, kvRevision: number, options: CreateCheckpointOptions, metadata: object, source: string | null): Promise<Checkpoint> {
    const values = [
      this.#identity.tenant, uuidv7(), agentId, options.name ?? null, snapshot, keyCount, kvRevision, this.#core.hot.epoch,
      options.trigger ?? 'manual', canonicalJson(metadata), source, checksumOf(snapshot),
    ]
    const { rows } = await this.#core.sql.query<Checkpoint>(this.#identity, INSERT_CHECKPOINT, values)
    return rows[0] as Checkpoint
  }

  async #load(id: string): Promise<Checkpoint & { snapshot: string }> {
    checkId(id)
    const { rows } = await this.#core.sql.query<Checkpoint & { snapshot: string }>(this.#identity, SELECT_CHECKPOINT, [this.#identity.tenant, id])
    if (rows[0] === undefined) throw new CairnError('NOT_FOUND', `No checkpoint ${id} exists in tenant "${this.#identity.tenant}". checkpoints.list(agent) shows those of an agent.`, { details: { checkpointId: id } })
    return rows[0]
  }
}

function checkId(id: string): void {
  if (typeof id !== 'string' || !UUID.test(id)) throw new CairnError('INVALID_ARGUMENT', `checkpointId: ${JSON.stringify(id)} is not a UUID.`, { details: { field: 'checkpointId' } })
}

function checkText(field: string, text: string | undefined, most: number): void {
  if (text === undefined) return
  if (typeof text !== 'string' || text === '' || [...text].length > most || text.includes('\u0000')) {
    throw new CairnError('INVALID_ARGUMENT', `${field}: it must be text of 1 to ${most} characters without U+0000.`, { details: { field } })
  }
}
