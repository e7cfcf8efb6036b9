import { CairnError } from '../../errors/index.ts'
import { insertMessage, type StoredDeadLetter, type StreamMessage } from '../../engines/stream/index.ts'
import type { TenantIdentity } from '../../identity/index.ts'
import { type Page, type PageOptions, decodeCursor, encodeCursor, pageLimit } from '../../paging/index.ts'
import type { EventCore } from './event-core.ts'
import { streamNamed } from './event-streams.ts'
import type { EventDeadLetter } from './event-types.ts'
import { DELETE_DEAD_LETTER, LOCK_DEAD_LETTER, SELECT_DEAD_LETTERS } from './events-queries.ts'
import { STATE_PART, durableName, toEvent } from './open-readers.ts'

const LIST = 'event-dead-letters'
const ID = /^(sql|js)-(\d{1,15})$/

export interface DeadLetterOptions extends PageOptions {
  readonly stream?: string
  readonly consumer?: string
}

interface Row extends Omit<StreamMessage, 'deliveries'> {
  readonly deadLetterId: number
  readonly stream: string
  readonly consumer: string
  readonly deliveries: number
  readonly reason: string | null
  readonly buriedAt: Date
}

/** Dead letters lie in SQL (of the relay, and of consumers where SQL is the log) and in the stream DEAD_LETTER on JetStream: those of SQL come first. */
export class DeadLetters {
  readonly #core: EventCore
  readonly #identity: TenantIdentity

  constructor(core: EventCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
  }

