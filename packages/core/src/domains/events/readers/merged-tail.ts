import type { TailedEvent } from '../event-types.ts'

export interface TailPart {
  readonly events: AsyncIterable<TailedEvent>
  /** Where it begins, until an event tells a newer place. */
  readonly start: string
}

interface Answer {
  readonly index: number
  /** Undefined at the end of the part. */
  readonly event?: TailedEvent
  readonly failure?: { readonly error: unknown }
}

const BETWEEN = '~'

/**
 * Several tails as one. Its cursor holds the cursors of all parts, in their order. No `Promise.race`: a part that is silent for days
 * would keep what every race with it ended with.
 */
export async function* mergeTails(parts: readonly TailPart[]): AsyncGenerator<TailedEvent> {
  const iterators = parts.map(({ events }) => events[Symbol.asyncIterator]())
  const cursors = parts.map(({ start }) => start)
  const answers: Answer[] = []
  let news = (): void => undefined
  const told = (answer: Answer): void => {
    answers.push(answer)
    news()
  }
  const ask = (index: number): void => {
    const next = (iterators[index] as AsyncIterator<TailedEvent>).next()
    next.then(({ done, value }) => told(done === true ? { index } : { index, event: value }), (error: unknown) => told({ index, failure: { error } }))
  }
  iterators.forEach((_, index) => ask(index))
  try {
    for (let open = parts.length; open > 0; ) {
      const answer = answers.shift()
      if (answer === undefined) {
        await new Promise<void>((resolve) => (news = resolve))
        continue
      }
      const { index, event, failure } = answer
      if (failure !== undefined) throw failure.error
      if (event === undefined) {
        open--
        continue
      }
      cursors[index] = event.cursor
      yield { ...event, cursor: joinCursors(cursors) }
      ask(index)
    }
  } finally {
    for (const iterator of iterators) void iterator.return?.()
  }
}

export function joinCursors(cursors: readonly string[]): string {
  return cursors.join(BETWEEN)
}

/** The cursors of `count` parts, or undefined when this is none of ours. */
export function splitCursor(cursor: string, count: number): string[] | undefined {
  const parts = cursor.split(BETWEEN)
  return parts.length === count && parts.every((part) => part !== '') ? parts : undefined
}
