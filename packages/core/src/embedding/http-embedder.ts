import { CairnError, isCairnError } from '../errors/index.ts'
import { withRetry } from '../resilience/index.ts'
import type { Embedder } from './embedder.ts'

/** A server with OpenAI's embeddings API: OpenAI, Ollama, vLLM, LM Studio, and many more. */
export interface HttpEmbedderOptions {
  /** Up to and with the version, e.g. `http://127.0.0.1:11434/v1`; `/embeddings` is put behind it. */
  readonly baseUrl: string
  readonly model: string
  /** Length of the model's vectors. */
  readonly dimensions: number
  /** Sent as a bearer token. */
  readonly apiKey?: string
  /** Asks the server to cut its vectors to `dimensions`, which not every server understands. @default false */
  readonly sendDimensions?: boolean
  /** Of one request. @default 30000 */
  readonly timeoutMs?: number
  /** Tries in all of a request that fails in a way another try may mend: no answer, 408, 429, 5xx. @default 3 */
  readonly attempts?: number
  /** Texts in one request. @default 96 */
  readonly batchSize?: number
}

interface Answer {
  readonly data?: readonly { readonly index?: number; readonly embedding?: unknown }[]
}

/**
 * An embedder behind HTTP. Errors: EMBEDDER_UNAVAILABLE when the server does not answer in time, refuses, or says nonsense; the API key
 * is in none of them.
 */
export class HttpEmbedder implements Embedder {
  readonly model: string
  readonly dimensions: number
  readonly #options: HttpEmbedderOptions
  readonly #closing = new AbortController()

  constructor(options: HttpEmbedderOptions) {
    this.model = options.model
    this.dimensions = options.dimensions
    this.#options = options
  }

  async embed(texts: readonly string[], purpose: 'document' | 'query' = 'document'): Promise<readonly (readonly number[])[]> {
    const { batchSize = 96, attempts = 3 } = this.#options
    const vectors: (readonly number[])[] = []
    for (let start = 0; start < texts.length; start += batchSize) {
      const batch = texts.slice(start, start + batchSize)
      // A question is waited for: it gets one try, and the answer comes by text when that fails.
      vectors.push(...(await withRetry(() => this.#request(batch), { attempts: purpose === 'query' ? 1 : attempts, retryable: mayPass, signal: this.#closing.signal })))
    }
    return vectors
  }

  /** Ends the requests under way. */
  close(): Promise<void> {
    this.#closing.abort(new CairnError('CLOSED', 'The embedder has been closed.'))
    return Promise.resolve()
  }

  async #request(input: readonly string[]): Promise<(readonly number[])[]> {
    const { baseUrl, apiKey, sendDimensions = false, timeoutMs = 30_000 } = this.#options
    const body = { model: this.model, input, encoding_format: 'float', ...(sendDimensions ? { dimensions: this.dimensions } : {}) }
    let answer: Answer | null
    try {
      const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/embeddings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) },
        body: JSON.stringify(body),
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closing.signal]),
      })
      if (!response.ok) throw await this.#refused(response)
      answer = (await response.json()) as Answer | null
    } catch (error) {
      if (error instanceof CairnError) throw error
      const late = error instanceof Error && error.name === 'TimeoutError'
      throw this.#failed(late ? `did not answer within ${timeoutMs} ms` : `could not be asked: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    const data = answer?.data
    if (!Array.isArray(data) || data.length !== input.length) throw this.#failed(`answered with ${Array.isArray(data) ? `${data.length} vectors` : 'no vectors'} for ${input.length} texts`, { status: 200 })
    const inOrder = [...(data as NonNullable<Answer['data']>)].sort((a, b) => (a.index ?? 0) - (b.index ?? 0))
    return inOrder.map(({ embedding }) => embedding as readonly number[])
  }

  async #refused(response: Response): Promise<CairnError> {
    await response.body?.cancel()
    const { status } = response
    return this.#failed(`answered with status ${status}`, { status })
  }

  #failed(what: string, { status, cause }: { status?: number; cause?: unknown }): CairnError {
    return new CairnError('EMBEDDER_UNAVAILABLE', `The embedder ${JSON.stringify(this.model)} at ${hostOf(this.#options.baseUrl)} ${what}.`, {
      ...(cause === undefined ? {} : { cause }),
      details: { model: this.model, ...(status === undefined ? {} : { status }) },
    })
  }
}

/** A request that is wrong stays wrong: it is not sent again. */
function mayPass(error: unknown): boolean {
  if (!isCairnError(error, 'EMBEDDER_UNAVAILABLE')) return false
  const status = error.details.status
  return typeof status !== 'number' || status === 408 || status === 429 || status >= 500
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'an address that is no URL'
}
