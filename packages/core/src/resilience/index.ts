export { FAILURE_RULES, failureClass, mayRunAgain, type FailureClass, type FailureRule } from './error-class.ts'
export { RETRY_DEFAULTS, longestWait, withRetry, type RetryOptions } from './with-retry.ts'
