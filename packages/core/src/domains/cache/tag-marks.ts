import { LRUCache } from 'lru-cache'
import { ALL_TAG, type CacheTier } from './cache-tier.ts'

/**
 * The revision of each tag's mark in the KV tier; invalidating a tag sets a new one. An entry is valid while no mark of its tags
 * is newer than when its load began. A mark that expired needs no looking after: the entries it ended expired before it.
 */
export class TagMarks {
  readonly #tier: CacheTier
  readonly #known = new LRUCache<string, number>({ max: 50_000 })
  #generation = 0

  constructor(tier: CacheTier) {
    this.#tier = tier
  }

  changed(tenant: string, tag: string, revision: number): void {
    const id = `${tenant}\u0000${tag}`
    this.#known.set(id, Math.max(revision, this.#known.get(id) ?? 0))
  }

  clear(): void {
    this.#generation++
    this.#known.clear()
  }

  /** Of these tags and of the tenant's own, which every entry carries. */
  async of(tenant: string, tags: readonly string[]): Promise<Record<string, number>> {
    const marks: Record<string, number> = Object.create(null) as Record<string, number>
    await Promise.all(
      [ALL_TAG, ...tags].map(async (tag) => {
        marks[tag] = await this.#mark(tenant, tag)
      }),
    )
    return marks
  }

  async isValid(tenant: string, recorded: Readonly<Record<string, number>>): Promise<boolean> {
    const now = await this.of(tenant, Object.keys(recorded))
    return Object.entries(recorded).every(([tag, mark]) => (now[tag] ?? 0) <= mark)
  }

  async #mark(tenant: string, tag: string): Promise<number> {
    const id = `${tenant}\u0000${tag}`
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const generation = this.#generation
    const revision = (await this.#tier.get('t', tenant, tag))?.revision ?? 0
    if (generation === this.#generation) this.changed(tenant, tag, revision)
    return Math.max(revision, this.#known.get(id) ?? 0)
  }
}
