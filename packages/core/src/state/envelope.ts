import { hash } from 'node:crypto'
import { CairnError } from '../errors/index.ts'

/** A value as the hot tier holds it. */
export interface Envelope {
  /** Canonical JSON of the value. */
  readonly text: string
  /** SHA-256 of `text`, hex. */
  readonly checksum: string
  /** When it was written, milliseconds since 1970, by the writer's clock. */
  readonly writtenAt: number
  /** The process that wrote it. */
  readonly writer: string
  /** When it stops being visible. */
  readonly expiresAt?: number
  /** Set on a copy brought back from SQL: the revision the value had there. */
  readonly hydratedRevision?: number
  /** JSON that resolves the next write against this one (conflict policies). */
  readonly clock?: string
  /** A deletion that has a clock, and so is stored as an entry; `text` is null then. */
  readonly deleted?: boolean
}

const VALUE_MARK = ',"v":'

export function checksumOf(text: string): string {
  return hash('sha256', text)
}

/**
 * `{"ts":…,"node":…,"sha":…[,"exp":…][,"rev":…][,"del":1][,"clk":"…"],"v":<value>}`: JSON with the value last, so that its text can be
 * cut out without parsing. A quote inside the fields before it is escaped (the clock is JSON inside a JSON string), so the mark cannot occur there.
 */
export function encodeEnvelope(envelope: Envelope): string {
  let head = `{"ts":${envelope.writtenAt},"node":"${envelope.writer}","sha":"${envelope.checksum}"`
  if (envelope.expiresAt !== undefined) head += `,"exp":${envelope.expiresAt}`
  if (envelope.hydratedRevision !== undefined) head += `,"rev":${envelope.hydratedRevision}`
  if (envelope.deleted === true) head += ',"del":1'
  if (envelope.clock !== undefined) head += `,"clk":${JSON.stringify(envelope.clock)}`
  return `${head}${VALUE_MARK}${envelope.text}}`
}

/** Reads an envelope and verifies the checksum; CONSISTENCY_VIOLATION, naming `where`, when it is damaged. */
export function decodeEnvelope(data: string, where: string): Envelope {
  const mark = data.indexOf(VALUE_MARK)
  try {
    const head = JSON.parse(`${data.slice(0, mark)}}`) as { ts: number; node: string; sha: string; exp?: number; rev?: number; del?: number; clk?: string }
    const text = data.slice(mark + VALUE_MARK.length, -1)
    if (mark > 0 && checksumOf(text) === head.sha) {
      return {
        text,
        checksum: head.sha,
        writtenAt: head.ts,
        writer: head.node,
        ...(head.exp === undefined ? {} : { expiresAt: head.exp }),
        ...(head.rev === undefined ? {} : { hydratedRevision: head.rev }),
        ...(head.del === undefined ? {} : { deleted: true }),
        ...(head.clk === undefined ? {} : { clock: head.clk }),
      }
    }
  } catch {
    // Falls through: not an envelope.
  }
  throw new CairnError('CONSISTENCY_VIOLATION', `${where}: the stored value is damaged (its SHA-256 checksum does not match). Restore the agent from a checkpoint.`, {
    details: { where },
  })
}
