import { CairnError } from '@cairn/core'
import { OWNER, type SqlEngine, openPostgres } from '@cairn/core/internal'
import { BlobCache } from './blob-cache.ts'
import { CHECKPOINT_TABLES, NEWEST_MIGRATION, SELECT_TABLES, officialQueries } from './official-queries.ts'

const CACHE_BYTES = 16 * 1024 * 1024
/** A group of checkpoints is read at once while its values are smaller. */
const GROUP_BYTES = 8 * 1024 * 1024
const THREADS_AT_ONCE = 500

export interface Head {
  readonly path: string
  readonly id: string
  readonly parentId: string | null
}

export interface OfficialValue {
  readonly version: string
  readonly type: string
  /** Null where the table has none. */
  readonly bytes: Uint8Array | null
}

export interface OfficialWrite {
  readonly taskId: string
  readonly index: number
  readonly channel: string
  readonly type: string | null
  readonly bytes: Uint8Array
}

/** A checkpoint as the tables have it. */
export interface OfficialCheckpoint {
  readonly id: string
  readonly parentId: string | null
  /** JSON text. */
  readonly checkpoint: string
  readonly metadata: string
  readonly channels: ReadonlyMap<string, OfficialValue>
  readonly writes: readonly OfficialWrite[]
}

export interface OfficialItem {
  readonly path: string
  readonly key: string
  readonly value: string
  readonly updatedAt: Date | null
  readonly expiresAt: Date | null
  readonly ttlMs: number | null
}

interface Row {
  readonly id: string
  readonly parentId: string | null
  readonly checkpoint: string
  readonly metadata: string
  readonly names: string[] | null
  readonly versions: string[] | null
  readonly types: string[] | null
  readonly sizes: (number | null)[] | null
  readonly writeBytes: number
}

/** The tables of PostgresSaver and PostgresStore, read only. Errors: those of the SQL engine, INVALID_ARGUMENT from `check`. */
export class OfficialTables {
  readonly #sql: SqlEngine
  readonly #schema: string
  readonly #text: ReturnType<typeof officialQueries>

  private constructor(sql: SqlEngine, schema: string) {
    this.#sql = sql
    this.#schema = schema
    this.#text = officialQueries(schema)
  }

  static async open(url: string, schema: string): Promise<OfficialTables> {
    const sql = await openPostgres({ url, applicationName: 'cairn import', slowStatementMs: 0 })
    return new OfficialTables(sql, schema)
  }

  close(): Promise<void> {
    return this.#sql.close()
  }

