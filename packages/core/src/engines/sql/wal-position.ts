import { CairnError } from '../../errors/index.ts'

/** A place in the write-ahead log as PostgreSQL writes it (`16/B374D848`), as a number. INVALID_ARGUMENT when it is none. */
export function parsePosition(text: string): bigint {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text)
  if (match === null) {
    throw new CairnError('INVALID_ARGUMENT', `readYourWrites: ${JSON.stringify(text)} is not a position in the log. Pass what position() returned.`, { details: { field: 'readYourWrites' } })
  }
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}
