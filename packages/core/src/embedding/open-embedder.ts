import type { Embedder } from './embedder.ts'
import { HttpEmbedder, type HttpEmbedderOptions } from './http-embedder.ts'
import { OfflineEmbedder, offlineModelInstalled } from './offline-embedder.ts'

/** `offline`: the model of the optional packages @energetic-ai/*; `auto`: that, if they are installed; `none`: recall by text alone. */
export type EmbedderOption = 'auto' | 'offline' | 'none' | HttpEmbedderOptions | Embedder

/** The embedder that an option asks for, not yet started; undefined for none. `owned`: to be closed by who opened it. */
export function openEmbedder(option: EmbedderOption): { embedder: Embedder | undefined; owned: boolean } {
  if (option === 'none') return { embedder: undefined, owned: false }
  if (option === 'offline') return { embedder: new OfflineEmbedder(), owned: true }
  if (option === 'auto') return { embedder: offlineModelInstalled() ? new OfflineEmbedder() : undefined, owned: true }
  return isEmbedder(option) ? { embedder: option, owned: false } : { embedder: new HttpEmbedder(option), owned: true }
}

export function isEmbedder(value: unknown): value is Embedder {
  return typeof value === 'object' && value !== null && 'embed' in value && typeof value.embed === 'function'
}

/** A function as an embedder: `embedderOf('my-model', 384, (texts) => …)`. */
export function embedderOf(model: string, dimensions: number, embed: Embedder['embed']): Embedder {
  return Object.freeze({ model, dimensions, embed })
}
