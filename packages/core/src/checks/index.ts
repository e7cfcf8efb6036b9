export { check, checkUuid, invalid, isUuid, jsonObject, text, uuidText, wholeMs } from './inputs.ts'
export { MAX_JSON_BYTES, jsonText } from './json-text.ts'
