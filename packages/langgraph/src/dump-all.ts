import type { SerializerProtocol } from '@langchain/langgraph-checkpoint'
import { FastJsonPlusSerializer } from './fast-json-plus.ts'

export type Typed = readonly [type: string, bytes: Uint8Array]

/** Whether its methods that need no promise say what the others would: a class made from it may have changed those. */
export function isFast(serde: SerializerProtocol): serde is FastJsonPlusSerializer {
  return serde instanceof FastJsonPlusSerializer && serde.constructor === FastJsonPlusSerializer
}

/**
 * Texts (first) and values as a serialiser writes them. Those that are plain share one buffer: a checkpoint has dozens of small
 * ones. With `kept` it is a buffer of their own; without, a piece of pooled memory, which stays whole as long as any piece is held.
 */
export async function dumpAll(serde: SerializerProtocol, values: readonly unknown[], { texts = [], kept }: { texts?: readonly string[]; kept: boolean }): Promise<Typed[]> {
  const fast = isFast(serde) ? serde : undefined
  const plain: (string | undefined)[] = [...texts, ...values.map((value) => fast?.dumpsNow(value))]
  const encoded = encodeTogether(plain, kept)
  if (plain.every((text) => text !== undefined)) return encoded as Typed[]
  // All are begun before anything is waited for: what the caller changes later is not stored.
  return Promise.all(encoded.map(async (one, index): Promise<Typed> => one ?? serde.dumpsTyped(values[index - texts.length])))
}

function encodeTogether(texts: readonly (string | undefined)[], kept: boolean): (Typed | undefined)[] {
  const all = texts.join('')
  const length = Buffer.byteLength(all)
  const bytes = kept ? Buffer.allocUnsafeSlow(length) : Buffer.allocUnsafe(length)
  bytes.write(all, 'utf8')
  const ascii = bytes.length === all.length
  let at = 0
  return texts.map((text) => {
    if (text === undefined) return undefined
    const from = at
    at += ascii ? text.length : Buffer.byteLength(text)
    return ['json', bytes.subarray(from, at)]
  })
}