  async list(options: DeadLetterOptions): Promise<Page<EventDeadLetter>> {
    const limit = pageLimit(options)
    const [place = 'sql', after = 0] = (decodeCursor(LIST, options.cursor, 2) ?? []) as [string?, number?]
    if ((place !== 'sql' && place !== 'js') || !Number.isSafeInteger(after)) throw new CairnError('INVALID_CURSOR', `cursor: this is not a cursor of the list "${LIST}". Start again without a cursor.`, { details: { list: LIST } })
    const stream = options.stream === undefined ? null : streamNamed(options.stream).name
    const consumers = options.consumer === undefined ? null : this.#names(options.consumer)
    const items: { letter: EventDeadLetter; cursor: [string, number] }[] = []
    if (place === 'sql') {
      const { rows } = await this.#core.options.sql.query<Row>(this.#identity, SELECT_DEAD_LETTERS, [this.#identity.tenant, stream, consumers, after, limit + 1])
      for (const row of rows) items.push({ letter: this.#ofRow(row), cursor: ['sql', row.deadLetterId] })
    }
    if (items.length <= limit && this.#core.options.connect !== undefined) {
      const wanted = ({ letter }: { letter: EventDeadLetter }): boolean => (stream === null || letter.stream === stream) && (options.consumer === undefined || letter.consumer === options.consumer)
      for (let from = place === 'js' ? after : 0; items.length <= limit; ) {
        const stored = await (await this.#core.reading()).deadLetters(this.#identity.tenant, { after: from, limit: Math.max(limit + 1, 100) })
        items.push(...stored.map((each) => ({ letter: this.#ofStored(each), cursor: ['js', each.sequence] as [string, number] })).filter(wanted))
        const last = stored.at(-1)
        if (last === undefined) break
        from = last.sequence
      }
    }
    const shown = items.slice(0, limit)
    return { items: shown.map(({ letter }) => letter), nextCursor: items.length > limit ? encodeCursor(LIST, shown.at(-1)?.cursor ?? ['sql', 0]) : null }
  }

  /**
   * Publishes its event again under a new id, for all consumers, and removes it. Done twice at the same time, it is published once.
   * NOT_FOUND; INVALID_ARGUMENT for a change of state, which is no event of its own: the key can be read.
   */
  async redrive(id: string): Promise<{ id: string }> {
    const { kind, number } = parse(id)
    const { sql, outbox } = { sql: this.#core.options.sql, outbox: this.#core.outbox }
    if (kind === 'sql') {
      const redriven = await sql.transaction(this.#identity, async (session) => {
        const row = (await session.query<Row>(LOCK_DEAD_LETTER, [this.#identity.tenant, number])).rows[0]
        if (row === undefined) throw noSuchLetter(id)
        const published = await this.#again(session, row.subject, row.payload, row.headers, `redrive-${id}`)
        await session.query(DELETE_DEAD_LETTER, [this.#identity.tenant, number])
        return published
      })
      outbox.announce()
      return redriven
    }
    const stored = await this.#stored(number, id)
    // The id is made from the place, so that a repetition after a failure in between is not stored twice.
    const redriven = await sql.transaction(this.#identity, (session) => this.#again(session, stored.message.subject, stored.message.payload, stored.message.headers, `redrive-${id}-${stored.buriedAt.getTime()}`))
    outbox.announce()
    await (await this.#core.reading()).removeDeadLetter(number)
    return redriven
  }

  /** False when there is none. */
  async discard(id: string): Promise<boolean> {
    const { kind, number } = parse(id)
    if (kind === 'sql') return (await this.#core.options.sql.query(this.#identity, DELETE_DEAD_LETTER, [this.#identity.tenant, number])).rowCount > 0
    if ((await this.#find(number)) === undefined) return false
    return (await this.#core.reading()).removeDeadLetter(number)
  }

  async #again(session: Parameters<typeof insertMessage>[0], subject: string, payload: unknown, headers: Readonly<Record<string, string>>, id: string): Promise<{ id: string }> {
    if (subject.startsWith('agents.state.') || subject.startsWith(this.#core.options.stateChanges)) {
      throw new CairnError('INVALID_ARGUMENT', 'id: a change of state is not published again; read the key, and discard the dead letter.', { details: { field: 'id' } })
    }
    await insertMessage(session, this.#identity, { subject, id, payload: JSON.stringify(payload), headers: JSON.stringify(headers) })
    return { id }
  }

  async #stored(sequence: number, id: string): Promise<StoredDeadLetter> {
    const stored = await this.#find(sequence)
    if (stored === undefined) throw noSuchLetter(id)
    return stored
  }

  /** Only among those of this tenant. */
  async #find(sequence: number): Promise<StoredDeadLetter | undefined> {
    if (this.#core.options.connect === undefined || sequence < 1) return undefined
    const [stored] = await (await this.#core.reading()).deadLetters(this.#identity.tenant, { after: sequence - 1, limit: 1 })
    return stored?.sequence === sequence ? stored : undefined
  }

  #names(consumer: string): string[] {
    if (consumer === 'relay') return ['relay', durableName(this.#identity.tenant, 'relay')]
    return [durableName(this.#identity.tenant, consumer)]
  }

  #ofRow(row: Row): EventDeadLetter {
    return this.#toLetter(`sql-${row.deadLetterId}`, row.stream, row.consumer, row, row.deliveries, row.reason, row.buriedAt)
  }

  #ofStored({ sequence, stream, consumer, message, buriedAt }: StoredDeadLetter): EventDeadLetter {
    return this.#toLetter(`js-${sequence}`, stream, consumer, message, message.deliveries, null, buriedAt)
  }

  #toLetter(id: string, streamName: string, consumer: string, message: Omit<StreamMessage, 'deliveries'>, deliveries: number, reason: string | null, buriedAt: Date): EventDeadLetter {
    const { stream, ...event } = toEvent(this.#core, this.#identity, streamNamed(streamName), { ...message, deliveries })
    const own = `${this.#identity.tenant}=`
    const name = (consumer.startsWith(own) ? consumer.slice(own.length) : consumer).replace(STATE_PART, '')
    return { id, stream, consumer: name, event, deliveries, reason, buriedAt }
  }
}

function parse(id: string): { kind: string; number: number } {
  const [, kind, number] = ID.exec(id) ?? []
  if (kind === undefined) throw noSuchLetter(id)
  return { kind, number: Number(number) }
}

function noSuchLetter(id: string): CairnError {
  return new CairnError('NOT_FOUND', `No dead letter ${JSON.stringify(id.slice(0, 60))} exists in this tenant. It may have been redriven or discarded already.`, { details: { id: id.slice(0, 60) } })
}
