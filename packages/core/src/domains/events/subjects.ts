import { CairnError } from '../../errors/index.ts'
import { checkPattern, checkSubject } from '../../engines/stream/index.ts'

/**
 * The tenant in subjects, and nowhere else. Callers see `<kind>.<event>.<entity...>`; in the log the tenant is the third token.
 * A tenant is one plain token without wildcards, and a filter always has it in third place, so that no filter of one tenant
 * can match a subject of another.
 */

/** Where the tenant stands. */
const PLACE = 2
/** Longest subject of a caller: with the longest tenant and a prefix it stays within the 255 bytes of the log. */
const MAX_BYTES = 160

/** INVALID_ARGUMENT unless it has three or more tokens without wildcards. */
export function toWireSubject(subject: string, tenant: string): string {
  checkSubject(subject)
  const tokens = subject.split('.')
  if (tokens.length < 3) throw refused('subject', subject, 'it has fewer than three tokens; the form is <kind>.<event>.<entity...>')
  checkLength('subject', subject)
  return tokens.toSpliced(PLACE, 0, tenant).join('.')
}

/** The subject as its tenant knows it. CONSISTENCY_VIOLATION when it belongs to another: nothing of it is shown. */
export function fromWireSubject(wire: string, tenant: string): string {
  const tokens = wire.split('.')
  if (tokens[PLACE] !== tenant) throw new CairnError('CONSISTENCY_VIOLATION', 'An event of another tenant came out of the log. It was not handed out.')
  return tokens.toSpliced(PLACE, 1).join('.')
}

/** `kind` is the first token of all subjects of the stream: nats-server 2.9 wants filters within the stream's subjects. */
export function toWireFilter(filter: string, tenant: string, kind: string): string {
  checkPattern('filter', filter)
  checkLength('filter', filter)
  const tokens = filter.split('.')
  if (tokens[0] === '*' || tokens[0] === '>') tokens[0] = tokens[0] === '*' ? kind : `${kind}.>`
  else if (tokens[0] !== kind) throw refused('filter', filter, `all subjects of this stream begin with ${kind}`)
  const known = tokens.join('.').split('.')
  const open = known.at(-1) === '>'
  if (known.length < 3 && !open) throw refused('filter', filter, 'no subject matches it: subjects have three tokens or more. End it with > for all below it')
  if (open) known.pop()
  // `a.>` is any second token, then the tenant, then anything; `a.b.>` and longer ones keep what they have.
  while (known.length < PLACE) known.push('*')
  known.splice(PLACE, 0, tenant)
  if (open) known.push('>')
  return known.join('.')
}

function checkLength(field: string, text: string): void {
  if (Buffer.byteLength(text) > MAX_BYTES) throw refused(field, text, `it has more than ${MAX_BYTES} bytes`)
}

function refused(field: string, text: string, why: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(text.slice(0, 200))}: ${why}.`, { details: { field } })
}
