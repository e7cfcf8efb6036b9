import { CairnError } from '../../errors/index.ts'
import type { AppendOp } from './append-batch.ts'
import type { Lineage } from './lineage-id.ts'

/** An op as the hot tier keeps it: JSON, its bytes as base64. */
interface Entry {
  readonly lineage: Lineage
  readonly op: Record<string, unknown>
  readonly bytes: readonly string[]
}

export function encodeEntry(op: AppendOp): string {
  const { lineage, ...rest } = op
  if (rest.kind === 'put') {
    const { frame, ...put } = rest
    return entry(lineage, put, [frame])
  }
  const { packs, ...writes } = rest
  return entry(lineage, { ...writes, slots: packs.map(({ slot }) => slot) }, packs.map(({ pack }) => pack))
}

/** Base64 needs no escapes, so that it need not be searched for what does. */
function entry(lineage: Lineage, op: object, bytes: readonly Uint8Array[]): string {
  return `{"lineage":${JSON.stringify(lineage)},"op":${JSON.stringify(op)},"bytes":["${bytes.map((part) => base64(part)).join('","')}"]}`
}

/** Several ops, each as encodeEntry wrote it, as one. */
export function encodeGroup(entries: readonly string[]): string {
  return entries.length === 1 ? (entries[0] as string) : `{"group":[${entries.join(',')}]}`
}

/** The ops of an entry in their order. CONSISTENCY_VIOLATION for what was not written here. */
export function decodeEntries(text: string): AppendOp[] {
  try {
    const entry = JSON.parse(text) as Entry | { readonly group: readonly Entry[] }
    return ('group' in entry ? entry.group : [entry]).map((one) => toOp(one))
  } catch (error) {
    throw new CairnError('CONSISTENCY_VIOLATION', 'An entry of the lineage journal in the hot tier is damaged.', { cause: error })
  }
}

function toOp({ lineage, op, bytes }: Entry): AppendOp {
  const parts = bytes.map((part) => Buffer.from(part, 'base64'))
  if (op['kind'] === 'put') return { lineage, ...op, base: op['base'], ttlMs: op['ttlMs'], frame: parts[0] } as unknown as AppendOp
  const { slots, ...writes } = op as { slots: number[] }
  return { lineage, ...writes, packs: slots.map((slot, index) => ({ slot, pack: parts[index] })) } as unknown as AppendOp
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
