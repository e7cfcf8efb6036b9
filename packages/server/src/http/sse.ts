import { setTimeout as delay } from 'node:timers/promises'

export interface ServerSentEvent {
  readonly id: string
  readonly event: string
  readonly data: unknown
}

/**
 * A stream of server-sent events from `events`, with a comment at the start and every `keepAliveMs` of silence, so that
 * proxies and clients see that it lives. `stop` is called when the reader goes. `place` is the id of what was before the
 * first event: a client whose connection breaks before that one goes on from there.
 */
export function eventStream(events: AsyncGenerator<ServerSentEvent>, first: Promise<IteratorResult<ServerSentEvent>>, keepAliveMs: number, stop: () => void, place?: string): Response {
  const encoder = new TextEncoder()
  let next: Promise<IteratorResult<ServerSentEvent>> | undefined = first
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(place === undefined ? ': watching\n\n' : `: watching\nid: ${place}\n\n`))
    },
    async pull(controller) {
      const silence = new AbortController()
      const quiet = delay(keepAliveMs, undefined, { signal: silence.signal, ref: false }).catch(() => undefined)
      try {
        // Not ahead of the reader: a message that waits here for it is held, and its lease runs.
        next ??= events.next()
        const result = await Promise.race([next, quiet])
        if (result === undefined) controller.enqueue(encoder.encode(': alive\n\n'))
        else if (result.done === true) controller.close()
        else {
          next = undefined
          controller.enqueue(encoder.encode(frame(result.value)))
        }
      } catch {
        // The status line is long gone: a stream that breaks off makes the client connect again and meet the error there.
        controller.close()
        stop()
      } finally {
        silence.abort()
      }
    },
    cancel() {
      stop()
      // A generator that has an event ready which nobody asks for would stay where it is, with all it holds.
      void events.return(undefined).catch(() => undefined)
    },
  })
  return new Response(stream, { headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' } })
}

/** JSON holds no raw line breaks, so that one data line is enough. */
function frame({ id, event, data }: ServerSentEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
