import { CairnError } from '../errors/index.ts'
import { type StateAddress, describeAddress } from './state-entry.ts'

export function damaged(address: StateAddress, tier: string): CairnError {
  return new CairnError('CONSISTENCY_VIOLATION', `${describeAddress(address)}: the value in ${tier} does not match its SHA-256 checksum. Restore the agent from a checkpoint.`, {
    details: { agentId: address.agentId, key: address.key, tier },
  })
}
