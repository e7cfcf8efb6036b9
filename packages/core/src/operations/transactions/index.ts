export { runCairnTransaction, type TransactionDeps } from './run-transaction.ts'
export type { CairnTransaction, CairnTransactionOptions, TransactionContext } from './transaction-options.ts'
