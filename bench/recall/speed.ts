import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { v7 as uuidv7 } from 'uuid'
import type { Cairn, Embedder } from '../../packages/core/src/index.ts'
import type { LocomoFile } from './locomo.ts'

const DIMENSIONS = 512
const BATCH = 2_000
const PER_SESSION = 20

export interface Speed {
  readonly memories: number
  /** 0: it was filled before. */
  readonly ingestPerSecond: number
  readonly embedPerSecond: number
  /** `held`: how long at most, but for one time in a hundred, nothing else could run in this process. */
  readonly ms: Readonly<Record<string, { readonly p50: number; readonly p95: number; readonly held: number }>>
}

/**
 * Vectors that cost nothing and still lie near each other when texts share words: the mean of a random vector for each word. What is
 * measured with them is the search, not a model.
 */
export function cheapEmbedder(): Embedder {
  const words = new Map<string, Float64Array>()
  const vectorOf = (word: string): Float64Array => {
    const known = words.get(word)
    if (known !== undefined) return known
    const seed = createHash('sha256').update(word).digest()
    const random = generator(seed.readUInt32LE(0))
    const vector = Float64Array.from({ length: DIMENSIONS }, () => random() - 0.5)
    words.set(word, vector)
    return vector
  }
  return {
    model: 'random-words',
    dimensions: DIMENSIONS,
    embed: (texts) => Promise.resolve(texts.map((text) => {
      const sum = new Float64Array(DIMENSIONS)
      for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? ['']) vectorOf(word).forEach((value, index) => { sum[index] = (sum[index] as number) + value })
      return [...sum]
    })),
  }
}

/** Fills a tenant with `size` memories of the files' words, drawn as often as they occur, and asks the files' questions. */
export async function measureSpeed(cairn: Cairn, files: readonly LocomoFile[], size: number, vectors: boolean, asked: number, say: (line: string) => void): Promise<Speed> {
  const own = cairn.as({ tenant: `size-${size}` })
  const words = files.flatMap(({ memories }) => memories.flatMap(({ content }) => content.split(/\s+/)))
  const lengths = files.flatMap(({ memories }) => memories.map(({ content }) => content.split(/\s+/).length))
  const questions = files.flatMap((file) => file.questions.map(({ text }) => text))
  const random = generator(size)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  const speakers = ['Ada', 'Ben', 'Cleo', 'Dan', 'Eva', 'Finn', 'Gil', 'Hana']

  const filled = (await own.recall.embeddings()).memories >= size
  let ingestPerSecond = 0
  let embedPerSecond = 0
  if (!filled) {
    let session = uuidv7()
    const started = performance.now()
    for (let done = 0; done < size; done += BATCH) {
      const memories = Array.from({ length: Math.min(BATCH, size - done) }, (_, index) => {
        const position = (done + index) % PER_SESSION
        if (position === 0) session = uuidv7()
        const content = Array.from({ length: pick(lengths) }, () => pick(words)).join(' ')
        return { content, scope: 'shared' as const, sessionId: session, position, speaker: pick(speakers), occurredAt: new Date(Date.UTC(2023, 0, 1) + (done + index) * 60_000) }
      })
      await own.memory.rememberMany(memories)
    }
    ingestPerSecond = size / ((performance.now() - started) / 1000)
    say(`  ${size.toLocaleString('en')} memories: ${Math.round(ingestPerSecond)} a second`)
    if (vectors) {
      const began = performance.now()
      const { embedded } = await own.recall.embedPending()
      embedPerSecond = embedded / ((performance.now() - began) / 1000)
      say(`  ${embedded.toLocaleString('en')} vectors: ${Math.round(embedPerSecond)} a second`)
    }
    await own.recall.refreshStatistics()
  }

  const ms: Record<string, { p50: number; p95: number; held: number }> = {}
  for (const mode of vectors ? (['text', 'vector', 'hybrid'] as const) : (['text'] as const)) {
    for (let warm = 0; warm < 20; warm += 1) await own.recall.search(pick(questions), { mode })
    const times: number[] = []
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    for (let index = 0; index < asked; index += 1) {
      const question = pick(questions)
      const began = performance.now()
      await own.recall.search(question, { mode })
      times.push(performance.now() - began)
    }
    delay.disable()
    times.sort((a, b) => a - b)
    ms[mode] = { p50: times[Math.floor(times.length * 0.5)] as number, p95: times[Math.floor(times.length * 0.95)] as number, held: delay.percentile(99) / 1e6 }
    say(`  ${mode} at ${size.toLocaleString('en')}: p50 ${ms[mode].p50.toFixed(1)} ms, p95 ${ms[mode].p95.toFixed(1)} ms`)
  }
  return { memories: size, ingestPerSecond, embedPerSecond, ms }
}

/** mulberry32: the same numbers each run. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
