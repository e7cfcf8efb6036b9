import { CairnError } from '@cairn/core'

/** The entity tag of a revision: the revision in quotes. */
export function etagOf(revision: number): string {
  return `"${revision}"`
}

const TAG = /^"(\d{1,16})"$/

/**
 * What a write expects, from its conditional headers: the revision in `If-Match: "7"`, or 0 for `If-None-Match: *`
 * (the key must not exist). INVALID_ARGUMENT for other forms: a compare-and-set names one revision.
 */
export function expectedRevision(ifMatch: string | undefined, ifNoneMatch: string | undefined): number | undefined {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) refuse('If-Match', 'give it or If-None-Match, not both')
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== '*') refuse('If-None-Match', `${JSON.stringify(ifNoneMatch)} is not *; a write takes only * (write if the key does not exist)`)
    return 0
  }
  if (ifMatch === undefined) return undefined
  const revision = Number(TAG.exec(ifMatch.trim())?.[1])
  if (!Number.isSafeInteger(revision)) refuse('If-Match', `${JSON.stringify(ifMatch)} is not one revision in quotes, such as "7" (the ETag of a GET or PUT)`)
  return revision
}

/** Whether `If-None-Match` of a read names this revision, so that the answer is 304 (RFC 9110 §13.1.2, weak comparison). */
export function isNotModified(ifNoneMatch: string | undefined, revision: number): boolean {
  if (ifNoneMatch === undefined) return false
  const tags = new Set(ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, '')))
  return tags.has('*') || tags.has(etagOf(revision))
}

function refuse(field: string, why: string): never {
  throw new CairnError('INVALID_ARGUMENT', `${field}: ${why}.`, { details: { field, in: 'header' } })
}
