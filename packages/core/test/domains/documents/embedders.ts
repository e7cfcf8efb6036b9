import { createHash, randomUUID } from 'node:crypto'
import type { Embedder } from '../../../src/embedding/index.ts'

/**
 * Bag of words: each word has a fixed direction, so that texts with common words are near each other. Keeps what it embedded.
 * Unless it is named, it is a model of its own: no test finds its texts embedded by another.
 */
export class WordEmbedder implements Embedder {
  readonly model: string
  readonly dimensions: number
  readonly seen: string[] = []
  down = false

  constructor(model = `words-${randomUUID()}`, dimensions = 16) {
    this.model = model
    this.dimensions = dimensions
  }

  async embed(texts: readonly string[]): Promise<number[][]> {
    if (this.down) throw new Error('the embedder is down')
    this.seen.push(...texts)
    return texts.map((text) => wordVector(text, this.dimensions))
  }
}

export function wordVector(text: string, dimensions: number): number[] {
  const vector = Array.from({ length: dimensions }, () => 0)
  for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
    const hash = createHash('sha256').update(word).digest()
    for (let index = 0; index < dimensions; index++) vector[index] = (vector[index] as number) + ((hash[index % 32] as number) - 127.5) / 128
  }
  return vector
}
