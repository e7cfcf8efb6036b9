/** One to four words that begin with a capital letter. Bounded, and each character is read in one way only. */
const WORD = String.raw`\p{Lu}[\p{L}\p{N}]{0,40}(?:['’&-][\p{L}\p{N}]{1,40}){0,3}`
const NAME = String.raw`${WORD}(?: ${WORD}){0,3}`
const PHRASE = String.raw`[^\s.,;:!?()\n][^.,;:!?()\n]{0,80}`

const entity = String.raw`(?<![\p{L}\p{N}])(?<entity>${NAME})`
const object = String.raw`(?<object>${NAME})`
const phrase = String.raw`(?<object>${PHRASE})`

/** English, in the present tense; what they do not match they leave alone. */
export const BUILTIN_RULES = {
  works_at: { pattern: `${entity} (?:works|is working) (?:at|for) ${object}`, predicate: 'works_at', object: 'entity', entityType: 'person', objectType: 'organization', confidence: 0.9 },
  lives_in: { pattern: `${entity} (?:lives|is living|resides) in ${object}`, predicate: 'lives_in', object: 'entity', entityType: 'person', objectType: 'place', confidence: 0.9 },
  born_in: { pattern: `${entity} was born in ${object}`, predicate: 'born_in', object: 'entity', entityType: 'person', objectType: 'place', confidence: 0.9 },
  located_in: { pattern: `${entity} is located in ${object}`, predicate: 'located_in', object: 'entity', objectType: 'place', confidence: 0.9 },
  part_of: { pattern: `${entity} is (?:a )?part of ${object}`, predicate: 'part_of', object: 'entity', confidence: 0.9 },
  married_to: { pattern: `${entity} is married to ${object}`, predicate: 'married_to', object: 'entity', entityType: 'person', objectType: 'person', confidence: 0.9 },
  knows: { pattern: `${entity} knows ${object}`, predicate: 'knows', object: 'entity', entityType: 'person', objectType: 'person', confidence: 0.8 },
  is_a: { pattern: `${entity} is an? (?!part of )${phrase}`, predicate: 'is_a', object: 'text', confidence: 0.7 },
  likes: { pattern: `${entity} (?:likes|loves|enjoys|prefers) ${phrase}`, predicate: 'likes', object: 'text', entityType: 'person', confidence: 0.8 },
  dislikes: { pattern: `${entity} (?:dislikes|hates) ${phrase}`, predicate: 'dislikes', object: 'text', entityType: 'person', confidence: 0.8 },
  email: { pattern: String.raw`${entity}['’]s e-?mail(?: address)? is (?<object>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})`, predicate: 'email', object: 'text', confidence: 0.95 },
} as const

export type BuiltinRuleName = keyof typeof BUILTIN_RULES
export const BUILTIN_RULE_NAMES = Object.keys(BUILTIN_RULES) as [BuiltinRuleName, ...BuiltinRuleName[]]
