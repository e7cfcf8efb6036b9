import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { type Embedder, embedTexts } from '../../embedding/index.ts'
import { CairnError, isCairnError } from '../../errors/index.ts'
import type { Logger } from '../../observability/index.ts'

/** After a failure the embedder is left alone for so long, and recall goes by text at once instead of waiting for it each time. */
const REST_MS = 5_000

/** The vectors of questions, each asked for once. */
export class QuestionVectors {
  readonly #embedder: Embedder
  readonly #log: Logger
  readonly #known = new LRUCache<string, readonly number[]>({ max: 1_000 })
  readonly #asked = new Map<string, Promise<readonly number[]>>()
  #restUntil = 0
  #failure: CairnError | undefined

  constructor(embedder: Embedder, log: Logger) {
    this.#embedder = embedder
    this.#log = log
  }

  /** A vector of length 1. EMBEDDER_UNAVAILABLE (also when it is late), EMBEDDING_INVALID. */
  async of(question: string, timeoutMs: number): Promise<readonly number[]> {
    const known = this.#known.get(question)
    if (known !== undefined) return known
    if (this.#failure !== undefined && performance.now() < this.#restUntil) throw this.#failure
    const late = new AbortController()
    try {
      const vector = await Promise.race([this.#ask(question), this.#late(timeoutMs, late.signal)])
      this.#failure = undefined
      return vector
    } catch (error) {
      const failure = isCairnError(error) ? error : new CairnError('EMBEDDER_UNAVAILABLE', 'The embedder failed.', { cause: error })
      this.#failure = failure
      this.#restUntil = performance.now() + REST_MS
      this.#log.warn({ err: error, model: this.#embedder.model }, 'a question has no vector; recalling by text')
      throw failure
    } finally {
      late.abort()
    }
  }

  #ask(question: string): Promise<readonly number[]> {
    const running = this.#asked.get(question)
    if (running !== undefined) return running
    const work = embedTexts(this.#embedder, [question], 'query')
      .then(([vector = []]) => {
        this.#known.set(question, vector)
        // It may have been late for its own question.
        this.#restUntil = 0
        return vector
      })
      .finally(() => this.#asked.delete(question))
    // Whoever was late does not wait for it any more.
    work.catch(() => undefined)
    this.#asked.set(question, work)
    return work
  }

  async #late(timeoutMs: number, signal: AbortSignal): Promise<never> {
    await sleep(timeoutMs, undefined, { signal }).catch(() => undefined)
    throw new CairnError('EMBEDDER_UNAVAILABLE', `The embedder ${JSON.stringify(this.#embedder.model)} did not answer within ${timeoutMs} ms.`, { details: { model: this.#embedder.model, timeoutMs } })
  }
}
