import type { LearnedPatterns, PersonalityPreferences, PersonalityProfile, StatedOrLearned } from './types.ts'

/** Stated preferences come first, then what was learned, then a default. */
export function effectiveOf(stated: PersonalityPreferences, learned: LearnedPatterns, messages: number): PersonalityProfile['effective'] {
  const { learningPreferences, communicationStyle, preferredTopics } = learned
  const avoided = new Set((stated.avoidTopics ?? []).map((topic) => topic.toLowerCase()))
  const topics = preferredTopics.map(({ term }) => term).filter((term) => !avoided.has(term))
  const known = messages > 0
  return {
    responseLength: first(stated.responseLength, learningPreferences.responseLength, 'medium'),
    formality: first(stated.formality, known ? communicationStyle.formality : null, 0.5),
    emoji: first(stated.emoji, known ? communicationStyle.emoji > 0.25 : null, false),
    lists: first(stated.lists, learningPreferences.lists, false),
    code: first(stated.code, learningPreferences.code, false),
    examples: first(stated.examples, learningPreferences.examples, false),
    topics: first(stated.topics, topics.length > 0 ? topics : null, []),
  }
}

function first<T>(stated: T | undefined, learned: T | null, otherwise: T): StatedOrLearned<T> {
  if (stated !== undefined) return { value: stated, source: 'stated' }
  return learned === null ? { value: otherwise, source: 'default' } : { value: learned, source: 'learned' }
}
