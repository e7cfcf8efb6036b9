import { randomUUID } from 'node:crypto'
import { type Cairn, CairnError, type SagaStep, type SagaStrategy } from '../../../src/index.ts'

export interface Order {
  readonly key: string
  readonly fail: boolean
}

const TABLE = 'conversations.chat_sessions'
const COUNT = (by: string) => `UPDATE ${TABLE} SET message_count = message_count ${by} 1 WHERE tenant_id = $1 AND chat_session_key = $2`

/** A saga over rows and state whose outcome can be told from both. */
export function defineOrder(cairn: Cairn, strategy: SagaStrategy, pause = (): Promise<void> => Promise.resolve()): void {
  const code: SagaStep<Order>[] = [
    {
      name: 'charge',
      run: ({ input, state, stepKey }) => state.set('clerk', `charge ${input.key}`, true, { ack: 'durable', operationId: stepKey }),
      compensate: ({ input, state }) => state.delete('clerk', `charge ${input.key}`, { ack: 'durable' }),
    },
  ]
  const last: SagaStep<Order>[] = [
    {
      name: 'confirm',
      run: async ({ input }) => {
        await pause()
        if (input.fail) throw new CairnError('INVALID_ARGUMENT', 'refused')
      },
    },
  ]
  const steps: SagaStep<Order>[] = [
    { name: 'insert', insert: ({ input }) => ({ table: TABLE, row: { chat_session_id: randomUUID(), chat_session_key: `new ${input.key}` } }) },
    {
      name: 'count',
      transaction: async (session, { tenant, input }) => (await session.query(COUNT('+'), [tenant, `old ${input.key}`])).rowCount,
      compensateTransaction: (session, { tenant, input }) => session.query(COUNT('-'), [tenant, `old ${input.key}`]),
    },
    { name: 'title', update: ({ input }) => ({ table: TABLE, where: { chat_session_key: `old ${input.key}` }, set: { title: 'new' } }) },
    { name: 'set', setState: ({ input }) => ({ agent: 'clerk', key: `set ${input.key}`, value: 'new' }) },
    // In one outcome with SQL, what cannot be written makes it fail; an agent that is missing will stay so.
    { name: 'erase', deleteState: ({ input }) => ({ agent: input.fail && strategy === 'two_phase_commit' ? 'nobody' : 'clerk', key: `erase ${input.key}` }) },
  ]
  // As often as processes are killed, so that only what is told to fail is compensated.
  const all = (strategy === 'saga_pattern' ? [...code, ...steps, ...last] : steps).map((step) => ({ ...step, retries: 50 }))
  cairn.sagas.define<Order>('order', all, {
    strategy,
    compensation: { retries: 50 },
    ...(strategy === 'eventual_consistency' ? { check: (_session, { input }) => !input.fail } : {}),
  })
}

/** What an order finds. */
export async function prepareOrder(cairn: Cairn, key: string): Promise<void> {
  await cairn.conversations.createSession({ key: `old ${key}`, title: 'old' })
  await cairn.state.set('clerk', `set ${key}`, 'old', { ack: 'durable' })
  await cairn.state.set('clerk', `erase ${key}`, 'kept', { ack: 'durable' })
}

/** What an order left, in the words of its two outcomes. */
export async function outcomeOf(cairn: Cairn, key: string): Promise<Record<string, unknown>> {
  const { rows } = await cairn.engines.sql.query<{ title: string; count: number; added: number }>(
    cairn.identity,
    `SELECT title, message_count AS count, (SELECT count(*) FROM ${TABLE} n WHERE n.tenant_id = $1 AND n.chat_session_key = $3) AS added FROM ${TABLE} WHERE tenant_id = $1 AND chat_session_key = $2`,
    [cairn.identity.tenant, `old ${key}`, `new ${key}`],
  )
  const value = async (name: string): Promise<unknown> => (await cairn.state.get('clerk', `${name} ${key}`))?.value
  return { ...rows[0], set: await value('set'), erase: await value('erase'), charge: await value('charge') }
}

export const DONE = { title: 'new', count: 1, added: 1, set: 'new', erase: undefined }
export const UNDONE = { title: 'old', count: 0, added: 0, set: 'old', erase: 'kept', charge: undefined }
