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
    return JSON.stringify({ lineage, op: put, bytes: [base64(frame)] } satisfies Entry)
  }
  const { packs, ...writes } = rest
  return JSON.stringify({ lineage, op: { ...writes, slots: packs.map(({ slot }) => slot) }, bytes: packs.map(({ pack }) => base64(pack)) } satisfies Entry)
}

/** CONSISTENCY_VIOLATION for what encodeEntry did not write. */
export function decodeEntry(text: string): AppendOp {
  try {
    const { lineage, op, bytes } = JSON.parse(text) as Entry
    const parts = bytes.map((part) => Buffer.from(part, 'base64'))
    if (op['kind'] === 'put') return { lineage, ...op, base: op['base'], ttlMs: op['ttlMs'], frame: parts[0] } as unknown as AppendOp
    const { slots, ...writes } = op as { slots: number[] }
    return { lineage, ...writes, packs: slots.map((slot, index) => ({ slot, pack: parts[index] })) } as unknown as AppendOp
  } catch (error) {
    throw new CairnError('CONSISTENCY_VIOLATION', 'An entry of the lineage journal in the hot tier is damaged.', { cause: error })
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
