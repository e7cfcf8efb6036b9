import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { print, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

/** Adds `cairn personality list|show|export|forget`. */
export function registerPersonalityCommands(program: Command): void {
  const personality = program.command('personality').description('What was learned about users: list, show, export, forget')

  withClientFlags(withPageFlags(personality.command('list')))
    .description('List users of whom something was learned')
    .action((flags: ClientFlags & PageFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.personality.users(pageFrom(flags))
        show(flags, page, () => table(['user', 'messages', 'version', 'learning', 'time zone'], page.items.map((each) => [each.userId, each.sampleSize, each.version, each.learning ? 'yes' : 'no', each.timeZone]), 'Nothing was learned about anybody.') + moreLine(page))
      }),
    )

  withClientFlags(personality.command('show'))
    .description("Show a user's profile, and how to answer them")
    .argument('<user>', 'id of the user')
    .action((user: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const profile = await client.personality.get(user)
        show(flags, profile, () => {
          const { userId, version, sampleSize, confidence, timeZone, learning, communicationStyle, goalOrientation, responsePatterns, preferredTopics, effective } = profile
          const styles = Object.entries(communicationStyle).map(([name, value]) => [name, value])
          const answers = Object.entries(effective).map(([name, { value, source }]) => [name, Array.isArray(value) ? value.slice(0, 10).join(', ') : String(value), source])
          return [
            record({ userId, version, sampleSize, confidence, timeZone, learning: learning ? 'on' : 'off', mostActive: responsePatterns.mostActive, goal: goalOrientation.primary, topics: preferredTopics.slice(0, 10).map(({ term }) => term).join(', ') }),
            table(['style', ''], styles, ''),
            table(['answer with', '', 'because it was'], answers, ''),
          ].join('\n\n')
        })
      }),
    )

  withClientFlags(personality.command('export'))
    .description('Print everything that is stored of a user, as JSON')
    .argument('<user>', 'id of the user')
    .action((user: string, flags: ClientFlags) => runWithClient(flags, async (client) => print(JSON.stringify(await client.personality.export(user), null, 2))))

  withClientFlags(personality.command('forget'))
    .description('Delete everything that was learned about a user or stated by them')
    .argument('<user>', 'id of the user')
    .option('--stop-learning', 'keep the id, so that nothing is learned again')
    .option('--yes', 'do not ask')
    .action((user: string, flags: ClientFlags & { stopLearning?: boolean; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Forget everything about ${user}?`)
        const forgotten = await client.personality.forget(user, { stopLearning: flags.stopLearning === true })
        show(flags, forgotten, () => (forgotten.deleted ? `Forgot ${user}: ${forgotten.interactions ?? 0} interactions, ${forgotten.versions ?? 0} versions, ${forgotten.topics ?? 0} words.` : `Nothing was known of ${user}.`))
      }),
    )
}
