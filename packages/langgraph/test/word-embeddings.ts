import { createHash, randomUUID } from 'node:crypto'
import { Embeddings } from '@langchain/core/embeddings'

/** Each word has a fixed direction, so that texts with common words are near each other. A model of its own each. */
export class WordEmbeddings extends Embeddings {
  readonly model = `words-${randomUUID()}`
  down = false

  constructor() {
    super({})
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    if (this.down) throw new Error('the embeddings are down')
    return texts.map((text) => this.#vector(text))
  }

  override async embedQuery(text: string): Promise<number[]> {
    return (await this.embedDocuments([text]))[0] as number[]
  }

  #vector(text: string): number[] {
    const vector = Array.from({ length: 24 }, () => 0)
    for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
      const hash = createHash('sha256').update(word).digest()
      for (let index = 0; index < 24; index++) vector[index] = (vector[index] as number) + (hash[index] as number) - 127.5
    }
    return vector
  }
}
