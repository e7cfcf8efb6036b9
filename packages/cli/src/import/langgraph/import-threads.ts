import { CairnError, type LineageSpace } from '@cairn/core'
import type { Head, OfficialTables } from './official-tables.ts'
import { parentsFirst } from './parents-first.ts'
import type { ImportReport } from './report.ts'
import { type Converted, type Difference, convert, difference } from './stored-form.ts'

export type ImportMode = 'import' | 'dry-run' | 'verify'

export interface ThreadImport {
  readonly source: OfficialTables
  readonly space: LineageSpace
  readonly report: ImportReport
  readonly mode: ImportMode
  /** Checkpoints read and compared at once. */
  readonly batch: number
  /** Ends the import behind the checkpoint under way. */
  readonly signal: AbortSignal
  readonly onProgress: (thread: string) => void
}

/**
 * Carries one thread over, path by path and parents first. What is there already and the same is not written again. A path
 * with checkpoints that the tables do not have went on in Cairn: it is left alone.
 */
export async function importThread(run: ThreadImport, thread: string): Promise<void> {
  const heads = await run.source.heads(thread)
  for (const [path, ofPath] of Map.groupBy(heads, (head) => head.path)) {
    if (run.signal.aborted) return
    run.report.checkpoints.found += ofPath.length
    const settled = new Set<string>()
    try {
      await importPath(run, thread, path, ofPath, settled)
    } catch (error) {
      if (!(error instanceof PathProblem)) throw error
      for (const { id } of ofPath) if (!settled.has(id)) run.report.fail('checkpoints', { thread, path, checkpoint: id }, error.cause)
    }
  }
  if (!run.signal.aborted) run.report.threads++
}

/** What concerns all checkpoints of a path. */
class PathProblem extends Error {}

async function importPath(run: ThreadImport, thread: string, path: string, heads: readonly Head[], settled: Set<string>): Promise<void> {
  const { source, space, report, mode, batch, signal, onProgress } = run
  const reader = source.reader(thread, path)
  const differing = new Map<string, Difference>()
  const known = new Set(heads.map(({ id }) => id))
  const fail = (id: string, error: unknown): void => {
    settled.add(id)
    report.fail('checkpoints', { thread, path, checkpoint: id }, error)
  }

  let cursor: string | undefined
  do {
    const page = await space.list({ thread, path, limit: batch, ...(cursor === undefined ? {} : { cursor }) }).catch((error: unknown) => {
      throw new PathProblem('it cannot be listed', { cause: error })
    })
    const others = page.items.filter(({ id }) => !known.has(id))
    for (const { id } of others) {
      if (mode !== 'verify') throw new PathProblem('it went on', { cause: wentOn(thread, path, id) })
      fail(id, wentOn(thread, path, id))
    }
    const stored = new Map(page.items.filter(({ id }) => known.has(id)).map((item) => [item.id, item]))
    for await (const official of reader.read([...stored.keys()])) {
      try {
        const there = stored.get(official.id)
        const found = there === undefined ? undefined : difference(convert(thread, path, official), there)
        if (found === undefined || (mode !== 'verify' && found.parts.length === 0 && found.writes === 'more')) {
          settled.add(official.id)
          report.checkpoints.same++
          onProgress(thread)
        } else if (mode === 'verify') fail(official.id, unequal(thread, official.id, found))
        else differing.set(official.id, found)
      } catch (error) {
        fail(official.id, error)
      }
    }
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined && !signal.aborted)

  const left = parentsFirst(heads).filter((id) => !settled.has(id))
  if (mode === 'verify') {
    for (const id of left) fail(id, new CairnError('CONSISTENCY_VIOLATION', `Checkpoint ${id} of thread ${thread} is not in Cairn.`))
    return
  }
  for (let at = 0; at < left.length && !signal.aborted; at += batch) {
    for await (const official of reader.read(left.slice(at, at + batch))) {
      if (signal.aborted) break
      try {
        const converted = convert(thread, path, official)
        if (mode === 'import') await store(space, converted, differing.get(official.id))
        settled.add(official.id)
        report.checkpoints.written++
        report.writes += official.writes.length
        onProgress(thread)
      } catch (error) {
        fail(official.id, error)
      }
    }
  }
}

/** All at once, so that a checkpoint and its writes share a statement. */
async function store(space: LineageSpace, { append, writes }: Converted, found: Difference | undefined): Promise<void> {
  const { thread, path = '', id } = append
  const ofTasks = found?.writes === 'same' ? [] : [...writes]
  await Promise.all([
    ...(found === undefined || found.parts.length > 0 ? [space.append(append)] : []),
    ...ofTasks.map(([taskId, ofTask]) => space.appendWrites({ thread, path, id, taskId, writes: ofTask })),
  ])
}

function wentOn(thread: string, path: string, id: string): CairnError {
  const text = `Thread ${thread}${path === '' ? '' : `, path ${path}`} has the checkpoint ${id}, which the official tables do not have: it went on in Cairn, and is left as it is. To import it anew, delete the thread in Cairn first.`
  return new CairnError('VERSION_CONFLICT', text, { details: { thread, path, checkpoint: id } })
}

function unequal(thread: string, id: string, { parts, writes }: Difference): CairnError {
  const what = [...parts, ...(writes === 'same' ? [] : ['writes'])]
  return new CairnError('CONSISTENCY_VIOLATION', `Checkpoint ${id} of thread ${thread} differs in its ${what.join(', ')}.`, { details: { thread, checkpoint: id, differs: what } })
}
