/**
 * A process that runs one debate, for the chaos tests. Its argument is JSON: { options, debate, log, killAt }. To the file `log` it writes, before anything else,
 * `stored <key>` for each argument and vote that it finds; then `call <key>` before and `answer <key>` after each call of a participant. With `killAt` n it
 * kills itself with SIGKILL a random moment after its n-th call. It is started anew until it writes `ended`; nobody else runs the debate meanwhile.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DebateParticipantCalls, isCairnError, open } from '@cairn/core'

const { options, debate, log, killAt } = JSON.parse(process.argv[2] ?? '{}') as { options: Parameters<typeof open>[0]; debate: string; log: string; killAt?: number }
// A line is one write: a kill leaves whole lines.
const note = (line: string): void => appendFileSync(log, `${line}\n`)

const die = (): void => void process.kill(process.pid, 'SIGKILL')
let made = 0

async function called(key: string): Promise<void> {
  note(`call ${key}`)
  if (++made === killAt) setTimeout(die, Math.random() * 40)
  // However late the timer is, it is killed amid its work.
  else if (killAt !== undefined && made >= killAt + 2) die()
  await sleep(5 + Math.random() * 30)
  note(`answer ${key}`)
}

const cairn = await open({ ...options, migrate: 'check' })
const { participants, id } = await cairn.debates.get(debate)
for (const { content } of (await cairn.debates.arguments(debate, { limit: 1000 })).items) note(`stored ${content}`)
for (const { status, participant } of await cairn.debates.votes(debate)) {
  if (status === 'done') note(`stored ${id}:vote:${participants.find(({ name }) => name === participant)?.number}`)
}
const calls = Object.fromEntries(
  participants.map(({ name, number }): [string, DebateParticipantCalls] => [
    name,
    {
      async speak({ callKey }) {
        await called(callKey)
        return { content: callKey, confidence: number / 10, position: number % 2 === 0 ? 'even' : 'odd' }
      },
      async vote({ callKey }) {
        await called(callKey)
        return { position: 'odd', reason: callKey }
      },
    },
  ]),
)
// Whoever ran it before was killed: what is left of that lease need not be waited for.
await cairn.engines.sql.query(cairn.identity, 'UPDATE debates.debates SET lease_until = clock_timestamp() WHERE tenant_id = $1 AND debate_id = $2 AND lease_until > clock_timestamp()', [cairn.identity.tenant, id])
// On a busy machine the lease may run out under a living process; it is then as good as any other.
for (;;) {
  try {
    const { status } = await cairn.debates.run(debate, calls, { leaseMs: 30_000, waitMs: 60_000, countTokens: (text) => text.length })
    note(`ended ${status}`)
    break
  } catch (error) {
    if (!isCairnError(error, 'DEBATE_LEASE_LOST')) throw error
    note('lost')
  }
}
await cairn.close()
