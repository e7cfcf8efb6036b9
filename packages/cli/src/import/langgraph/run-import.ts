import type { Cairn, LineageEncryption } from '@cairn/core'
import { importStore } from './import-store.ts'
import { type ImportMode, importThread } from './import-threads.ts'
import type { OfficialTables } from './official-tables.ts'
import { ImportReport } from './report.ts'

/** Threads carried over side by side: while one waits for a commit, another reads. */
const LANES = 4

export interface LangGraphImport {
  readonly source: OfficialTables
  readonly cairn: Cairn
  readonly namespace: string
  readonly encryption?: LineageEncryption
  /** @default all threads */
  readonly threads?: readonly string[]
  readonly batch: number
  readonly mode: ImportMode
  readonly strict: boolean
  /** The collection that takes the items of PostgresStore; undefined to leave them. */
  readonly store?: string
  /** False when only the store is asked for. */
  readonly checkpoints: boolean
  readonly signal: AbortSignal
  readonly onProgress: (report: ImportReport, doing: string) => void
}

/** Reads the official tables and writes Cairn; memory follows the batch, not the tables. Errors: those of both sides. */
export async function runImport(options: LangGraphImport): Promise<ImportReport> {
  const { source, cairn, namespace, encryption, mode, batch, signal, onProgress } = options
  const report = new ImportReport(options.strict)
  if (options.checkpoints) {
    const space = cairn.lineages.space({ namespace, ...(encryption === undefined ? {} : { encryption }) })
    const stop = new AbortController()
    const work = { source, space, report, mode, batch, signal: AbortSignal.any([signal, stop.signal]), onProgress: (thread: string) => onProgress(report, `thread ${thread}`) }
    const threads = options.threads === undefined ? source.threads() : given(options.threads)
    const lane = async (): Promise<void> => {
      for (;;) {
        const next = await threads.next()
        if (next.done === true || work.signal.aborted) return
        await importThread(work, next.value)
      }
    }
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, () => lane().catch((error: unknown) => {
      stop.abort()
      throw error
    })))
    for (const one of lanes) if (one.status === 'rejected') throw one.reason
  }
  if (options.store !== undefined && !signal.aborted) {
    await importStore({ source, documents: cairn.documents, collection: options.store, report, mode, signal, onProgress: () => onProgress(report, 'the store') })
  }
  return report
}

async function* given(threads: readonly string[]): AsyncGenerator<string> {
  yield* new Set(threads)
}
