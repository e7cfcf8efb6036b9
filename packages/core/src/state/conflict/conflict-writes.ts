import { setTimeout as sleep } from 'node:timers/promises'
import { v4 as uuidv4 } from 'uuid'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { checksumOf, encodeEnvelope } from '../envelope.ts'
import type { ReadPath } from '../read-path.ts'
import type { StateCore } from '../state-core.ts'
import { type StateAddress, type StoredState, addressId, describeAddress, isLive } from '../state-entry.ts'
import { decodeClock, encodeClock } from './conflict-clock.ts'
import type { CrdtOperation } from './crdt/index.ts'
import type { Hlc } from './hlc.ts'
import type { ConflictPolicy, Resolution } from './policy-types.ts'
import type { Incoming, Outcome, ResolveEnvironment, Resolved } from './resolution.ts'
import { currentOf, resolve } from './resolve.ts'
import { vectorOf } from './resolve-vector.ts'
import type { VectorClock } from './vector-clock.ts'

/** Tries against writers of other processes before VERSION_CONFLICT. */
const MOST_TRIES = 40
const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 64

export interface ConflictRequest {
  readonly address: StateAddress
  /** Canonical JSON, null to delete; undefined with an operation. */
  readonly text?: string | null
  readonly operation?: CrdtOperation
  readonly expiresAt: number | undefined
  readonly ack: 'hot' | 'durable'
  readonly ifRevision: number | undefined
  readonly operationId: string | undefined
  /** When the value was made, milliseconds since 1970; now by default. */
  readonly at?: number | undefined
  readonly context?: VectorClock | undefined
  /** Replaces what is there, whatever it is (the restoration of a checkpoint). */
  readonly force?: boolean
}

export interface ConflictResult {
  readonly revision: number
  readonly outcome: Outcome
}

/** Writes of keys under a policy: read, resolve, compare-and-set, and again when another process was faster. */
export class ConflictWrites {
  readonly #core: StateCore
  readonly #reads: ReadPath

  constructor(core: StateCore, reads: ReadPath) {
    this.#core = core
    this.#reads = reads
  }

  async write(identity: TenantIdentity, request: ConflictRequest, policy: ConflictPolicy): Promise<ConflictResult> {
    const id = addressId(request.address)
    const incoming = this.#incoming(request, policy, id)
    const token = this.#core.beginWrite()
    let written: { stored: StoredState; outcome: Outcome } | undefined
    try {
      written = await this.#core.conflicts.inOrder(id, () => this.#toHot(id, request, incoming, policy))
    } catch (error) {
      this.#core.endWrite(token, error)
      if (!isCairnError(error, 'HOT_TIER_UNAVAILABLE') || request.ack !== 'durable' || request.ifRevision !== undefined) throw error
      return this.#core.conflicts.inOrder(id, () => this.#direct(identity, id, request, { ...incoming, remember: policy.strategy === 'crdt' || policy.strategy === 'custom' }, policy))
    }
    const dirty = { address: request.address, stored: written.stored, acknowledgedAt: performance.now() }
    const committed = request.ack === 'durable' ? this.#core.flusher.committed(dirty) : this.#core.flusher.add(dirty)
    this.#core.endWrite(token)
    await committed
    return { revision: written.stored.revision, outcome: written.outcome }
  }