  /** INVALID_ARGUMENT unless the tables are there in a form that this release knows. */
  async checkCheckpoints(): Promise<void> {
    const missing = await this.#missing(CHECKPOINT_TABLES)
    if (missing.length > 0) {
      throw new CairnError('INVALID_ARGUMENT', `Schema ${this.#schema} has no table ${missing.join(', ')}, so it is not one that PostgresSaver was set up in. Name the right one with --schema.`, { details: { schema: this.#schema, missing } })
    }
    const [row] = await this.#rows<{ v: number | null }>(this.#text.migration)
    const version = row?.v ?? -1
    if (version < 3 || version > NEWEST_MIGRATION) {
      const why = version > NEWEST_MIGRATION ? 'a later release, or the Python library, wrote them' : 'setup() of PostgresSaver did not end'
      throw new CairnError('INVALID_ARGUMENT', `The tables in schema ${this.#schema} are at migration ${version}, and those of @langchain/langgraph-checkpoint-postgres 1.0 end at ${NEWEST_MIGRATION}: ${why}.`, { details: { schema: this.#schema, migration: version } })
    }
  }

  async checkStore(): Promise<void> {
    if ((await this.#missing(['store'])).length > 0) throw new CairnError('INVALID_ARGUMENT', `Schema ${this.#schema} has no table store, so PostgresStore was not set up in it. Leave --store out, or name the right schema with --schema.`, { details: { schema: this.#schema } })
  }

  async counts(): Promise<{ threads: number; checkpoints: number }> {
    return (await this.#rows<{ threads: number; checkpoints: number }>(this.#text.counts))[0] ?? { threads: 0, checkpoints: 0 }
  }

  async *threads(): AsyncGenerator<string> {
    let before: string | null = null
    for (;;) {
      const rows: { thread: string }[] = await this.#rows<{ thread: string }>(this.#text.threads, [before, THREADS_AT_ONCE])
      for (const { thread } of rows) yield thread
      before = rows.at(-1)?.thread ?? null
      if (before === null || rows.length < THREADS_AT_ONCE) return
    }
  }

  heads(thread: string): Promise<Head[]> {
    return this.#rows<Head>(this.#text.heads, [thread])
  }

  /** Reads the checkpoints of one path, a few megabytes at once, each value once while it is remembered. */
  reader(thread: string, path: string): { read(ids: readonly string[]): AsyncGenerator<OfficialCheckpoint> } {
    const cache = new BlobCache(CACHE_BYTES)
    return { read: (ids) => this.#read(thread, path, ids, cache) }
  }

  async storeCount(): Promise<number> {
    return (await this.#rows<{ items: number }>(this.#text.storeCount))[0]?.items ?? 0
  }

  /** Pages of items that have not expired. */
  async *items(limit: number): AsyncGenerator<OfficialItem[]> {
    let last: OfficialItem | undefined
    do {
      const rows: OfficialItem[] = await this.#rows<OfficialItem>(this.#text.items, [last?.path ?? null, last?.key ?? null, limit])
      if (rows.length > 0) yield rows
      last = rows.length < limit ? undefined : rows.at(-1)
    } while (last !== undefined)
  }

  async *#read(thread: string, path: string, ids: readonly string[], cache: BlobCache): AsyncGenerator<OfficialCheckpoint> {
    const rows = new Map((await this.#rows<Row>(this.#text.rows, [thread, path, ids])).map((row) => [row.id, row]))
    const ordered = ids.flatMap((id) => rows.get(id) ?? [])
    let group: Row[] = []
    let bytes = 0
    const seen = new Set<string>()
    for (const row of ordered) {
      const size = sizeOf(row, seen)
      if (group.length > 0 && bytes + size > GROUP_BYTES) {
        yield* await this.#load(thread, path, group, cache)
        group = []
        bytes = 0
      }
      group.push(row)
      bytes += size
    }
    if (group.length > 0) yield* await this.#load(thread, path, group, cache)
  }

  async #load(thread: string, path: string, rows: readonly Row[], cache: BlobCache): Promise<OfficialCheckpoint[]> {
    const held = new Map<string, Uint8Array>()
    const wanted = new Map<string, readonly [string, string]>()
    for (const { names, versions } of rows) {
      for (const [index, name] of (names ?? []).entries()) {
        const version = versions?.[index] as string
        const key = keyOf(name, version)
        const known = cache.get(key)
        if (known === undefined) wanted.set(key, [name, version])
        else held.set(key, known)
      }
    }
    const pairs = [...wanted.values()]
    const [blobs, writes] = await Promise.all([
      pairs.length === 0 ? [] : this.#rows<{ name: string; version: string; bytes: Uint8Array | null }>(this.#text.blobs, [thread, path, pairs.map(([name]) => name), pairs.map(([, version]) => version)]),
      this.#rows<OfficialWrite & { id: string }>(this.#text.writes, [thread, path, rows.map(({ id }) => id)]),
    ])
    for (const { name, version, bytes } of blobs) {
      if (bytes === null) continue
      held.set(keyOf(name, version), bytes)
      cache.set(keyOf(name, version), bytes)
    }
    const written = Map.groupBy(writes, ({ id }) => id)
    return rows.map(({ id, parentId, checkpoint, metadata, names, versions, types }) => {
      const channels = (names ?? []).map((name, index): [string, OfficialValue] => {
        const version = versions?.[index] as string
        return [name, { version, type: types?.[index] as string, bytes: held.get(keyOf(name, version)) ?? null }]
      })
      return { id, parentId, checkpoint, metadata, channels: new Map(channels), writes: written.get(id) ?? [] }
    })
  }

  async #missing(names: readonly string[]): Promise<string[]> {
    const found = await this.#rows<{ name: string }>(SELECT_TABLES, [this.#schema, names])
    return names.filter((name) => !found.some((table) => table.name === name))
  }

  async #rows<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#sql.query<Row>(OWNER, text, values)).rows
  }
}

/** Bytes that reading it brings: values seen before are in memory already. */
function sizeOf({ names, versions, sizes, writeBytes }: Row, seen: Set<string>): number {
  let bytes = writeBytes
  for (const [index, name] of (names ?? []).entries()) {
    const key = keyOf(name, versions?.[index] as string)
    if (!seen.has(key)) bytes += sizes?.[index] ?? 0
    seen.add(key)
  }
  return bytes
}

function keyOf(name: string, version: string): string {
  return JSON.stringify([name, version])
}
