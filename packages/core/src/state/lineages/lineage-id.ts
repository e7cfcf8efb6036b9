import { hash } from 'node:crypto'
import { CairnError } from '../../errors/index.ts'

/** One path of one thread in one namespace. */
export interface Lineage {
  readonly id: string
  readonly namespace: string
  readonly thread: string
  readonly path: string
}

/** Texts that are part of a key, in bytes of UTF-8: PostgreSQL's index rows end at 2.7 kB. */
export const MOST_BYTES = { namespace: 200, thread: 1_000, path: 1_000, id: 255, taskId: 255, taskPath: 4_000 } as const

/** The id is a UUID made of SHA-256: every process knows it without asking, and two lineages do not meet. */
export function lineageOf(namespace: string, thread: string, path: string): Lineage {
  const hex = hash('sha256', JSON.stringify([namespace, thread, path]), 'hex')
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  return { id, namespace, thread, path }
}

const REMEMBERED = 2_000

/** The lineages of one namespace; those used lately are not made, and hashed, again. */
export class LineageNames {
  readonly #namespace: string
  readonly #known = new Map<string, Lineage>()

  constructor(namespace: string) {
    this.#namespace = namespace
  }

  /** INVALID_ARGUMENT for names that SQL cannot store. */
  of(thread: unknown, path: unknown): Lineage {
    const name = typeof thread === 'string' && typeof path === 'string' ? `${thread.length} ${thread}${path}` : ''
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const lineage = lineageOf(this.#namespace, checkPart('thread', thread), checkPart('path', path, true))
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(name, lineage)
    return lineage
  }
}

/** INVALID_ARGUMENT unless `text` is well-formed text of the allowed length without U+0000. */
export function checkPart(field: keyof typeof MOST_BYTES, text: unknown, mayBeEmpty = false): string {
  if (typeof text !== 'string' || (text === '' && !mayBeEmpty)) {
    throw invalid(field, `it must be ${mayBeEmpty ? '' : 'non-empty '}text, not ${text === '' ? 'empty' : typeof text}.`)
  }
  const most = MOST_BYTES[field]
  if (text.length > most || Buffer.byteLength(text) > most) throw invalid(field, `it has more than ${most} bytes.`)
  if (text.includes('\u0000') || !text.isWellFormed()) throw invalid(field, 'it holds U+0000 or a lone surrogate, which SQL cannot store.')
  return text
}

export function invalid(field: string, why: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', `${field}: ${why}`, { details: { field } })
}
