import { CairnError, DEBATE_MODES, DEBATE_STATUSES, type DebateMode, type DebateStatus, type SubmitArgument, type SubmitVote } from '@cairn/core'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface ListFlags extends ClientFlags, PageFlags {
  readonly status?: DebateStatus
  readonly mode?: DebateMode
  readonly agent?: string
}

interface SubmitFlags extends ClientFlags {
  readonly as: string
  readonly position?: string
  readonly confidence?: number
  readonly evidence?: string
  readonly replyTo?: string
  readonly pass?: boolean
  readonly vote?: boolean
  readonly operationId?: string
}

/** Adds `cairn debates list|show|submit|pause|resume|cancel`. */
export function registerDebatesCommands(program: Command): void {
  const debates = program.command('debates').description('Debates: what was said, and what people say from outside')

  withClientFlags(withPageFlags(debates.command('list')))
    .description('List debates, newest first')
    .addOption(new Option('--status <status>', 'only in this status').choices([...DEBATE_STATUSES]))
    .addOption(new Option('--mode <mode>', 'only of this mode').choices([...DEBATE_MODES]))
    .option('--agent <agent>', 'only those in which this agent takes part')
    .action((flags: ListFlags) =>
      runWithClient(flags, async (client) => {
        const { status, mode, agent } = flags
        const page = await client.debates.list({ ...pageFrom(flags), ...(status === undefined ? {} : { status }), ...(mode === undefined ? {} : { mode }), ...(agent === undefined ? {} : { agent }) })
        show(flags, page, () => {
          const rows = page.items.map((each) => [each.key, oneLine(each.topic, 50), each.mode, each.status, each.totalArguments, each.status === 'completed' ? each.consensusScore.toFixed(2) : '', each.winningPosition])
          return table(['key', 'topic', 'mode', 'status', 'arguments', 'consensus', 'winner'], rows, 'There are no such debates.') + moreLine(page)
        })
      }),
    )

  withClientFlags(withPageFlags(debates.command('show')))
    .description('Show a debate, its votes and its arguments')
    .argument('<debate>', 'id or key')
    .action((debate: string, flags: ClientFlags & PageFlags) =>
      runWithClient(flags, async (client) => {
        const found = await client.debates.get(debate)
        const [votes, page] = await Promise.all([client.debates.votes(debate), client.debates.arguments(debate, pageFrom(flags))])
        show(flags, { ...found, votes: votes.items, arguments: page }, () => {
          const { participants, awaited, configuration, compressionRequestIds, ...rest } = found
          const voteOf = new Map(votes.items.map((vote) => [vote.participant, vote.position ?? vote.status]))
          const seats = participants.map(({ name, role, position, weight }) => [name, role, position, weight, voteOf.get(name)])
          const said = page.items.map(({ round, turn, participant, position, confidence, content }) => [`${round}.${turn}`, participant, position, confidence, oneLine(content, 90)])
          const waits = awaited.map(({ participant, kind, round }) => `${participant} (${kind}${round === null ? '' : `, round ${round}`})`).join(', ')
          return `${record({ ...rest, rounds: configuration.rounds, compressionRequestIds: compressionRequestIds.join(', '), awaited: waits })}\n\n${table(['participant', 'role', 'position', 'weight', 'vote'], seats)}\n\n${table(['turn', 'participant', 'position', 'confidence', 'argument'], said, 'Nothing was said.')}${moreLine(page)}`
        })
      }),
    )

  withClientFlags(debates.command('submit'))
    .description('Say what a participant says that is awaited; with --vote, its vote')
    .argument('<debate>', 'id or key')
    .argument('[content]', 'the argument; with --vote, why')
    .requiredOption('--as <participant>', 'who says it')
    .option('--position <position>', 'what it stands for')
    .option('--confidence <n>', 'how sure it is, 0 to 1', share)
    .option('--evidence <json>', 'an array of whatever supports it')
    .option('--reply-to <argument>', 'id of the argument it answers')
    .option('--pass', 'has nothing to say in this round, or abstains')
    .option('--vote', 'it is a vote for --position')
    .option('--operation-id <id>', 'said again, it is the same argument')
    .action((debate: string, content: string | undefined, flags: SubmitFlags) =>
      runWithClient(flags, async (client) => {
        if (flags.vote === true) {
          const vote = await client.debates.vote(debate, voteFrom(content, flags))
          show(flags, vote, () => (vote.position === null ? `${vote.participant} abstains.` : `${vote.participant} votes for ${vote.position}.`))
          return
        }
        const submitted = await client.debates.submit(debate, argumentFrom(content, flags))
        show(flags, submitted, () => (submitted.argument === null ? `${flags.as} passes.` : `Argument ${submitted.argument.id} of ${flags.as} is stored (round ${submitted.argument.round}).`))
      }),
    )

  for (const [name, description] of [
    ['pause', 'Begin no turn until it is resumed'],
    ['resume', 'End a pause, or let one that failed be run again'],
  ] as const) {
    withClientFlags(debates.command(name))
      .description(description)
      .argument('<debate>', 'id or key')
      .action((debate: string, flags: ClientFlags) =>
        runWithClient(flags, async (client) => {
          const changed = await client.debates[name](debate)
          show(flags, changed, () => `Debate ${changed.key} is ${changed.pausedAt === null ? changed.status : 'paused'}.`)
        }),
      )
  }

  withClientFlags(debates.command('cancel'))
    .description('End a debate without a vote; what was said stays')
    .argument('<debate>', 'id or key')
    .option('--reason <text>', 'why')
    .option('--yes', 'do not ask')
    .action((debate: string, flags: ClientFlags & { reason?: string; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Cancel debate ${debate}?`)
        const cancelled = await client.debates.cancel(debate, flags.reason === undefined ? {} : { reason: flags.reason })
        show(flags, cancelled, () => `Debate ${cancelled.key} is ${cancelled.status}.`)
      }),
    )
}

function argumentFrom(content: string | undefined, { as: participant, position, confidence, evidence, replyTo, pass, operationId }: SubmitFlags): SubmitArgument {
  return {
    participant,
    ...(content === undefined ? {} : { content }),
    ...(position === undefined ? {} : { position }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(evidence === undefined ? {} : { evidence: parsed(evidence) }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(pass === true ? { pass } : {}),
    ...(operationId === undefined ? {} : { operationId }),
  }
}

function voteFrom(reason: string | undefined, { as: participant, position, confidence, pass }: SubmitFlags): SubmitVote {
  return { participant, ...(position === undefined ? {} : { position }), ...(confidence === undefined ? {} : { confidence }), ...(reason === undefined ? {} : { reason }), ...(pass === true ? { abstain: true } : {}) }
}

function share(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('It is not a number from 0 to 1.')
  return value
}

function parsed(json: string): unknown[] {
  try {
    const value = JSON.parse(json) as unknown
    return Array.isArray(value) ? (value as unknown[]) : [value]
  } catch (cause) {
    throw new CairnError('INVALID_OPTION', `--evidence: is not JSON: ${(cause as Error).message}. Text needs quotes: --evidence '["hello"]'.`, { cause, details: { option: 'evidence' } })
  }
}
