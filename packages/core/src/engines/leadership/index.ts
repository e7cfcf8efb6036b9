export { DEFAULT_LEASE_MS, Leadership, type LeadershipOptions, type Term } from './leadership.ts'
