/** Where the state of an agent is, as this process knows it (S4 §4.2). */
export const LIFECYCLE_STATES = ['cold', 'hydrating', 'active', 'flushing', 'expired'] as const

/**
 * - `cold`: this process holds nothing of the agent.
 * - `hydrating`: its rows are being brought from SQL into the hot tier and memory.
 * - `active`: it was hydrated, or one of its keys was read or written here.
 * - `flushing`: what is dirty of it is being written to SQL at somebody's request.
 * - `expired`: SQL has all of it and it left the hot tier, idle for `idlePurgeMs` or by `expire`. The next use makes it active.
 */
export type LifecycleState = (typeof LIFECYCLE_STATES)[number]

const ALLOWED: Readonly<Record<LifecycleState, readonly LifecycleState[]>> = {
  cold: ['hydrating', 'active', 'flushing', 'expired'],
  hydrating: ['active', 'cold', 'expired'],
  active: ['hydrating', 'flushing', 'expired', 'cold'],
  flushing: ['active', 'cold', 'expired'],
  expired: ['hydrating', 'active', 'flushing', 'cold'],
}

export function mayFollow(from: LifecycleState, to: LifecycleState): boolean {
  return ALLOWED[from].includes(to)
}
