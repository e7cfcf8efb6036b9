import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { bearClosedPipes } from './closed-pipes.ts'
import { EXIT, EXIT_CODES_HELP, PRECEDENCE_HELP } from './exit-codes.ts'

interface Entry {
  readonly summary: string
  /** Loaded only when it is the command that was asked for: the engines take longer to load than the rest. */
  readonly load: () => Promise<(program: Command) => void>
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  start: { summary: 'Start Cairn and serve it over HTTP', load: async () => (await import('./commands/start.ts')).registerStartCommand },
  mcp: { summary: 'Serve the Model Context Protocol on stdin and stdout', load: async () => (await import('./commands/mcp.ts')).registerMcpCommand },
  doctor: { summary: 'Check the set-up and say how to mend it', load: async () => (await import('./commands/doctor.ts')).registerDoctorCommand },
  import: { summary: 'Import conversations, and what LangGraph keeps', load: async () => (await import('./commands/import.ts')).registerImportCommands },
  migrate: { summary: "Bring the database's schema up to date, take it back, and check it", load: async () => (await import('./commands/migrate.ts')).registerMigrateCommands },
  agents: { summary: 'List, show, register and retire agents', load: async () => (await import('./commands/agents.ts')).registerAgentsCommands },
  state: { summary: "Read and write an agent's state", load: async () => (await import('./commands/state.ts')).registerStateCommands },
  cache: { summary: 'Show what the cache does, and end entries of it', load: async () => (await import('./commands/cache.ts')).registerCacheCommands },
  checkpoints: { summary: 'List, make, show, restore and fork checkpoints', load: async () => (await import('./commands/checkpoints.ts')).registerCheckpointsCommands },
  histories: { summary: 'List, show and clear the histories of sessions', load: async () => (await import('./commands/histories.ts')).registerHistoriesCommands },
  lineages: { summary: 'List, show, prune, copy and delete threads of checkpoints', load: async () => (await import('./commands/lineages.ts')).registerLineagesCommands },
  pools: { summary: 'Connections: how they are, and how many there should be', load: async () => (await import('./commands/pools.ts')).registerPoolsCommands },
  breakers: { summary: 'Look at circuit breakers, hold them open or closed', load: async () => (await import('./commands/breakers.ts')).registerBreakersCommands },
  tasks: { summary: 'List, show, enqueue, retry, cancel and redrive tasks', load: async () => (await import('./commands/tasks.ts')).registerTasksCommands },
  schedules: { summary: 'List, add, pause, resume, trigger and remove schedules of tasks', load: async () => (await import('./commands/schedules.ts')).registerSchedulesCommands },
  events: { summary: 'Publish and follow events, look at the streams and what was given up', load: async () => (await import('./commands/events.ts')).registerEventsCommands },
  messages: { summary: 'Send and take messages between agents', load: async () => (await import('./commands/messages.ts')).registerMessagesCommands },
  conversations: { summary: 'List, show, search, summarize, export, import and delete conversations', load: async () => (await import('./commands/conversations.ts')).registerConversationsCommands },
  compression: { summary: 'Measure compression, compress and decompress files', load: async () => (await import('./commands/compression.ts')).registerCompressionCommands },
  recall: { summary: 'Find the memories that answer a question', load: async () => (await import('./commands/recall.ts')).registerRecallCommand },
  documents: { summary: 'Store and find JSON documents', load: async () => (await import('./commands/documents.ts')).registerDocumentsCommands },
  memory: { summary: 'List, show, add and forget memories; retention; blocks of working memory', load: async () => (await import('./commands/memory.ts')).registerMemoryCommands },
  debates: { summary: 'List and show debates, and say what people say in them', load: async () => (await import('./commands/debates.ts')).registerDebatesCommands },
  models: { summary: 'List and show models, their health and statistics', load: async () => (await import('./commands/models.ts')).registerModelsCommands },
  personality: { summary: 'What was learned about users: list, show, export, forget', load: async () => (await import('./commands/personality.ts')).registerPersonalityCommands },
  collaboration: { summary: 'Partnerships of agents, their requests, and insights fused to one', load: async () => (await import('./commands/collaboration.ts')).registerCollaborationCommands },
  knowledge: { summary: 'Record and find what is known: entities and facts in two times', load: async () => (await import('./commands/knowledge.ts')).registerKnowledgeCommands },
  sagas: { summary: 'List sagas and help on those that wait for an operator', load: async () => (await import('./commands/sagas.ts')).registerSagasCommands },
}

/** Runs `cairn` with these arguments and sets the exit code. Never rejects. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    bearClosedPipes()
    await parse(args)
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
    else process.exitCode = await (await import('./output.ts')).printError(error)
  }
}

async function parse(given: readonly string[]): Promise<void> {
  const [first, topic] = words(given)
  if (first === 'help' && topic === 'exit-codes') {
    process.stdout.write(`${EXIT_CODES_HELP}\n`)
    return
  }
  // `help start` is `start --help`.
  const args = first === 'help' ? [...words(given).slice(1), '--help'] : given
  const name = first === 'help' ? topic : first

  const program = makeProgram()
  for (const [command, { summary, load }] of Object.entries(COMMANDS)) {
    if (command === name) (await load())(program)
    else program.command(command).description(summary)
  }
  if (args.length === 0) program.outputHelp()
  else await program.parseAsync([...args], { from: 'user' })
}

function makeProgram(): Command {
  return new Command('cairn')
    .description('The durable state and memory of multi-agent AI systems')
    .version(version(), '-V, --version', 'print the version')
    .option('--verbose', 'with the stack of an error')
    .helpCommand('help [command]', 'help for a command; `cairn help exit-codes` lists the exit codes')
    .addHelpText('after', `\n${PRECEDENCE_HELP}\n\n${EXIT_CODES_HELP}`)
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'error [INVALID_OPTION] ')) })
    .showHelpAfterError('Run the command with --help for what it takes.')
    .exitOverride()
}

function words(args: readonly string[]): string[] {
  return args.filter((arg) => !arg.startsWith('-'))
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
