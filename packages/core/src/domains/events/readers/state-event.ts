import type { StreamMessage } from '../../../engines/stream/index.ts'
import type { StateEventPayload } from '../event-types.ts'

/** A change of state as a message of the log, with the tenant in its subject. `key`: tenant, agent, state key. */
export function stateMessage(key: readonly string[], revision: number, deleted: boolean, place: { sequence: number; publishedAt: Date; deliveries: number }): StreamMessage {
  const [tenant, agent, stateKey] = key
  const payload: StateEventPayload = { key: stateKey as string, revision, deleted }
  return { id: `state-${revision}`, subject: `agents.state.${tenant}.${agent}`, payload, headers: {}, ...place }
}

/** The agent's token of a filter over `agents.state.<agent>`: undefined when the filter cannot match one. */
export function agentOfFilter(filter: string): string | undefined {
  const tokens = filter.split('.')
  const matches = ['agents', 'state'].every((word, index) => {
    const end = tokens.indexOf('>')
    return (end >= 0 && end <= index) || tokens[index] === word || tokens[index] === '*'
  })
  if (!matches) return undefined
  const end = tokens.indexOf('>')
  if (end >= 0 && end <= 2) return '*'
  return tokens.length === 3 ? tokens[2] : undefined
}
