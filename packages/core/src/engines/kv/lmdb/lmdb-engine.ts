import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { open, type RootDatabase } from 'lmdb'
import { CairnError, isCairnError } from '../../../errors/index.ts'
import { type Logger, SILENT_LOGGER } from '../../../observability/index.ts'
import type { KvBucket, KvBucketOptions, KvCapabilities, KvEngine } from '../kv-engine.ts'
import { checkBucketName } from '../kv-keys.ts'
import { type BinaryDatabase, openBucketStore, openMeta } from './bucket-store.ts'
import { checkDataFile, corrupt } from './data-file-check.ts'
import { claimDirectory, releaseDirectory } from './directory-owner.ts'
import { GroupCommit } from './group-commit.ts'
import { LmdbBucket } from './lmdb-bucket.ts'

const CLOSE_LIMIT_MS = 5_000
const MAX_VALUE_BYTES = 8 * 1024 * 1024
/** Five databases a bucket, 128 buckets, and one for the environment. */
const MAX_DATABASES = 641

export interface LmdbOptions {
  /** Directory of the data file; made when absent. */
  readonly path: string
  readonly log?: Logger
  /** How often expired entries and operation ids are removed. @default 30000 */
  readonly upkeepIntervalMs?: number
}

/** Directories open in this process: LMDB would let a second engine in, and both would give out the same revisions. */
const openPaths = new Set<string>()

/**
 * The KV tier in one LMDB file, for one process. A write is acknowledged when its transaction is committed
 * and synced to disk, so it also survives a crash of the operating system.
 * Errors: DATA_DIR_LOCKED, DATA_DIR_CORRUPT.
 */
export async function openLmdb(options: LmdbOptions): Promise<KvEngine> {
  mkdirSync(options.path, { recursive: true })
  const path = realpathSync(options.path)
  if (openPaths.has(path)) {
    throw new CairnError('DATA_DIR_LOCKED', `${path} is open already in this process. Close it first, or use another directory.`, { details: { path } })
  }
  const file = join(path, 'data.mdb')
  if (existsSync(file)) checkDataFile(file)
  openPaths.add(path)
  let root: RootDatabase<Buffer, Buffer> | undefined
  try {
    root = open<Buffer, Buffer>({
      path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      maxDbs: MAX_DATABASES,
      overlappingSync: true,
      separateFlushed: true,
      // Group commit does the batching; LMDB's own leaves a promise behind that nobody can catch when a commit fails.
      eventTurnBatching: false,
    })
    const meta = openMeta(root)
    claimDirectory(meta, path)
    return new LmdbEngine(path, root, meta, options)
  } catch (error) {
    openPaths.delete(path)
    await root?.close()
    if (isCairnError(error)) throw error
    throw corrupt(path, (error as Error).message, error)
  }
}

class LmdbEngine implements KvEngine {
  readonly kind = 'lmdb'
  readonly capabilities: KvCapabilities = Object.freeze({
    shared: false,
    compression: false,
    perKeyTtl: false,
    republish: true,
    replicas: 1,
    serverVersion: 'lmdb',
    maxValueBytes: MAX_VALUE_BYTES,
  })
  readonly #path: string
  readonly #root: RootDatabase<Buffer, Buffer>
  readonly #meta: BinaryDatabase
  readonly #log: Logger
  readonly #commits: GroupCommit
  readonly #buckets = new Map<string, LmdbBucket>()
  readonly #timer: NodeJS.Timeout
  #upkeep: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(path: string, root: RootDatabase<Buffer, Buffer>, meta: BinaryDatabase, options: LmdbOptions) {
    this.#path = path
    this.#root = root
    this.#meta = meta
    this.#log = options.log ?? SILENT_LOGGER
    this.#commits = new GroupCommit(root, this.#log)
    this.#timer = setInterval(() => {
      this.#upkeep ??= this.#runUpkeep().finally(() => {
        this.#upkeep = undefined
      })
    }, options.upkeepIntervalMs ?? 30_000)
    this.#timer.unref()
  }

  get connected(): boolean {
    return this.#closing === undefined
  }

  async bucket(name: string, options: KvBucketOptions = {}): Promise<KvBucket> {
    checkBucketName(name)
    this.#assertOpen()
    const known = this.#buckets.get(name)
    if (known) {
      known.reconfigure(options)
      return known
    }
    const bucket = new LmdbBucket(name, options, {
      store: openBucketStore(this.#root, this.#meta, name),
      commits: this.#commits,
      log: this.#log,
      maxValueBytes: MAX_VALUE_BYTES,
      assertOpen: () => this.#assertOpen(),
    })
    this.#buckets.set(name, bucket)
    return bucket
  }

  onConnection(): () => void {
    return () => {}
  }

  async ping(): Promise<number> {
    this.#assertOpen()
    const start = performance.now()
    this.#meta.getBinary(Buffer.from('owner'))
    return performance.now() - start
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#upkeep
    await this.#commits.drain()
    for (const bucket of this.#buckets.values()) await bucket.settle()
    try {
      releaseDirectory(this.#meta)
    } catch (error) {
      // A full disk. The mark names this process, so it means nothing once the process has ended.
      this.#log.warn({ err: error, path: this.#path }, 'LMDB: the mark of ownership could not be removed')
    }
    // After an I/O error LMDB waits for a flush that never comes; all that was acknowledged is on disk by now.
    const limit = new AbortController()
    await Promise.race([this.#root.close().finally(() => limit.abort()), sleep(CLOSE_LIMIT_MS, undefined, { signal: limit.signal }).catch(() => {})])
    openPaths.delete(this.#path)
  }

  async #runUpkeep(): Promise<void> {
    for (const bucket of this.#buckets.values()) {
      if (this.#closing) return
      try {
        await bucket.upkeep()
      } catch (error) {
        this.#log.warn({ err: error, bucket: bucket.name }, 'LMDB upkeep failed; it is tried again')
      }
    }
  }

  #assertOpen(): void {
    if (this.#closing) throw new CairnError('CLOSED', 'The KV engine has been closed. Open a new one.')
  }
}
