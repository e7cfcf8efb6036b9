export { CairnSession, type CairnSessionOptions } from './cairn-session.ts'
