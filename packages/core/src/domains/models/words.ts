/** `unavailable`: switched off; `deprecated`: it is called when it is named, but not chosen. */
export const MODEL_STATUSES = ['available', 'unavailable', 'deprecated'] as const
export type ModelStatus = (typeof MODEL_STATUSES)[number]

export const MODEL_HEALTHS = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const
export type ModelHealth = (typeof MODEL_HEALTHS)[number]