  /** The write as it is made: now, by this node, in knowledge of what this process has seen of the key. */
  #incoming(request: ConflictRequest, policy: ConflictPolicy, id: string): Incoming {
    const { clock } = this.#core.conflicts
    const seen = this.#core.memory.floor(id)
    const known = seen === undefined ? undefined : currentOf(seen, clock)
    if (known?.clock !== undefined) clock.receive(known.clock.h)
    const event = this.#core.conflicts.nextEvent()
    // The number of the write keeps two of one time apart.
    const h: Hlc = request.at === undefined ? clock.tick() : [request.at, event, clock.node]
    const remember = request.operationId !== undefined && (policy.strategy === 'crdt' || policy.strategy === 'custom')
    return {
      id: request.operationId === undefined ? uuidv4().replaceAll('-', '').slice(0, 22) : checksumOf(`${id}\u0000${request.operationId}`).slice(0, 22),
      h,
      event,
      context: request.context ?? (known === undefined || policy.strategy !== 'vector' ? {} : vectorOf(known)),
      remember,
      ...(request.context === undefined ? {} : { exact: true }),
      ...(request.force === true ? { replaces: true } : {}),
      ...(request.text === undefined ? {} : { text: request.text }),
      ...(request.operation === undefined ? {} : { operation: request.operation }),
      ...(request.expiresAt === undefined ? {} : { expiresAt: request.expiresAt }),
    }
  }

  async #toHot(id: string, request: ConflictRequest, incoming: Incoming, policy: ConflictPolicy): Promise<{ stored: StoredState; outcome: Outcome }> {
    const { memory } = this.#core
    memory.begin(id)
    let stored: StoredState | undefined
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          const written = await this.#attempt(id, request, incoming, policy, attempt)
          stored = written.stored
          this.#core.conflicts.count(policy.strategy, written.outcome, attempt)
          return written
        } catch (error) {
          if (!isCairnError(error, 'VERSION_CONFLICT') || error.details['mine'] === true || error.details['siblings'] !== undefined) throw error
          if (attempt + 1 >= MOST_TRIES) throw this.#gaveUp(request.address, error)
          await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt))
        }
      }
    } finally {
      memory.settle(id, stored)
    }
  }

  async #attempt(id: string, request: ConflictRequest, given: Incoming, policy: ConflictPolicy, attempt: number): Promise<{ stored: StoredState; outcome: Outcome }> {
    const { address, operationId } = request
    const { hot } = this.#core
    // What memory holds is tried first: the hot tier checks it.
    const remembered = attempt === 0 && operationId === undefined ? this.#reads.peek(id) : undefined
    const current = remembered?.kvRevision !== undefined ? remembered : await this.#reads.authoritative(address)
    const incoming = request.ifRevision === undefined ? given : { ...given, replaces: true }
    if (request.ifRevision !== undefined && !isAt(current, request.ifRevision)) {
      if (remembered === undefined && operationId === undefined) throw notAt(address, request.ifRevision, current)
      if (remembered === undefined) return this.#repeated(request, incoming, policy, current)
      throw new CairnError('VERSION_CONFLICT', 'what memory holds is not current')
    }
    const resolved = resolve(current, incoming, policy, this.#environment(address, 'normal'))
    if (current !== undefined && current.clock !== undefined) this.#core.conflicts.clock.receive(decodeClock(current.clock).h)
    if (!resolved.changed && current !== undefined) {
      if (remembered !== undefined) throw new CairnError('VERSION_CONFLICT', 'what memory holds may not be current')
      return { stored: current, outcome: resolved.outcome }
    }
    const stored = await this.#put(address, resolved, current?.kvRevision ?? 0, operationId === undefined ? undefined : checksumOf(`${id}\u0000${operationId}`))
    if (operationId === undefined) return { stored, outcome: resolved.outcome }
    // The engine may have answered with the revision of an earlier try, whose value was another.
    const now = await hot.read(address)
    return { stored: now ?? stored, outcome: stored.kvRevision !== undefined && stored.kvRevision <= (current?.kvRevision ?? 0) ? 'repeated' : resolved.outcome }
  }

  /** The revision named is gone; if this operation took it, the engine knows its id. */
  async #repeated(request: ConflictRequest, incoming: Incoming, policy: ConflictPolicy, current: StoredState | undefined): Promise<{ stored: StoredState; outcome: Outcome }> {
    const { address, ifRevision = 0, operationId } = request
    try {
      const resolved = resolve(current, incoming, policy, this.#environment(address, 'normal'))
      const stored = await this.#put(address, resolved, this.#core.hot.kvRevisionOf(ifRevision), checksumOf(`${addressId(address)}\u0000${operationId}`))
      return { stored: (await this.#core.hot.read(address)) ?? stored, outcome: 'repeated' }
    } catch (error) {
      throw isCairnError(error, 'VERSION_CONFLICT') ? notAt(address, ifRevision, current) : error
    }
  }

  async #put(address: StateAddress, resolved: Resolved, expectedRevision: number, operationId: string | undefined): Promise<StoredState> {
    const { hot } = this.#core
    const { envelope, stored } = sealed(this.#core, address, resolved)
    const kvRevision = await hot.put(address, envelope, { expectedRevision, ...(operationId === undefined ? {} : { operationId }) })
    return { ...stored, revision: hot.revisionOf(kvRevision), kvRevision }
  }

  /** Straight to SQL, and into the backlog: when the hot tier is back, the write is resolved against what that holds. */
  async #direct(identity: TenantIdentity, id: string, request: ConflictRequest, incoming: Incoming, policy: ConflictPolicy): Promise<ConflictResult> {
    const { address } = request
    const { memory, flusher, backlog } = this.#core
    memory.begin(id)
    let stored: StoredState | undefined
    try {
      // What this process has not flushed yet belongs to the value too.
      if (flusher.dirtyState(id) !== undefined) await flusher.flushNow()
      for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
        const current = await this.#reads.fromSql(address)
        const resolved = resolve(current, incoming, policy, this.#environment(address, 'direct'))
        if (!resolved.changed && current !== undefined) return { revision: current.revision, outcome: resolved.outcome }
        const { stored: made } = sealed(this.#core, address, resolved)
        const version = await backlog.writeResolved(identity, address, made, current?.revision ?? 0, encodeIncoming(incoming, policy))
        if (version === undefined) {
          await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt))
          continue
        }
        stored = { ...made, revision: version }
        this.#core.conflicts.count(policy.strategy, resolved.outcome, attempt)
        return { revision: version, outcome: resolved.outcome }
      }
      throw this.#gaveUp(address, undefined)
    } finally {
      memory.settle(id, stored)
    }
  }

  #environment(address: StateAddress, mode: ResolveEnvironment['mode']): ResolveEnvironment {
    return environmentOf(this.#core, address, mode)
  }

  #gaveUp(address: StateAddress, cause: unknown): CairnError {
    return new CairnError('VERSION_CONFLICT', `${describeAddress(address)}: other writers were faster ${MOST_TRIES} times. Try again.`, { cause, details: { agentId: address.agentId, key: address.key, tries: MOST_TRIES } })
  }
}

