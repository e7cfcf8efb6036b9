import { CairnError } from '../../errors/index.ts'
import { CHANNEL_IDS, QUEUE_IDS } from './channel-queries.ts'
import type { MessageRoom } from './room.ts'

export function channelIds(room: MessageRoom, names: readonly string[]): Promise<string[]> {
  return ids(room, names, CHANNEL_IDS, 'channel')
}

export function queueIds(room: MessageRoom, names: readonly string[]): Promise<string[]> {
  return ids(room, names, QUEUE_IDS, 'queue')
}

/** NOT_FOUND, with the name, for one that does not exist. */
async function ids(room: MessageRoom, names: readonly string[], text: string, what: string): Promise<string[]> {
  const { rows } = await room.sql.query<{ id: string; name: string }>(room.identity, text, [room.tenant, names])
  const missing = names.find((name) => !rows.some((row) => row.name === name))
  if (missing !== undefined) throw notFound(what, missing)
  return rows.map(({ id }) => id)
}

export function notFound(what: string, name: string): CairnError {
  return new CairnError('NOT_FOUND', `There is no ${what} ${JSON.stringify(name)} in this tenant. Check the name; list what exists.`, { details: { [what]: name } })
}
