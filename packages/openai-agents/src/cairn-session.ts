import { createHash, randomUUID } from 'node:crypto'
import { isCairnError, type Cairn, type HistoriesService, type HistoryName } from '@cairn/core'
import {
  applySessionHistoryMutations,
  type AgentInputItem,
  type RunContext,
  type RunContextAwareSession,
  type SessionHistoryRewriteArgs,
  type SessionHistoryRewriteAwareSession,
  type SessionHistoryTransactionArgs,
  type SessionHistoryTransactionAwareSession,
  UserError,
} from '@openai/agents-core'
import { decodeItem, encodeItem } from './item-codec.ts'
import { checkTransaction } from './check-transaction.ts'

export interface CairnSessionOptions<TContext = unknown> {
  /** @default a new UUID */
  readonly sessionId?: string
  /** Sessions of two namespaces see nothing of each other. @default 'openai-agents' */
  readonly namespace?: string
  /** The session ends this many milliseconds after its last change. @default it stays */
  readonly ttlMs?: number
  /**
   * The tenant whose data a run may see, from the context of the run. With it, a call without a run context is refused.
   * @default the tenant of the Cairn given
   */
  readonly tenantOf?: (context: TContext) => string
}

/** Longer ids, and those with characters that PostgreSQL cannot store, are kept as their hash. */
const STORABLE_ID = /^[\x20-\x7e]{1,255}$/

/**
 * A session of the OpenAI Agents SDK that lasts: each item is a row in Cairn, and a run writes only what is new.
 * It answers as the SDK's MemorySession does, in this process and in the next. Changes are atomic; of two writers neither
 * loses items to the other; applyHistoryTransaction and its operation id are committed together.
 *
 * Items are compared as JSON: a property that is undefined equals one that is absent.
 * Errors: UserError for transactions that the SDK's contract refuses, with the CairnError as `cause`; else CairnError:
 * SERIALIZATION_ERROR, PAYLOAD_TOO_LARGE (an item above 16 MiB), INVALID_ARGUMENT, and those of the engines.
 */
export class CairnSession<TContext = unknown> implements RunContextAwareSession<TContext>, SessionHistoryRewriteAwareSession, SessionHistoryTransactionAwareSession {
  readonly acceptsRunContext = true
  readonly #cairn: Cairn
  readonly #sessionId: string
  readonly #history: HistoryName
  readonly #ttl: { ttlMs?: number }
  readonly #tenantOf: ((context: TContext) => string) | undefined

  constructor(cairn: Cairn, options: CairnSessionOptions<TContext> = {}) {
    this.#cairn = cairn
    this.#sessionId = options.sessionId ?? randomUUID()
    this.#history = { key: this.#sessionId, namespace: options.namespace ?? 'openai-agents' }
    this.#ttl = options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs }
    this.#tenantOf = options.tenantOf
  }

  getSessionId(): Promise<string> {
    return Promise.resolve(this.#sessionId)
  }

  /** All items, or the newest `limit`, oldest first. */
  async getItems(limit?: number, runContext?: RunContext<TContext>): Promise<AgentInputItem[]> {
    const histories = this.#histories(runContext)
    if (limit !== undefined && limit <= 0) return []
    const count = limit !== undefined && limit <= Number.MAX_SAFE_INTEGER ? Math.ceil(limit) : undefined
    return (await histories.newest(this.#history, count)).map(decodeItem)
  }

  async addItems(items: AgentInputItem[], runContext?: RunContext<TContext>): Promise<void> {
    const histories = this.#histories(runContext)
    if (items.length > 0) await histories.append(this.#history, items.map(encodeItem), this.#ttl)
  }

  async popItem(runContext?: RunContext<TContext>): Promise<AgentInputItem | undefined> {
    const popped = await this.#histories(runContext).pop(this.#history)
    return popped === undefined ? undefined : decodeItem(popped.item)
  }

  /** Removes all items, and what is known of applied transactions. */
  async clearSession(runContext?: RunContext<TContext>): Promise<void> {
    await this.#histories(runContext).clear(this.#history, { forgetOperations: true })
  }

  /** Puts the compacted items in the place of all others in one step: a crash leaves either the old history or the new. */
  async replaceHistoryWithCompaction(items: AgentInputItem[], runContext?: RunContext<TContext>): Promise<void> {
    await this.#histories(runContext).replaceAll(this.#history, items.map(encodeItem), this.#ttl)
  }

  /** Rewrites only the rows that a mutation changes. */
  async applyHistoryMutations(args: SessionHistoryRewriteArgs, runContext?: RunContext<TContext>): Promise<void> {
    const histories = this.#histories(runContext)
    if (args.mutations.length === 0) return
    const mutations = structuredClone(args.mutations)
    await histories.edit(this.#history, (stored) => applySessionHistoryMutations(stored.map(decodeItem), mutations).map(encodeItem))
  }

  /** Atomic, and applied once for one operation id. @throws UserError as MemorySession does, without any change */
  async applyHistoryTransaction(args: SessionHistoryTransactionArgs, runContext?: RunContext<TContext>): Promise<void> {
    const histories = this.#histories(runContext)
    const { operationId, transaction } = await checkTransaction(args)
    const options = { operationId: storableId(operationId), ...this.#ttl }
    try {
      if (transaction.type === 'append_items') {
        await histories.append(this.#history, transaction.items.map(encodeItem), options)
      } else {
        const [expected, replacement] = [transaction.expectedSuffix.map(encodeItem), transaction.replacement.map(encodeItem)]
        await histories.replaceSuffix(this.#history, { expected, replacement }, options)
      }
    } catch (error) {
      throw asUserError(error)
    }
  }

  #histories(runContext: RunContext<TContext> | undefined): HistoriesService {
    if (this.#tenantOf === undefined) return this.#cairn.histories
    if (runContext === undefined) {
      throw new UserError('This session takes the tenant from the run context (tenantOf), and was called without one. Pass a RunContext as the last argument.')
    }
    return this.#cairn.as({ tenant: this.#tenantOf(runContext.context) }).histories
  }
}

function storableId(operationId: string): string {
  return STORABLE_ID.test(operationId) ? operationId : `sha256:${createHash('sha256').update(JSON.stringify(operationId)).digest('hex')}`
}

/** The two refusals of the SDK's contract in its own words. */
function asUserError(error: unknown): unknown {
  const message = isCairnError(error, 'DUPLICATE_KEY')
    ? 'Session history operation was already applied with a different transaction.'
    : isCairnError(error, 'VERSION_CONFLICT')
      ? 'Session history suffix no longer matches the transaction precondition.'
      : undefined
  return message === undefined ? error : Object.assign(new UserError(message), { cause: error })
}
