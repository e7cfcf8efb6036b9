import { CairnError, isCairnError } from '../errors/index.ts'
import type { KvWriteOptions } from '../engines/kv/index.ts'
import type { TenantIdentity } from '../identity/index.ts'
import { type ConflictPolicy, type ConflictRequest, type ConflictResult, ConflictWrites } from './conflict/index.ts'
import { checksumOf, encodeEnvelope } from './envelope.ts'
import type { ReadPath } from './read-path.ts'
import type { StateCore } from './state-core.ts'
import { type StateAddress, type StoredState, addressId, describeAddress, isLive } from './state-entry.ts'

export interface WriteRequest {
  readonly address: StateAddress
  /** Canonical JSON, or null to delete. */
  readonly text: string | null
  readonly expiresAt: number | undefined
  readonly ack: 'hot' | 'durable'
  /** Revision expected; 0 = the key must not exist. */
  readonly ifRevision: number | undefined
  readonly operationId: string | undefined
}

/** A purge or hydration may move an entry in the bucket between look and write without changing its revision. */
const MOVED_TRIES = 4

/** Hot tier first, then SQL. The hot tier decides who wins. */
export class WritePath {
  readonly #core: StateCore
  readonly #reads: ReadPath
  readonly #conflicts: ConflictWrites

  constructor(core: StateCore, reads: ReadPath) {
    this.#core = core
    this.#reads = reads
    this.#conflicts = new ConflictWrites(core, reads)
  }

  /** The policy of a key; undefined: the last acknowledged write wins. */
  policyOf(address: StateAddress): ConflictPolicy | undefined | Promise<ConflictPolicy | undefined> {
    return this.#core.conflicts.policies.of(address)
  }

  /** A write of a key under a policy. */
  resolve(identity: TenantIdentity, request: ConflictRequest, policy: ConflictPolicy): Promise<ConflictResult> {
    return this.#conflicts.write(identity, request, policy)
  }

