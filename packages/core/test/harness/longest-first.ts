import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Longest first, so that no worker begins one of them when the others have nothing left to do. */
const LONG = [
  'cli/test/langgraph-import',
  'core/test/domains/sagas/crash',
  'openai-agents/test/runner',
  'core/test/state/conflict/processes',
  'cli/test/import-command',
  'chaos/events',
  'cli/test/commands/migrate',
  'chaos/schedules',
  'core/test/operations/migrations/catalog',
  'chaos/task-faults',
  'core/test/state/lifecycle',
  'chaos/kill',
  'core/test/state/tiers',
  'core/test/domains/schedules/schedules',
  'core/test/state/checkpoint-history',
  'core/test/domains/tasks/dependencies',
  'chaos/tasks',
  'langgraph/test/graphs',
  'core/test/state/state',
  'server/test/routes',
  'chaos/history',
  'cli/test/small-commands',
  'core/test/domains/messages/processes',
  'core/test/state/lineages/hot',
  'cli/test/guide',
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
