import { CairnError } from '../../errors/index.ts'
import type { CheckedName } from './input.ts'

export function noHistory([namespace, key]: CheckedName): CairnError {
  const place = namespace === '' ? '' : ` in the namespace ${JSON.stringify(namespace)}`
  return new CairnError('NOT_FOUND', `history: no history ${JSON.stringify(key)}${place} in this tenant. Check the key and the namespace; list what exists.`, {
    details: { thing: 'history', namespace, key },
  })
}

export function otherOperation(operationId: string): CairnError {
  return new CairnError('DUPLICATE_KEY', `operationId: ${JSON.stringify(operationId)} was already applied to this history with another change. Nothing was changed; use another id.`, {
    details: { field: 'operationId', thing: 'operation', operationId },
  })
}

export function suffixMismatch([namespace, key]: CheckedName, expected: number, found: readonly unknown[], revision: number): CairnError {
  return new CairnError(
    'VERSION_CONFLICT',
    `expected: the history ${JSON.stringify(key)} does not end in the ${expected} items expected. Nothing was changed; read the history again (details.found has what it ends in).`,
    { details: { field: 'expected', namespace, key, found, revision } },
  )
}

export function rewriteMismatch([namespace, key]: CheckedName, revision: number): CairnError {
  return new CairnError(
    'VERSION_CONFLICT',
    `The history ${JSON.stringify(key)} is at revision ${revision}: it is not the one expected, or a position to rewrite is gone. Nothing was changed; read it again.`,
    { details: { namespace, key, revision } },
  )
}
