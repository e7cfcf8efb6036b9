export type { Breakers } from './breakers.ts'
export { ResilienceService } from './resilience-service.ts'
export { BREAKER_DEFAULTS, BREAKER_STATES } from './types.ts'
export type { Breaker, BreakerConfig, BreakerEvent, BreakerState, CallContext, CallOptions } from './types.ts'
