import type { MsgHdrs } from '@nats-io/transport-node'

/** Value and kind of an entry, by the header that every NATS KV client writes. */
export function entryParts(headers: MsgHdrs | undefined, text: () => string): { value: string; deleted: boolean } {
  const operation = headers?.get('KV-Operation') ?? ''
  const deleted = operation === 'DEL' || operation === 'PURGE'
  return { value: deleted ? '' : text(), deleted }
}
