import type { TailedEvent } from '../event-types.ts'

export interface TailPart {
  readonly events: AsyncIterable<TailedEvent>
  /** Where it begins, until an event tells a newer place. */
  readonly start: string
}

const BETWEEN = '~'

/** Several tails as one. Its cursor holds the cursors of all parts, in their order. */
export async function* mergeTails(parts: readonly TailPart[]): AsyncGenerator<TailedEvent> {
  const iterators = parts.map(({ events }) => events[Symbol.asyncIterator]())
  const cursors = parts.map(({ start }) => start)
  const next = async (index: number): Promise<{ index: number; result: IteratorResult<TailedEvent> }> => ({ index, result: await (iterators[index] as AsyncIterator<TailedEvent>).next() })
  const waiting = new Map(iterators.map((_, index) => [index, next(index)]))
  try {
    while (waiting.size > 0) {
      const { index, result } = await Promise.race(waiting.values())
      if (result.done === true) {
        waiting.delete(index)
        continue
      }
      cursors[index] = result.value.cursor
      yield { ...result.value, cursor: cursors.join(BETWEEN) }
      waiting.set(index, next(index))
    }
  } finally {
    for (const waited of waiting.values()) waited.catch(() => undefined)
    for (const iterator of iterators) void iterator.return?.()
  }
}

/** The cursors of `count` parts, or undefined when this is none of ours. */
export function splitCursor(cursor: string, count: number): string[] | undefined {
  const parts = cursor.split(BETWEEN)
  return parts.length === count && parts.every((part) => part !== '') ? parts : undefined
}
