/** A process of its own: appends with `ack: 'hot'` and prints the id of each step that was acknowledged, until it is killed. */
import { type CairnOptions, open } from '../../../src/index.ts'
import { checkpointAt, idOf } from './lineage-world.ts'

const { options, threads } = JSON.parse(process.argv[2] ?? '') as { options: CairnOptions; threads: string[] }
const cairn = await open(options)
const space = cairn.lineages.space({ namespace: 'hot', ack: 'hot' })
await Promise.all(
  threads.map(async (thread) => {
    for (let step = 0; step < 100_000; step++) {
      await space.append(checkpointAt(thread, step))
      await space.appendWrites({ thread, id: idOf(step), taskId: 'task', writes: [{ index: 0, channel: 'c', type: 'json', bytes: Buffer.from(`${step}`) }] })
      process.stdout.write(`${thread} ${step}\n`)
    }
  }),
)
