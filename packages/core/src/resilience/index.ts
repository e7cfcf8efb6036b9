export { dataResult, type DataFailure, type DataResult, type DataResultMetadata, type DataSuccess } from './data-result.ts'
export { FAILURE_RULES, failureClass, mayRunAgain, type FailureClass, type FailureRule } from './error-class.ts'
export { RETRY_DEFAULTS, longestWait, withRetry, type RetryOptions } from './with-retry.ts'
