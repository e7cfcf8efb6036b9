export const OBJECT_TYPES = ['entity', 'text', 'number', 'boolean', 'json'] as const
export type ObjectType = (typeof OBJECT_TYPES)[number]

/** Why a row stopped being believed. */
export const FACT_ENDINGS = ['superseded', 'extended', 'corrected', 'invalidated', 'retracted', 'merged'] as const
export type FactEnding = (typeof FACT_ENDINGS)[number]

export const DEFAULT_SPACE = 'default'

/** The predicate under which the graph keeps observations. Predicates that begin with @ are Cairn's own. */
export const OBSERVATION = '@observation'

/** The type of an entity that a fact names without one. */
export const UNKNOWN_TYPE = 'entity'
