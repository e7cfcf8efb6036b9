import { isCairnError } from '../../errors/index.ts'
import { type CacheTier, TierAway } from './cache-tier.ts'

/** The right to load a key, held by one process of all. Nobody's clock is compared: a lease that does not change is dead. */
export interface Lease {
  release(): Promise<void>
}

export interface SeenLease {
  readonly revision: number
  readonly since: number
}

/** A lease, or the one that another process holds; `seen` is what an earlier call saw. */
export async function takeLease(tier: CacheTier, tenant: string, key: string, leaseMs: number, seen: SeenLease | undefined): Promise<Lease | SeenLease> {
  const current = await tier.get('l', tenant, key)
  const held = current !== undefined && !current.deleted
  if (held) {
    if (seen?.revision !== current.revision) return { revision: current.revision, since: performance.now() }
    if (performance.now() - seen.since < leaseMs) return seen
  }
  try {
    return holdLease(tier, tenant, key, leaseMs, await put(tier, tenant, key, current?.revision ?? 0))
  } catch (error) {
    if (isCairnError(error, 'VERSION_CONFLICT')) return { revision: -1, since: performance.now() }
    throw error
  }
}

function holdLease(tier: CacheTier, tenant: string, key: string, leaseMs: number, taken: number): Lease {
  let revision: number | undefined = taken
  let renewing: Promise<void> | undefined
  const timer = setInterval(() => {
    const from = revision
    if (renewing !== undefined || from === undefined) return
    renewing = put(tier, tenant, key, from)
      .then((next) => void (revision = next))
      // Somebody took it over, or the tier is away: the fill finds out.
      .catch(() => void (revision = undefined))
      .finally(() => void (renewing = undefined))
  }, leaseMs / 3)
  timer.unref()
  return {
    async release() {
      clearInterval(timer)
      await renewing
      const from = revision
      if (from === undefined) return
      await tier.call((bucket) => bucket.delete([tenant, 'l', key], { expectedRevision: from })).catch((error: unknown) => {
        if (!(error instanceof TierAway) && !isCairnError(error, 'VERSION_CONFLICT')) throw error
      })
    },
  }
}

function put(tier: CacheTier, tenant: string, key: string, expectedRevision: number): Promise<number> {
  return tier.call((bucket) => bucket.put([tenant, 'l', key], '1', { expectedRevision }))
}
