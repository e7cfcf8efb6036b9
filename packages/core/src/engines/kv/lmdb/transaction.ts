import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RootDatabase } from 'lmdb'

/** A flush that was neither confirmed nor refused by then will not be: LMDB's promise stays open after an I/O error. */
const FLUSH_LIMIT_MS = 30_000

type Commit = Promise<boolean> & { readonly flushed?: Promise<boolean> }

/**
 * One transaction: all of what `write` puts and removes, or nothing. Resolves when it is on disk. Calls
 * `onCommitted` when it is visible; if it rejects after that, whether a crash undoes it is unknown.
 */
export async function writeTogether(root: RootDatabase<Buffer, Buffer>, write: () => void, onCommitted?: () => void): Promise<void> {
  const commit = root.batch(write) as Commit
  try {
    await commit
    onCommitted?.()
    if (commit.flushed) await flushed(commit.flushed)
  } catch (error) {
    throw await reasonOf(error)
  } finally {
    // The shared read transaction may still show the state before.
    root.resetReadTxn()
  }
}

/** LMDB hands out the reason of a failed commit as a promise, which nobody else takes and which may stay open. */
async function reasonOf(error: unknown): Promise<unknown> {
  const reason = (error as { commitError?: Promise<unknown> }).commitError
  if (!reason) return error
  return Promise.race([rejectionOf(reason, error), nextTurn(error)])
}

async function rejectionOf(promise: Promise<unknown>, otherwise: unknown): Promise<unknown> {
  try {
    await promise
    return otherwise
  } catch (cause) {
    return cause
  }
}

async function flushed(promise: Promise<boolean>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`The disk did not confirm a flush within ${FLUSH_LIMIT_MS} ms.`)), FLUSH_LIMIT_MS)
  })
  try {
    await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}