export function environmentOf(core: StateCore, address: StateAddress, mode: ResolveEnvironment['mode']): ResolveEnvironment {
  const { conflicts } = core
  return {
    merges: conflicts.merges,
    where: { agentId: address.agentId, key: address.key },
    replica: conflicts.replica(),
    mode,
    believes: (time) => conflicts.clock.believes(time),
  }
}

/** The envelope of a resolved value. PAYLOAD_TOO_LARGE when value and clock together are larger than a value may be. */
export function sealed(core: StateCore, address: StateAddress, resolved: Resolved): { envelope: string; stored: StoredState } {
  const clock = encodeClock(resolved.clock)
  const bytes = Buffer.byteLength(clock) + Buffer.byteLength(resolved.text ?? '')
  const maxBytes = core.options.maxValueBytes
  if (bytes > maxBytes) {
    throw new CairnError('PAYLOAD_TOO_LARGE', `${describeAddress(address)}: the value and what is kept to resolve its conflicts have ${bytes} bytes as JSON and may have ${maxBytes}. Split it over several keys.`, {
      details: { field: 'value', bytes, maxBytes, key: address.key },
    })
  }
  const text = resolved.text
  const checksum = text === null ? '' : checksumOf(text)
  const writtenAt = Date.now()
  const end = resolved.expiresAt === undefined ? {} : { expiresAt: resolved.expiresAt }
  const envelope = encodeEnvelope({
    text: text ?? 'null', checksum: text === null ? checksumOf('null') : checksum, writtenAt, writer: core.writerId, clock, ...end, ...(text === null ? { deleted: true } : {}),
  })
  return { envelope, stored: { text, checksum, revision: 0, kvRevision: undefined, writtenAt, expiresAt: resolved.expiresAt, clock } }
}

const MARK = '{"incoming":'

/** A write in the backlog that has to be resolved, with the policy it was made under. */
export function encodeIncoming(incoming: Incoming, { strategy, merge, crdtType, maxSiblings }: Resolution): string {
  return JSON.stringify({ incoming, policy: { strategy, merge, crdtType, maxSiblings } })
}

/** Undefined for the envelope of a write without policy. */
export function decodeIncoming(text: string): { incoming: Incoming; policy: Resolution } | undefined {
  return text.startsWith(MARK) ? (JSON.parse(text) as { incoming: Incoming; policy: Resolution }) : undefined
}

function isAt(current: StoredState | undefined, ifRevision: number): boolean {
  if (ifRevision === 0) return current === undefined || !isLive(current)
  return current !== undefined && current.revision === ifRevision && isLive(current)
}

function notAt(address: StateAddress, expected: number, current: StoredState | undefined): CairnError {
  const currentRevision = current !== undefined && isLive(current) ? current.revision : 0
  return new CairnError('VERSION_CONFLICT', `${describeAddress(address)}: you expected revision ${expected}, but it is at ${currentRevision} (0: it does not exist). Read it again, apply your change, and write with its revision.`, {
    details: { agentId: address.agentId, key: address.key, expectedRevision: expected, currentRevision, mine: true },
  })
}
