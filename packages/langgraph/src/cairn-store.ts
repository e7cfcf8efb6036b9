import type { Cairn, CairnError, Embedder } from '@cairn/core'
import type { Embeddings } from '@langchain/core/embeddings'
import {
  BaseStore,
  type GetOperation,
  type IndexConfig,
  type Item,
  type ListNamespacesOperation,
  type Operation,
  type OperationResults,
  type PutOperation,
  type SearchItem,
  type SearchOperation,
  validateNamespace,
} from '@langchain/langgraph-checkpoint'
import { commonPattern } from './namespace-pattern.ts'

type Documents = ReturnType<Cairn['documents']['collection']>
type Stored = NonNullable<Awaited<ReturnType<Documents['get']>>>

export interface CairnStoreIndex extends IndexConfig {
  /**
   * The model's name. Vectors of different names are never compared, so that a change of it embeds everything anew.
   * @default the `model` or `modelName` of the embeddings, else the name of their class
   */
  readonly model?: string
  /** How a search with a query ranks: 'vector' as the in-memory store does, or 'hybrid' with words as well. @default 'vector' */
  readonly mode?: 'vector' | 'hybrid'
}

export interface CairnStoreOptions {
  /** Stores of different names share nothing. @default 'langgraph' */
  readonly namespace?: string
  /** Without it, a search with a query finds by words. */
  readonly index?: CairnStoreIndex
  readonly ttl?: {
    /** Time to live of what is put; also `put(..., { ttlMs })`. @default none */
    readonly defaultMs?: number
    /** Reading an item starts its time to live anew. @default false */
    readonly refreshOnRead?: boolean
  }
  /** Called when a search had to do without vectors, for the embeddings failed; it went by words then. */
  readonly onDegraded?: (degraded: { readonly wanted: string; readonly code: string; readonly message: string }) => void
  /** Called when the background pass of `start` fails. */
  readonly onError?: (error: CairnError | Error) => void
  /** How often a started store embeds what is still without vectors. @default 60000 */
  readonly reembedEveryMs?: number
}

/** A put with a time to live of its own, in milliseconds; null: for ever. */
export interface CairnPutOperation extends PutOperation {
  readonly ttlMs?: number | null
}

const PAGE = 1000

/**
 * LangGraph's long-term memory on Cairn. Within one `batch`, reads see what was stored before it, and the puts are stored in the end,
 * all or nothing; of several at one place the last counts. Namespaces are compared label by label.
 *
 * Rejects with InvalidNamespaceError as the in-memory store does, and with CairnError: INVALID_ARGUMENT for an unknown
 * operator of a filter, SERIALIZATION_ERROR for a value that is no JSON, and those of the engines.
 */
export class CairnStore extends BaseStore {
  readonly #documents: Documents
  readonly #options: CairnStoreOptions
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<void> | undefined

