import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Embedder } from '../../embedding/index.ts'
import { reembedFacts } from './fact-vectors.ts'
import type { SpaceContext } from './space-context.ts'

const BATCH = 200
/** How long a search waits for facts without vectors; the others follow behind it. */
const PATIENCE_MS = 2_000
/** A look for such facts that found none is done again after so many times what it took: cheap where it is cheap. */
const REST = 20
/** One that is forgotten is looked at anew by its next search. */
const REMEMBERED = 1_000

interface Space {
  running: Promise<void> | undefined
  lookAgainAt: number
}

/**
 * The embedder of the open Cairn, for spaces that were given none. Storing a fact costs nothing more: vectors are made when a search first asks
 * for them, and then for what has come since.
 */
export class SharedEmbedder {
  readonly embedder: Embedder
  readonly #spaces = new LRUCache<string, Space>({ max: REMEMBERED })

  constructor(embedder: Embedder) {
    this.embedder = embedder
  }

  /** Resolves when the facts of the space have vectors, or after two seconds while they get them. Fails never: the search says what is wrong. */
  async ready(context: SpaceContext): Promise<void> {
    const id = `${context.identity.tenant}\n${context.space}`
    const space = this.#spaces.get(id) ?? { running: undefined, lookAgainAt: 0 }
    this.#spaces.set(id, space)
    if (space.running === undefined && performance.now() < space.lookAgainAt) return
    space.running ??= this.#embed(context, space).finally(() => {
      space.running = undefined
    })
    const late = new AbortController()
    await Promise.race([space.running, sleep(PATIENCE_MS, undefined, { signal: late.signal, ref: false }).catch(() => undefined)])
    late.abort()
  }

  async #embed(context: SpaceContext, space: Space): Promise<void> {
    try {
      for (;;) {
        const began = performance.now()
        const { facts, more } = await reembedFacts(context, BATCH)
        const now = performance.now()
        if (facts === 0) space.lookAgainAt = now + REST * (now - began)
        if (!more) return
      }
    } catch (error) {
      context.log.debug({ err: error, space: context.space }, 'facts have no vectors yet; the next search tries again')
    }
  }
}
