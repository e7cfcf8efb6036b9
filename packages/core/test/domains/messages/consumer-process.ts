/**
 * A program that reads an inbox and says what it handles: `H <payload>` when it has it, `A <payload>` when it is acknowledged.
 * Its argument is JSON: { options, tenant, agent, queues, leaseMs, hang }. With `hang` it never acknowledges the payload of that number.
 */
import { open } from '../../../src/index.ts'

const { options, tenant, agent, queues, leaseMs, hang } = JSON.parse(process.argv[2] ?? '{}')
const cairn = (await open(options)).as({ tenant })
process.stdout.write('ready\n')
for await (const message of cairn.messages.inbox(agent, { queues, prefetch: 8, leaseMs })) {
  process.stdout.write(`H ${String(message.payload)}\n`)
  if (message.payload === hang) await new Promise(() => setInterval(() => undefined, 1_000))
  await message.ack()
  process.stdout.write(`A ${String(message.payload)}\n`)
}