  constructor(cairn: Cairn, options: CairnStoreOptions = {}) {
    super()
    const { namespace = 'langgraph', index, ttl } = options
    this.#options = options
    this.#documents = cairn.documents.collection(namespace, {
      ...(index === undefined ? {} : { embedder: embedderOf(index), fields: index.fields ?? ['$'] }),
      ...(ttl?.defaultMs === undefined ? {} : { ttlMs: ttl.defaultMs }),
      ...(ttl?.refreshOnRead === undefined ? {} : { refreshOnRead: ttl.refreshOnRead }),
    })
  }

  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    for (const operation of operations) {
      if ('namespace' in operation) validateNamespace(operation.namespace, { allowReservedRoot: true })
      else if ('namespacePrefix' in operation) validateNamespace(operation.namespacePrefix, { allowEmpty: true, allowReservedRoot: true })
    }
    const gets = operations.filter((operation) => isGet(operation))
    const found = new Map<Operation, Item | null>()
    for (let start = 0; start < gets.length; start += PAGE) {
      const part = gets.slice(start, start + PAGE)
      const items = await this.#documents.getMany(part.map(({ namespace, key }) => ({ path: namespace, key })))
      part.forEach((operation, index) => found.set(operation, toItem(items[index])))
    }
    const results: unknown[] = []
    for (const operation of operations) {
      if (isGet(operation)) results.push(found.get(operation) ?? null)
      else if (isPut(operation)) results.push(null)
      else if ('namespacePrefix' in operation) results.push(await this.#search(operation))
      else results.push(await this.#listNamespaces(operation))
    }
    await this.#store(operations.filter((operation) => isPut(operation)))
    return results as OperationResults<Op>
  }

  override async put(namespace: string[], key: string, value: Record<string, unknown>, index?: false | string[], options: { readonly ttlMs?: number | null } = {}): Promise<void> {
    validateNamespace(namespace)
    const operation: CairnPutOperation = { namespace, key, value, ...(index === undefined ? {} : { index }), ...options }
    await this.batch([operation])
  }

  /** Embeds, now and then, what is without vectors of the present model: after a change of it, or when the embeddings had failed. */
  override start(): void {
    if (this.#options.index === undefined || this.#timer !== undefined) return
    this.#timer = setInterval(() => {
      this.#pass ??= this.#embedPass().finally(() => (this.#pass = undefined))
    }, this.#options.reembedEveryMs ?? 60_000)
    this.#timer.unref()
  }

  /** Ends what `start` began; waits for the pass under way. */
  override async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#pass
  }

  /** Embeds everything that is without vectors of the present model; returns how many items. */
  async reembed(): Promise<number> {
    let items = 0
    for (;;) {
      const { documents, more } = await this.#documents.reembed()
      items += documents
      if (!more || documents === 0) return items
    }
  }

  /** Never rejects. */
  async #embedPass(): Promise<void> {
    try {
      await this.reembed()
    } catch (error) {
      try {
        this.#options.onError?.(error as Error)
      } catch {
        // Nobody is left to be told that the callback is broken; the next pass is made all the same.
      }
    }
  }

  async #search({ namespacePrefix, filter, query, limit = 10, offset = 0 }: SearchOperation): Promise<SearchItem[]> {
    const items: SearchItem[] = []
    let cursor: string | null = null
    while (items.length < limit) {
      const page: Awaited<ReturnType<Documents['search']>> = await this.#documents.search({
        prefix: namespacePrefix,
        ...(filter === undefined || filter === null ? {} : { filter }),
        ...(query === undefined || query === null ? {} : { query }),
        ...(this.#options.index === undefined ? {} : { mode: this.#options.index.mode ?? 'vector', unscored: 'last' }),
        limit: Math.min(PAGE, limit - items.length),
        ...(cursor === null ? { offset } : { cursor }),
      })
      if (page.degraded !== null && cursor === null) this.#options.onDegraded?.(page.degraded)
      items.push(...page.items.map((found) => ({ ...(toItem(found) as Item), score: found.score ?? undefined }) as SearchItem))
      cursor = page.nextCursor
      if (cursor === null) break
    }
    return items
  }

  async #listNamespaces({ matchConditions = [], maxDepth, limit = PAGE, offset = 0 }: Partial<ListNamespacesOperation>): Promise<string[][]> {
    const pattern = (type: 'prefix' | 'suffix') => commonPattern(type, matchConditions.filter(({ matchType }) => matchType === type).map(({ path }) => path))
    const prefix = pattern('prefix')
    const suffix = pattern('suffix')
    const namespaces: string[][] = []
    if (prefix === null || suffix === null) return namespaces
    let cursor: string | null = null
    while (namespaces.length < limit) {
      const page: Awaited<ReturnType<Documents['listPaths']>> = await this.#documents.listPaths({
        prefix,
        suffix,
        ...(maxDepth === undefined ? {} : { maxDepth }),
        limit: Math.min(PAGE, limit - namespaces.length),
        ...(cursor === null ? { offset } : { cursor }),
      })
      namespaces.push(...page.items)
      cursor = page.nextCursor
      if (cursor === null) break
    }
    return namespaces
  }

  async #store(operations: readonly CairnPutOperation[]): Promise<void> {
    const last = new Map(operations.map((operation) => [JSON.stringify([operation.namespace, operation.key]), operation]))
    const remove = [...last.values()].filter(({ value }) => value === null).map(({ namespace, key }) => ({ path: namespace, key }))
    const put = [...last.values()].flatMap(({ namespace, key, value, index, ttlMs }) =>
      value === null ? [] : [{ path: namespace, key, value, ...(index === undefined || index === null ? {} : { index }), ...(ttlMs === undefined ? {} : { ttlMs }) }],
    )
    if (put.length > 0 || remove.length > 0) await this.#documents.write({ put, delete: remove })
  }
}

function isGet(operation: Operation): operation is GetOperation {
  return 'key' in operation && 'namespace' in operation && !('value' in operation)
}

function isPut(operation: Operation): operation is PutOperation {
  return 'value' in operation
}

function toItem(document: Stored | null | undefined): Item | null {
  if (document === null || document === undefined) return null
  const { path, key, value, createdAt, updatedAt } = document
  return { namespace: path, key, value, createdAt, updatedAt }
}

function embedderOf({ dims, embeddings, model }: CairnStoreIndex): Embedder {
  return {
    model: model ?? nameOf(embeddings),
    dimensions: dims,
    embed: (texts, purpose) => (purpose === 'query' ? Promise.all(texts.map((text) => embeddings.embedQuery(text))) : embeddings.embedDocuments([...texts])),
  }
}

function nameOf(embeddings: Embeddings): string {
  const { model, modelName } = embeddings as { model?: unknown; modelName?: unknown }
  return [model, modelName].find((name): name is string => typeof name === 'string' && name !== '') ?? embeddings.constructor.name
}
