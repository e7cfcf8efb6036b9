import { readFile } from 'node:fs/promises'
import { COLLABORATION_STATUSES, CairnError, type CollaborationStatus, FUSION_METHODS, type FusionMethod, type Insight } from '@cairn/core'
import { type Command, Option } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

/** Adds `cairn collaboration partnerships|requests|fuse`. */
export function registerCollaborationCommands(program: Command): void {
  const collaboration = program.command('collaboration').description('Partnerships of agents, their requests, and insights fused to one')

  withClientFlags(withPageFlags(collaboration.command('partnerships')))
    .description('List partnerships, oldest first')
    .option('--agent <agent>', 'only those of this agent (id or key)')
    .action((flags: ClientFlags & PageFlags & { agent?: string }) =>
      runWithClient(flags, async (client) => {
        const page = await client.collaboration.partnerships({ ...pageFrom(flags), ...(flags.agent === undefined ? {} : { agent: flags.agent }) })
        show(flags, page, () => {
          const rows = page.items.map((each) => [each.key ?? each.id, each.type, each.primaryAgentId, each.secondaryAgentId, each.effectiveness, `${each.successful}/${each.total}`, each.averageSatisfaction, each.active ? 'yes' : 'no'])
          return table(['partnership', 'type', 'primary', 'secondary', 'effectiveness', 'succeeded', 'rating', 'active'], rows, 'There are no partnerships.') + moreLine(page)
        })
      }),
    )

  withClientFlags(withPageFlags(collaboration.command('requests')))
    .description('List collaboration requests, newest first')
    .option('--agent <agent>', 'only those by or to this agent (id or key)')
    .addOption(new Option('--status <status>', 'only in this status').choices([...COLLABORATION_STATUSES]))
    .action((flags: ClientFlags & PageFlags & { agent?: string; status?: CollaborationStatus }) =>
      runWithClient(flags, async (client) => {
        const { agent, status } = flags
        const page = await client.collaboration.requests({ ...pageFrom(flags), ...(agent === undefined ? {} : { agent }), ...(status === undefined ? {} : { status }) })
        show(flags, page, () => {
          const rows = page.items.map((each) => [each.key ?? each.id, each.type, each.status, each.priority, each.requestingAgentId, `${each.targets.filter(({ answer }) => answer === 'accepted').length}/${each.targets.length}`, each.deadline ?? '', each.rating ?? ''])
          return table(['request', 'type', 'status', 'priority', 'by', 'accepted', 'deadline', 'rating'], rows, 'There are no requests.') + moreLine(page)
        })
      }),
    )

  withClientFlags(collaboration.command('fuse'))
    .description('Make one insight of many, and store it')
    .argument('<file>', 'JSON: a list of { agent, content, position, confidence, weight, ranking, evidence, recommendations }; - reads stdin')
    .addOption(new Option('--method <method>', 'how').choices([...FUSION_METHODS]).default('weighted_consensus'))
    .option('--request <request>', 'the collaboration request that they came from')
    .option('--key <key>', 'its name')
    .action((file: string, flags: ClientFlags & { method: FusionMethod; request?: string; key?: string }) =>
      runWithClient(flags, async (client) => {
        const { method, request, key } = flags
        const fused = await client.collaboration.fuse({ insights: await insightsFrom(file), method, ...(request === undefined ? {} : { request }), ...(key === undefined ? {} : { key }) })
        show(flags, fused, () => {
          const { id, unifiedInsight, position, consensusLevel, confidence, sides, recommendations } = fused
          return [
            record({ id, method, insight: oneLine(unifiedInsight, 200), position: oneLine(position, 100), consensusLevel, confidence }),
            table(['side', 'share', 'agents'], sides.map((side) => [oneLine(side.position, 60), side.share, side.agents.join(', ')]), ''),
            table(['recommended', 'support'], recommendations.map(({ text, support }) => [oneLine(text, 80), support]), 'Nothing is recommended.'),
          ].join('\n\n')
        })
      }),
    )
}

async function insightsFrom(file: string): Promise<Insight[]> {
  const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((cause: unknown) => {
    throw new CairnError('INVALID_OPTION', `<file>: ${JSON.stringify(file)} cannot be read (${(cause as Error).message}).`, { cause, details: { option: 'file' } })
  })
  try {
    return JSON.parse(text) as Insight[]
  } catch (cause) {
    throw new CairnError('INVALID_OPTION', `<file>: ${JSON.stringify(file)} is not JSON (${(cause as Error).message}).`, { cause, details: { option: 'file' } })
  }
}