  /** Writes over what is there, also under a conflict policy; resolves with the revision. */
  async write(identity: TenantIdentity, request: WriteRequest): Promise<number> {
    const found = this.policyOf(request.address)
    const policy = found instanceof Promise ? await found : found
    return policy === undefined ? this.plain(identity, request) : (await this.#conflicts.write(identity, { ...request, force: true }, policy)).revision
  }

  /** A write of a key without policy: the last one acknowledged stays. */
  async plain(identity: TenantIdentity, request: WriteRequest): Promise<number> {
    const { address, text } = request
    const id = addressId(address)
    const writtenAt = Date.now()
    const checksum = text === null ? '' : checksumOf(text)
    const envelope =
      text === null
        ? ''
        : encodeEnvelope({ text, checksum, writtenAt, writer: this.#core.writerId, ...(request.expiresAt === undefined ? {} : { expiresAt: request.expiresAt }) })
    const token = this.#core.beginWrite()
    this.#core.memory.begin(id)
    let stored: StoredState | undefined
    try {
      const kvRevision = await this.#toHot(request, envelope)
      stored = { text, checksum, revision: this.#core.hot.revisionOf(kvRevision), kvRevision, writtenAt, expiresAt: request.expiresAt }
    } catch (error) {
      this.#core.endWrite(token, error)
      if (isCairnError(error, 'HOT_TIER_UNAVAILABLE') && request.ack === 'durable' && request.ifRevision === undefined) {
        const revision = await this.#core.backlog.write(identity, address, { text, checksum, writtenAt, expiresAt: request.expiresAt, envelope })
        stored = { text, checksum, revision, kvRevision: undefined, writtenAt, expiresAt: request.expiresAt }
        return revision
      }
      throw error
    } finally {
      // A repeated operation answers with its first revision, which may be old: memory reads the key again.
      if (request.operationId !== undefined && stored?.kvRevision !== undefined) this.#core.memory.changed(id, stored.kvRevision + 1)
      this.#core.memory.settle(id, request.operationId === undefined ? stored : undefined)
    }
    const dirty = { address, stored, acknowledgedAt: performance.now() }
    const committed = request.ack === 'durable' ? this.#core.flusher.committed(dirty) : this.#core.flusher.add(dirty)
    this.#core.endWrite(token)
    await committed
    return stored.revision
  }

  #toHot(request: WriteRequest, envelope: string): Promise<number> {
    if (request.ifRevision !== undefined) return this.#compareAndSet(request, envelope, request.ifRevision)
    return this.#send(request, envelope, undefined)
  }

  #send(request: WriteRequest, envelope: string, expectedRevision: number | undefined): Promise<number> {
    const { hot } = this.#core
    const options: KvWriteOptions = {
      ...(expectedRevision === undefined ? {} : { expectedRevision }),
      // Two keys, agents or tenants may use one id without meaning one operation.
      ...(request.operationId === undefined ? {} : { operationId: checksumOf(`${addressId(request.address)}\u0000${request.operationId}`) }),
    }
    return request.text === null ? hot.delete(request.address, options) : hot.put(request.address, envelope, options)
  }

  /** Sends with the bucket revision that carries the expected one. What memory holds is tried first: the hot tier checks it. */
  async #compareAndSet(request: WriteRequest, envelope: string, ifRevision: number): Promise<number> {
    const { address } = request
    for (let attempt = 0; attempt < MOVED_TRIES; attempt++) {
      const remembered = attempt === 0 ? this.#reads.peek(addressId(address)) : undefined
      const current = remembered?.kvRevision !== undefined && matches(remembered, ifRevision) ? remembered : await this.#reads.authoritative(address)
      if (!matches(current, ifRevision)) {
        if (request.operationId === undefined) throw await refused(address, ifRevision, current)
        return this.#repeat(request, envelope, ifRevision, current)
      }
      try {
        return await this.#send(request, envelope, current?.kvRevision ?? 0)
      } catch (error) {
        if (!isCairnError(error, 'VERSION_CONFLICT')) throw error
      }
    }
    throw await refused(address, ifRevision, await this.#reads.authoritative(address))
  }

  /**
   * The expected revision is gone, but this may be the repetition of an operation that was applied. The engine knows: it
   * answers a known operation id with its first revision, and an unknown one with a conflict, as the revision is old.
   */
  async #repeat(request: WriteRequest, envelope: string, ifRevision: number, current: StoredState | undefined): Promise<number> {
    try {
      return await this.#send(request, envelope, this.#core.hot.kvRevisionOf(ifRevision))
    } catch (error) {
      throw isCairnError(error, 'VERSION_CONFLICT') ? await refused(request.address, ifRevision, current) : error
    }
  }
}

function matches(current: StoredState | undefined, ifRevision: number): boolean {
  if (ifRevision === 0) return current === undefined || !isLive(current)
  return current !== undefined && current.revision === ifRevision && isLive(current)
}

/**
 * The error, after a turn of the event loop. Where the hot tier answers without I/O (LMDB), callers who read and try again at once
 * would never let the commit through that they wait for.
 */
async function refused(address: StateAddress, expected: number, current: StoredState | undefined): Promise<CairnError> {
  await new Promise((resolve) => setImmediate(resolve))
  return conflict(address, expected, current)
}

function conflict(address: StateAddress, expected: number, current: StoredState | undefined): CairnError {
  const currentRevision = current !== undefined && isLive(current) ? current.revision : 0
  const found = currentRevision === 0 ? 'the key does not exist' : `it is at revision ${currentRevision}`
  const wanted = expected === 0 ? 'the key not to exist' : `revision ${expected}`
  return new CairnError('VERSION_CONFLICT', `${describeAddress(address)}: you expected ${wanted}, but ${found}. Read it again, apply your change, and write with its revision.`, {
    details: { agentId: address.agentId, key: address.key, expectedRevision: expected, currentRevision },
  })
}
