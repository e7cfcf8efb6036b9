import { CairnError } from '@cairn/core'
import type { Command } from 'commander'
import type { PointJson } from '../client/cairn-client.ts'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'

interface PointFlags extends ClientFlags {
  readonly time?: string
  readonly kvRevision?: string
  readonly checkpoint?: string
  readonly tag?: string
}

/** Adds `cairn checkpoints at|diff|tag|untag`. */
export function addHistoryCommands(checkpoints: Command): void {
  withClientFlags(checkpoints.command('at'))
    .description("Show an agent's state at a point: the newest checkpoint at or before it")
    .argument('<agent>', 'id or key')
    .option('--time <iso>', 'a time, such as 2026-03-10T12:30:00Z')
    .option('--kv-revision <n>', "a revision of the hot tier's bucket")
    .option('--checkpoint <id>', 'this checkpoint')
    .option('--tag <tag>', 'the newest with this tag')
    .action((agent: string, flags: PointFlags) =>
      runWithClient(flags, async (client) => {
        const { state, ...checkpoint } = await client.checkpoints.stateAt(agent, pointFrom(flags))
        show(flags, { ...checkpoint, state }, () => {
          const rows = Object.entries(state).map(([key, value]) => [key, oneLine(JSON.stringify(value), 90)])
          return `${record({ ...checkpoint, tags: checkpoint.tags.join(', ') })}\n${table(['key', 'value'], rows, 'It holds no keys.')}`
        })
      }),
    )

  withClientFlags(checkpoints.command('diff'))
    .description('Show what changed since a checkpoint')
    .argument('<from>')
    .argument('[to]', 'another checkpoint (default: now)')
    .action((from: string, to: string | undefined, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const diff = await client.checkpoints.diff(from, to)
        show(flags, diff, () => {
          const rows = [
            ...diff.added.map(({ key, value }) => ['+', key, oneLine(JSON.stringify(value), 90)]),
            ...diff.removed.map(({ key, value }) => ['-', key, oneLine(JSON.stringify(value), 90)]),
            ...diff.changed.map(({ key, patch }) => ['~', key, oneLine(JSON.stringify(patch), 90)]),
          ]
          return `${table(['', 'key', 'change'], rows, 'Nothing changed.')}\n${diff.unchanged} keys unchanged.`
        })
      }),
    )

  withClientFlags(checkpoints.command('tag'))
    .description('Tag a checkpoint')
    .argument('<id>')
    .argument('<tag>')
    .option('--moving', 'take the tag off the checkpoint of the agent that has it')
    .action((id: string, tag: string, flags: ClientFlags & { moving?: boolean }) =>
      runWithClient(flags, async (client) => {
        const tagged = await client.checkpoints.tag(id, tag, flags.moving === true ? { moving: true } : {})
        show(flags, tagged, () => `Checkpoint ${tagged.id} has the tags ${tagged.tags.join(', ')}.`)
      }),
    )

  withClientFlags(checkpoints.command('untag'))
    .description('Take a tag off a checkpoint')
    .argument('<id>')
    .argument('<tag>')
    .action((id: string, tag: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const result = await client.checkpoints.untag(id, tag)
        show(flags, result, () => (result.deleted ? 'Taken off.' : 'It did not have the tag.'))
      }),
    )
}

function pointFrom({ time, kvRevision, checkpoint, tag }: PointFlags): PointJson {
  const given = { ...(time === undefined ? {} : { time }), ...(kvRevision === undefined ? {} : { kvRevision: Number(kvRevision) }), ...(checkpoint === undefined ? {} : { checkpoint }), ...(tag === undefined ? {} : { tag }) }
  if (Object.keys(given).length === 1) return given
  throw new CairnError('INVALID_OPTION', 'Give one of --time, --kv-revision, --checkpoint and --tag.', { details: { option: 'time' } })
}
