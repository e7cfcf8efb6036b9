import type { MemoryFilter, RecallMode } from '@cairn/core'
import { type Command, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, fraction, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, show, table } from '../output.ts'

interface RecallFlags extends ClientFlags {
  readonly limit?: number
  readonly mode?: RecallMode
  readonly tokens?: number
  readonly at?: string
  readonly user?: string
  readonly agent?: string
  readonly session?: string
  readonly speaker?: string
  readonly context?: string
  readonly tag?: string[]
  readonly from?: string
  readonly to?: string
  readonly importance?: number
  readonly recency?: number
  readonly explain?: boolean
}

/** Shown also when they count for little, since somebody asked for them. */
const WEIGHED: ReadonlySet<string> = new Set(['importance', 'recency'])

/** Adds `cairn recall <question>`. */
export function registerRecallCommand(program: Command): void {
  withClientFlags(program.command('recall'))
    .description('Find the memories that answer a question')
    .argument('<question>', 'in plain words, e.g. "When did Ada move to Berlin?"')
    .option('--limit <n>', 'memories shown, 1 to 200 (default: 10)', wholeNumber(1, 200))
    .addOption(new Option('--mode <mode>', 'what finds them').choices(['hybrid', 'text', 'vector']))
    .option('--tokens <n>', 'print a block of text for a prompt instead, of so many tokens at most', wholeNumber(1, 1_000_000))
    .option('--at <time>', 'when the question is asked, ISO 8601: what "last week" is counted from (default: now)')
    .option('--user <id>', 'only memories of this user')
    .option('--agent <agent>', 'only memories of this agent, by id or key')
    .option('--session <id>', 'only memories of this session')
    .option('--speaker <name>', 'only what this speaker said')
    .option('--context <context>', 'only memories of this context')
    .option('--tag <tag...>', 'only memories with all of these tags')
    .option('--from <time>', 'only what happened from then on, ISO 8601')
    .option('--to <time>', 'only what happened before then, ISO 8601')
    .option('--importance <weight>', 'how much the importance of a memory counts, 0 to 1 (default: 0)', fraction)
    .option('--recency <weight>', 'how much it counts that it happened lately, 0 to 1 (default: 0)', fraction)
    .option('--explain', 'show what each score is made of')
    .action((question: string, flags: RecallFlags) =>
      runWithClient(flags, async ({ recall }) => {
        const { limit, mode, tokens, at, importance, recency } = flags
        const filter = filterOf(flags)
        const result = await recall.search(question, {
          filter,
          ...(limit === undefined ? {} : { limit }),
          ...(mode === undefined ? {} : { mode }),
          ...(tokens === undefined ? {} : { tokens }),
          ...(at === undefined ? {} : { at }),
          ...(importance === undefined && recency === undefined ? {} : { weights: { ...(importance === undefined ? {} : { importance }), ...(recency === undefined ? {} : { recency }) } }),
        })
        if (result.degraded !== null) process.stderr.write(`By ${result.mode} alone: ${result.degraded.message}\n`)
        show(flags, result, () => {
          if (result.contextBlock !== null) return result.contextBlock.text
          const rows = result.items.map(({ memory, score, explanation }) => [
            score.toFixed(3),
            memory.occurredAt.slice(0, 16).replace('T', ' '),
            memory.speaker ?? '',
            oneLine(memory.content, 100),
            ...(flags.explain === true ? [explanation.contributions.filter(({ feature }, index) => index < 4 || WEIGHED.has(feature)).map(({ feature, contribution }) => `${feature} ${contribution.toFixed(2)}`).join(', ')] : []),
          ])
          return table(['score', 'when', 'who', 'what', ...(flags.explain === true ? ['because of'] : [])], rows, 'Nothing was found.')
        })
      }),
    )
}

function filterOf({ user, agent, session, speaker, context, tag, from, to }: RecallFlags): MemoryFilter {
  return {
    ...(user === undefined ? {} : { userId: user }),
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(session === undefined ? {} : { sessionId: session }),
    ...(speaker === undefined ? {} : { speaker }),
    ...(context === undefined ? {} : { context }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(from === undefined ? {} : { occurredFrom: from }),
    ...(to === undefined ? {} : { occurredTo: to }),
  }
}
