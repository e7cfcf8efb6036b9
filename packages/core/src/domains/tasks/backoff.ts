import type { Backoff } from './types.ts'

const DEFAULTS = { baseMs: 1000, factor: 2, maxMs: 300_000 } as const

/** How long to wait before retry number `retry` (1 is the first): exponential, of which a random half to whole, so that retries spread. */
export function retryDelay(retry: number, backoff: Backoff = {}): number {
  const { baseMs, factor, maxMs } = { ...DEFAULTS, ...backoff }
  const full = Math.min(maxMs, baseMs * factor ** (retry - 1))
  return Math.round(full * (0.5 + Math.random() / 2))
}
