import { EXIT } from './exit-codes.ts'

/** An interrupt from a terminal may arrive twice at once: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 500

/**
 * Aborts at the first SIGINT or SIGTERM, with the signal's name as reason. A second one ends the process at once,
 * and so does the time limit, counted from the first: what is acknowledged is safe even then.
 */
export function onStopSignal(limitMs: number, tell: (text: string) => void): AbortSignal {
  const controller = new AbortController()
  let firstAt: number | undefined
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (firstAt === undefined) {
        firstAt = performance.now()
        setTimeout(() => {
          tell(`Not stopped after ${limitMs / 1000} s: giving up.`)
          process.exit(EXIT.failed)
        }, limitMs).unref()
        controller.abort(name)
      } else if (performance.now() - firstAt > SAME_SIGNAL_MS) {
        process.exit(name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated)
      }
    })
  }
  return controller.signal
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
