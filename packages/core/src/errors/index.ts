export { CairnError, isCairnError, type CairnErrorOptions } from './cairn-error.ts'
export { ERROR_CODES, type ErrorCode, type ErrorCodeEntry } from './error-codes.ts'
