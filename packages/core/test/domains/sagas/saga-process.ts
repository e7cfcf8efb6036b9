/**
 * A program that runs order sagas until it is killed. Its argument is JSON: { options, strategy, leaseMs, start, killAt, hang }.
 * It starts the order `start`, if there is one, and says `ended <id> <status>`. With `killAt` n it kills itself with SIGKILL
 * at the n-th moment before or after a statement about the saga or its rows; with `hang`, the last step says `hanging` and
 * waits for a line of input.
 */
import { once } from 'node:events'
import { open } from '../../../src/index.ts'
import type { SqlSession } from '../../../src/internal.ts'
import { defineOrder } from './order-saga.ts'

const { options, strategy, leaseMs, start, killAt, hang } = JSON.parse(process.argv[2] ?? '{}')
const cairn = await open(options)
const { sql } = cairn.engines
let moments = 0

function moment(text: string): void {
  // Not: looking for sagas, renewing the lease, asking for the outcome.
  if (!/tx\.saga|chat_sessions|PREPARE/.test(text) || /SET lease_owner = \$1|SET lease_until|saga_id AS id, saga_name/.test(text)) return
  if (++moments === killAt) process.kill(process.pid, 'SIGKILL')
}
async function watched<T>(text: string, send: () => Promise<T>): Promise<T> {
  moment(text)
  const result = await send()
  moment(text)
  return result
}
function watchedSession(session: SqlSession): SqlSession {
  return {
    query: (text, ...rest) => watched(text, () => session.query(text, ...rest)),
    exec: (script) => watched(script, () => session.exec(script)),
  }
}
if (killAt !== undefined) {
  const [query, transaction] = [sql.query.bind(sql), sql.transaction.bind(sql)]
  sql.query = (identity, text, ...rest) => watched(text, () => query(identity, text, ...rest))
  sql.transaction = (identity, run, ...rest) => transaction(identity, (session) => run(watchedSession(session)), ...rest)
}

cairn.sagas.run({ leaseMs, pollMs: 50 })
defineOrder(cairn, strategy, async () => {
  if (hang !== true) return
  process.stdout.write('hanging\n')
  await once(process.stdin, 'data')
})
process.stdout.write('ready\n')
if (start !== undefined) {
  const { id } = await cairn.sagas.start('order', start, { id: start.key })
  process.stdout.write(`started ${id}\n`)
  const saga = await cairn.sagas.wait(id, { timeoutMs: 60_000 })
  process.stdout.write(`ended ${id} ${saga.status}\n`)
}
