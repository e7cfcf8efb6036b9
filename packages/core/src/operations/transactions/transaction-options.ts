import type { IsolationLevel, SqlSession, TransactionBoundary, TransactionNature } from '../../engines/sql/index.ts'

/** What `cairn.transaction` takes besides the function. */
export interface CairnTransactionOptions extends TransactionNature {
  /** Chosen by you; otherwise by the nature: `crossSystem`, `sharedState`, `writes`. */
  readonly isolation?: IsolationLevel
  /** @default 'single-operation' */
  readonly boundary?: TransactionBoundary
  /** Ends each statement that runs longer, with TIMEOUT. @default the engine's statement timeout */
  readonly timeoutMs?: number
  /** Tries in all, after SERIALIZATION_FAILURE, DEADLOCK and a connection lost before COMMIT. @default 3 */
  readonly attempts?: number
  /** Ends the waiting between tries. */
  readonly signal?: AbortSignal
  readonly readOnly?: boolean
  /** Id or key of the agent whose task this is; shown in pg_stat_activity with the boundary `agent-task`. */
  readonly agentId?: string
  /** Written to the log with every line about this transaction. @default a new UUID */
  readonly correlationId?: string
  /**
   * Called last before COMMIT, in the transaction. False, or a text that says what is wrong, rolls back with
   * VALIDATION_FAILED.
   */
  readonly validate?: (tx: CairnTransaction) => boolean | string | undefined | Promise<boolean | string | undefined>
}

/** What a transaction knows of itself (S4 §5.3). */
export interface TransactionContext {
  readonly boundary: TransactionBoundary
  readonly isolation: IsolationLevel
  readonly timeoutMs: number | undefined
  readonly retry: { readonly attempts: number; readonly attempt: number }
  readonly correlationId: string
  readonly agentId: string | undefined
  /** Names of the compensations registered in this try. */
  readonly compensations: readonly string[]
}

export interface CairnTransaction extends SqlSession {
  readonly context: TransactionContext
  /**
   * Registers what undoes an effect outside SQL. When this try is rolled back, they run in reverse order before the next
   * try or before the call rejects. After OUTCOME_UNKNOWN none runs: the transaction may have been stored.
   */
  compensate(name: string, undo: () => Promise<void>): void
}
