import { MemorySession, type SessionHistoryTransactionArgs } from '@openai/agents-core'

/**
 * A copy of the arguments, when MemorySession takes them too. One that holds just the suffix expected tries them, so that
 * what is refused, and in which words, is the SDK's own.
 * @throws UserError
 */
export async function checkTransaction(args: SessionHistoryTransactionArgs): Promise<SessionHistoryTransactionArgs> {
  const copy = tryCopy(args)
  const suffix = copy?.transaction.type === 'replace_suffix' ? copy.transaction.expectedSuffix : []
  await new MemorySession({ initialItems: Array.isArray(suffix) ? suffix : [] }).applyHistoryTransaction(copy ?? args)
  if (copy === undefined) throw new TypeError('The transaction could not be copied.')
  return copy
}

/** Undefined for what has no copy; MemorySession says why it refuses that. */
function tryCopy(args: SessionHistoryTransactionArgs): SessionHistoryTransactionArgs | undefined {
  try {
    const { operationId, transaction } = args
    const copied: unknown = structuredClone(transaction)
    return typeof copied === 'object' && copied !== null ? { operationId, transaction: copied as SessionHistoryTransactionArgs['transaction'] } : undefined
  } catch {
    return undefined
  }
}
