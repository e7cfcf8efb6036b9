import { type Command, Option } from 'commander'
import { CairnError, DEFAULT_TENANT } from '@cairn/core'
import { type EngineFlags, optionsFromFlags, withEngineFlags } from '../engine-flags.ts'
import { EXIT } from '../exit-codes.ts'
import { onStopSignal } from '../graceful-stop.ts'
import { run } from '../output.ts'
import { LOG_LEVELS, makeLogger } from '../process-logger.ts'

interface McpFlags extends EngineFlags {
  readonly server?: string
  readonly tools: 'cairn' | 'graph'
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

const STOP_LIMIT_MS = 30_000
const GRACE_MS = 10_000

/** Adds `cairn mcp`. */
export function registerMcpCommand(program: Command): void {
  withEngineFlags(program.command('mcp'))
    .description('Serve the Model Context Protocol on stdin and stdout, for the configuration file of an MCP client')
    .addOption(new Option('--tools <set>', "`cairn`: Cairn's own tools; `graph`: the nine of the reference memory server").choices(['cairn', 'graph']).default('cairn'))
    .option('--server <url>', 'work through a running Cairn, e.g. http://127.0.0.1:4100 (default: CAIRN_SERVER, or the one that has the data directory open)')
    .addOption(new Option('--log-level <level>', 'what is logged, on stderr').env('CAIRN_LOG_LEVEL').choices(LOG_LEVELS).default('warn'))
    .addHelpText('after', '\nSeveral clients may each start one on the same data directory: the first opens it, the others work through the first, and when it ends another opens it.')
    .action(async (flags: McpFlags) => {
      await run({}, () => serveStdio(flags))
      // All is closed: no forgotten timer or connection may hold the process.
      process.exit()
    })
}

async function serveStdio(flags: McpFlags): Promise<number> {
  const given = flags.postgres ?? flags.nats ?? flags.dataDir
  if (flags.server !== undefined && given !== undefined) {
    throw new CairnError('INVALID_OPTION', '--server names a running Cairn, --postgres, --nats and --data-dir name engines to open: give one or the other.', { details: { option: 'server' } })
  }
  const stopped = onStopSignal(STOP_LIMIT_MS, (text) => process.stderr.write(`${text}\n`))
  const [logger, { resolveOptions }, { MCP_PATHS }, { findBackend }, { StdioBridge }, { messageLines }] = await Promise.all([
    makeLogger(flags.logLevel, 'json', 2), import('@cairn/core/internal'), import('@cairn/server'), import('../mcp/backend.ts'), import('../mcp/stdio-bridge.ts'), import('../mcp/message-lines.ts'),
  ])
  const cairn = { ...optionsFromFlags(flags), actor: { kind: 'service', id: 'mcp' } as const }
  const { dataDir, postgres, nats, tenant } = resolveOptions(cairn)
  const server = flags.server ?? (given === undefined ? process.env['CAIRN_SERVER'] : undefined)
  // As with every command: a server that is named shows its own tenant, unless one is chosen.
  const isItsOwn = server !== undefined && flags.tenant === undefined && tenant === DEFAULT_TENANT
  const bridge = new StdioBridge({
    path: MCP_PATHS[flags.tools],
    headers: { ...(isItsOwn ? {} : { 'x-cairn-tenant': tenant }), 'x-cairn-actor': 'service:mcp' },
    find: async () => {
      const backend = await findBackend({ server, cairn, dataDir, embedded: postgres === undefined || nats === undefined, logger })
      logger.info({ tools: flags.tools, tenant }, `mcp: works on ${backend.place}`)
      return backend
    },
    write: (line) => process.stdout.write(`${line}\n`),
    logger,
  })
  // A client that went away: what it is still owed goes nowhere.
  process.stdout.on('error', () => process.stdin.destroy())
  stopped.addEventListener('abort', () => process.stdin.destroy(), { once: true })
  try {
    // A set-up that cannot work is told at once, on stderr, with an exit code.
    await bridge.backend()
    for await (const line of messageLines(process.stdin)) bridge.take(line)
  } catch (error) {
    if (!stopped.aborted && !process.stdin.destroyed) throw error
  } finally {
    await bridge.close(stopped.aborted ? 0 : GRACE_MS)
  }
  return EXIT.ok
}
