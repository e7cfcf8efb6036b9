import { cosine } from '../../../embedding/index.ts'

/** How alike two insights are, by their places in the list given: 0..1, the same both ways. */
export type Similarity = (a: number, b: number) => number

const TOKEN = /[\p{L}\p{N}]+/gu

/** Jaccard's index of the sets of words: shared ÷ all. Texts without a word are alike when they are the same. */
export function tokenSimilarity(texts: readonly string[]): Similarity {
  const sets = texts.map((text) => new Set([...text.normalize('NFKC').toLowerCase().matchAll(TOKEN)].map(([token]) => token)))
  return (a, b) => {
    const [one, other] = [sets[a] as Set<string>, sets[b] as Set<string>]
    if (one.size === 0 || other.size === 0) return texts[a]?.trim() === texts[b]?.trim() ? 1 : 0
    const shared = [...one].filter((token) => other.has(token)).length
    return shared / (one.size + other.size - shared)
  }
}

/** Cosine; opposite directions are not alike at all. */
export function vectorSimilarity(vectors: readonly (readonly number[])[]): Similarity {
  return (a, b) => (a === b ? 1 : Math.min(1, Math.max(0, cosine(vectors[a] as readonly number[], vectors[b] as readonly number[]))))
}
