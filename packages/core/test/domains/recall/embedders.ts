import type { Embedder } from '../../../src/index.ts'

/** Words that mean much the same, so that a test can tell meaning from words. */
const MEANINGS: readonly (readonly string[])[] = [
  ['dog', 'puppy', 'terrier', 'pet'],
  ['car', 'automobile', 'vehicle'],
  ['berlin', 'germany'],
  ['guitar', 'music', 'song'],
]

export interface TestEmbedder extends Embedder {
  /** Set to fail each call from now on. */
  failure: Error | undefined
  /** Set to change what comes back. */
  spoil: ((vectors: number[][], texts: readonly string[]) => number[][]) | undefined
  /** Every text it was asked for, in order. */
  readonly asked: string[]
  /** Awaited before each answer. */
  hold: Promise<unknown> | undefined
}

/** The same vectors each time: a dimension for each meaning, and what is left for the letters. */
export function testEmbedder(model = 'test', dimensions = 16): TestEmbedder {
  return {
    model,
    dimensions,
    failure: undefined,
    spoil: undefined,
    hold: undefined,
    asked: [],
    async embed(texts) {
      this.asked.push(...texts)
      await this.hold
      if (this.failure !== undefined) throw this.failure
      const vectors = texts.map((text) => vectorOf(text, dimensions))
      return this.spoil === undefined ? vectors : this.spoil(vectors, texts)
    },
  }
}

function vectorOf(text: string, dimensions: number): number[] {
  const vector = Array.from({ length: dimensions }, () => 0.001)
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    const meaning = MEANINGS.findIndex((words) => words.includes(word))
    const place = meaning >= 0 ? meaning : MEANINGS.length + ((word.charCodeAt(0) * 7 + word.length) % (dimensions - MEANINGS.length))
    vector[place] = (vector[place] as number) + (meaning >= 0 ? 1 : 0.2)
  }
  return vector
}
