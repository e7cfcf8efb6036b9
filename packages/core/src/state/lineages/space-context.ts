import { CairnError } from '../../errors/index.ts'
import type { LineageCore } from './lineage-core.ts'
import { type KnownContent, knownContent } from './content-cache.ts'
import { decodeFrame } from './frame.ts'
import { type Lineage, LineageNames, checkPart, invalid } from './lineage-id.ts'
import type { LineageAddress, LineageCheckpoint, LineageSpaceOptions, PendingLineageWrite } from './lineage-types.ts'
import type { ReadOp, StoredCheckpoint } from './read-batch.ts'
import { type Sealer, makeSealer } from './seal.ts'
import { unpackWrites } from './write-pack.ts'

const LONGEST_TTL_MS = 100 * 365 * 24 * 3_600_000

/** What every operation of one space works with. */
export class SpaceContext {
  readonly core: LineageCore
  readonly tenant: string
  readonly namespace: string
  readonly fenced: boolean
  readonly hot: boolean
  readonly ttlMs: number | undefined
  readonly sealer: Sealer
  readonly #names: LineageNames

  constructor(core: LineageCore, tenant: string, options: LineageSpaceOptions) {
    this.core = core
    this.tenant = tenant
    this.namespace = checkPart('namespace', options.namespace ?? 'default')
    this.#names = new LineageNames(this.namespace)
    this.fenced = options.fenced ?? false
    if (options.ack !== undefined && options.ack !== 'hot' && options.ack !== 'durable') throw invalidOption('ack', "it must be 'durable' or 'hot'.")
    this.hot = options.ack === 'hot'
    if (this.fenced && this.hot) throw invalidOption('fenced', "only SQL can say who won, so it does not go with ack: 'hot'.")
    this.ttlMs = checkTtl(options.ttlMs)
    this.sealer = makeSealer(options.encryption)
  }

  lineage(address: LineageAddress): Lineage {
    return this.#names.of(address.thread, address.path ?? '')
  }

  /** Contents of another tenant, or read with other keys, are other contents. */
  cacheKey(lineage: Lineage): string {
    return `${this.tenant}\n${this.sealer.id}\n${lineage.id}`
  }

  writeKey(lineage: Lineage, id: string): string {
    return `${this.tenant}\n${lineage.id}\n${id}`
  }

  /** Where a payload belongs: it is sealed for this place. */
  place(lineage: Lineage, id: string, ...part: readonly (string | number)[]): string {
    return this.sealer.encrypts ? JSON.stringify([this.tenant, this.namespace, lineage.thread, lineage.path, id, ...part]) : `Checkpoint ${id} of thread ${lineage.thread}`
  }

  /** As `readStored`, after SQL has got what only the hot tier holds of the lineage. */
  read(lineage: Lineage, id: string | undefined, known: KnownContent | undefined, expired = false): Promise<StoredCheckpoint | undefined> {
    const flushed = this.core.journal.flushed(this.tenant, lineage.id)
    return flushed === undefined ? this.readStored(lineage, id, known, expired) : flushed.then(() => this.readStored(lineage, id, known, expired))
  }

  readStored(lineage: Lineage, id: string | undefined, known: KnownContent | undefined, expired: boolean): Promise<StoredCheckpoint | undefined> {
    const op: ReadOp = { lineageId: lineage.id, id, known: known?.frameId, header: known?.header, expired }
    return this.core.read(this.tenant, op)
  }

  /** The content of what was read; `keep` names checkpoints on the way whose contents are kept as well. */
  content(lineage: Lineage, stored: StoredCheckpoint, known: KnownContent | undefined, keep?: Map<string, KnownContent | undefined>): KnownContent {
    const cacheKey = this.cacheKey(lineage)
    let current = known
    for (const { id, frameId, frame } of stored.frames) {
      const payload = this.sealer.open(frame, this.place(lineage, id, 'frame'))
      const content = decodeFrame(payload, current?.content)
      const whole = payload[0] === 1
      current = knownContent(content, frameId, whole ? 0 : (current?.links ?? 0) + 1, whole ? 0 : (current?.chainBytes ?? 0) + frame.length)
      if (keep?.has(id) === true) keep.set(id, current)
    }
    if (current === undefined || current.frameId !== stored.frameId) throw new CairnError('CONSISTENCY_VIOLATION', `Checkpoint ${stored.id} of thread ${lineage.thread} lacks a checkpoint that it is based on.`)
    if (current.header?.id === stored.id) return current
    const { id, parentId, metadata, createdAt } = stored
    const read = { ...current, header: { id, parentId, metadata, createdAt: new Date(createdAt) } }
    this.core.cache.set(cacheKey, id, read)
    return read
  }

  checkpoint(lineage: Lineage, stored: StoredCheckpoint, known: KnownContent): LineageCheckpoint {
    const writes: PendingLineageWrite[] = []
    for (const { taskId, slot, pack } of stored.packs) {
      for (const write of unpackWrites(this.sealer.open(pack, this.place(lineage, stored.id, 'writes', taskId, slot)))) writes.push({ ...write, taskId })
    }
    return {
      thread: lineage.thread,
      path: lineage.path,
      id: stored.id,
      parentId: stored.parentId === '' ? undefined : stored.parentId,
      body: known.content.body,
      metadata: known.content.exactMetadata === '' ? stored.metadata : known.content.exactMetadata,
      channels: known.content.channels,
      createdAt: stored.createdAt,
      writes,
    }
  }
}

/** INVALID_ARGUMENT unless it is undefined or a whole number of milliseconds from 1 on, up to 100 years. */
export function checkTtl(ttlMs: number | undefined): number | undefined {
  if (ttlMs === undefined) return undefined
  if (!Number.isInteger(ttlMs) || ttlMs < 1 || ttlMs > LONGEST_TTL_MS) throw invalid('ttlMs', `${String(ttlMs)} is not a whole number from 1 on, up to 100 years.`)
  return ttlMs
}

function invalidOption(option: string, why: string): CairnError {
  return new CairnError('INVALID_OPTION', `${option}: ${why}`, { details: { option } })
}
