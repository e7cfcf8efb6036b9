import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Longest first, so that no worker begins one of them when the others have nothing left to do. */
const LONG = [
  'cli/test/langgraph-import',
  'core/test/state/tiers',
  'core/test/domains/sagas/crash',
  'openai-agents/test/runner',
  'core/test/operations/migrations/catalog',
  'core/test/domains/events/events',
  'core/test/state/conflict/processes',
  'cli/test/start',
  'chaos/events',
  'cli/test/import-command',
  'cli/test/commands/migrate',
  'core/test/state/state',
  'chaos/task-faults',
  'chaos/kill',
  'core/test/state/lineages/hot',
  'core/test/domains/schedules/schedules',
  'chaos/schedules',
  'chaos/debates',
  'core/test/domains/messages/processes',
  'chaos/tasks',
  'core/test/domains/recall/matrix-search',
  'chaos/history',
  'core/test/engines/sql/pglite-data-dir',
  'cli/test/small-commands',
  'core/test/state/lifecycle',
  'langgraph/test/graphs',
  'cli/test/mcp-command',
  'cli/test/guide',
  'core/test/engines/stream/sql',
  'core/test/state/checkpoint-history',
  'core/test/state/lineages/lineages',
  'chaos/sql-outage',
  'openai-agents/test/example',
  'core/test/engines/stream/jetstream',
  'cli/test/lineages-command',
  'core/test/domains/tasks/dependencies',
  'core/test/operations/migrations/migrate-up',
  'cli/test/servers',
  'core/test/domains/agents/schema',
  'core/test/domains/tasks/ageing',
  'core/test/domains/debates/debates',
  'core/test/domains/conversations/concurrency',
  'core/test/engines/sql/pglite-worker',
  'chaos/nats-wiped',
  'cli/test/debates-command',
  'core/test/domains/events/relay',
  'cli/test/documents-command',
  'core/test/domains/tasks/lost-answers',
  'core/test/engines/kv/lmdb',
  'server/test/routes',
] as const

/** What a run on a clean clone knows of durations; the other files come in the order of Vitest. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = LONG.findIndex((name) => moduleId.endsWith(`${name}.test.ts`))
      return found === -1 ? LONG.length : found
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}
