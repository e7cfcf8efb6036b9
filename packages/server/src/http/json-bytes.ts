import { CairnError } from '@cairn/core'

/** The bytes or text of a JSON body with `base64` or `text`. INVALID_ARGUMENT unless exactly one is there. */
export function bytesOfBody({ base64, text }: { readonly base64?: string | undefined; readonly text?: string | undefined }): Uint8Array | string {
  if (base64 !== undefined && text === undefined) return Buffer.from(base64, 'base64')
  if (text !== undefined && base64 === undefined) return text
  throw new CairnError('INVALID_ARGUMENT', 'body: give exactly one of base64 and text.', { details: { field: 'base64', in: 'body' } })
}
