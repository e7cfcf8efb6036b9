import type { Cairn } from '@cairn/core'
import { type Command, Option } from 'commander'
import { type EngineFlags, optionsFromFlags, wholeNumber, withEngineFlags } from '../engine-flags.ts'
import { EXIT, EXIT_CODES_HELP, PRECEDENCE_HELP } from '../exit-codes.ts'
import { aborted, onStopSignal } from '../graceful-stop.ts'
import { print, run } from '../output.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, makeLogger } from '../process-logger.ts'
import { assertPortFree } from '../running/port-check.ts'
import { isLoopback, reachableUrl, removeServerFile, writeServerFile } from '../running/server-file.ts'
import { StatusLine } from '../status-line.ts'

interface StartFlags extends EngineFlags {
  readonly port: number
  readonly host: string
  readonly logLevel: (typeof LOG_LEVELS)[number]
  readonly logFormat: LogFormat
}

const STOP_LIMIT_MS = 30_000

/** Adds `cairn start`. */
export function registerStartCommand(program: Command): void {
  withEngineFlags(program.command('start'))
    .description('Start Cairn and serve it over HTTP: embedded (PGlite and LMDB), unless --postgres and --nats name servers')
    .addOption(new Option('--port <n>', 'where to listen; 0 takes a free port').env('CAIRN_PORT').argParser(wholeNumber(0, 65_535)).default(4100))
    .addOption(new Option('--host <h>', 'address to listen on').env('CAIRN_HOST').default('127.0.0.1'))
    .addOption(new Option('--log-level <level>', 'what is logged').env('CAIRN_LOG_LEVEL').choices(LOG_LEVELS).default('info'))
    .addOption(new Option('--log-format <format>', 'log lines for people or for machines').choices(LOG_FORMATS).default(process.stdout.isTTY ? 'pretty' : 'json', 'pretty on a terminal, else json'))
    .addHelpText('after', `\nIt stops at Ctrl-C or SIGTERM after it has written everything to SQL; a second signal ends it at once.\n\n${PRECEDENCE_HELP}\n\n${EXIT_CODES_HELP}`)
    .action(async (flags: StartFlags) => {
      await run({}, () => start(flags))
      // All is closed: no forgotten timer or connection of a client may hold the process.
      process.exit()
    })
}

async function start(flags: StartFlags): Promise<number> {
  const startedAt = performance.now()
  const stopped = onStopSignal(STOP_LIMIT_MS, (text) => process.stderr.write(`${text}\n`))
  const logger = await makeLogger(flags.logLevel, flags.logFormat)
  await assertPortFree(flags.host, flags.port)

  const [{ open }, { resolveOptions }] = await Promise.all([import('@cairn/core'), import('@cairn/core/internal')])
  const options = optionsFromFlags(flags)
  const { dataDir, postgres, nats } = resolveOptions(options)
  const status = new StatusLine(process.stdout)
  const spinning = status.visible && flags.logFormat === 'pretty'
  if (spinning) logger.level = 'warn'
  const onProgress = (step: string): void => (spinning ? status.spin(`${step} …`) : logger.info({ step }, step))
  const opening = open({ ...options, logger, onProgress })
  // Loaded while the engines open in their threads. What it throws is met below, once there is something to close.
  const loading = import('@cairn/server')
  loading.catch(() => undefined)
  const cairn = await opening.finally(() => status.clear())
  logger.level = flags.logLevel
  const embedded = postgres === undefined || nats === undefined
  try {
    if (stopped.aborted) return interruptedBy(stopped)
    const { serve } = await loading
    const server = await serve(cairn, { host: flags.host, port: flags.port, logger })
    try {
      const url = reachableUrl(flags.host, server.port)
      if (embedded) writeServerFile(dataDir, url)
      const facts = {
        url,
        ...engineNames(cairn),
        dataDir: embedded ? dataDir : null,
        pid: process.pid,
        readyMs: Math.round(performance.now() - startedAt),
      }
      if (flags.logFormat === 'json') logger.info(facts, `Cairn listens on ${url}`)
      else print(banner(facts))
      if (!isLoopback(flags.host)) {
        logger.warn({ host: flags.host }, `Bound to ${flags.host}: everybody who reaches this address can read and change everything, since there is no authentication yet. Put a proxy that asks who they are in front, or bind to 127.0.0.1.`)
      }
      await aborted(stopped)
      logger.info({ signal: String(stopped.reason) }, 'stopping: no new requests, writing what is not in SQL yet')
    } finally {
      await server.close()
    }
  } finally {
    await cairn.close()
    if (embedded) removeServerFile(dataDir)
  }
  logger.info({}, 'stopped')
  return EXIT.ok
}

function engineNames({ engines: { sql, kv } }: Cairn): { sql: string; kv: string } {
  const version = sql.capabilities.serverVersion
  return {
    sql: `${sql.kind === 'pglite' ? 'PGlite, ' : ''}PostgreSQL ${Math.floor(version / 10_000)}.${version % 10_000}`,
    kv: kv.kind === 'lmdb' ? 'LMDB' : `NATS JetStream ${kv.capabilities.serverVersion}`,
  }
}

function interruptedBy(signal: AbortSignal): number {
  return signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.terminated
}

function banner(facts: { url: string; sql: string; kv: string; dataDir: string | null; readyMs: number }): string {
  return [
    '',
    `  Cairn listens on ${facts.url}   (ready in ${(facts.readyMs / 1000).toFixed(1)} s)`,
    '',
    `  SQL   ${facts.sql}`,
    `  KV    ${facts.kv}`,
    ...(facts.dataDir === null ? [] : [`  data  ${facts.dataDir}`]),
    '',
    '  Next, in another terminal:',
    `    curl ${facts.url}/health`,
    `    curl -X POST ${facts.url}/v1/agents -H 'content-type: application/json' -d '{"name":"scout","type":"analyst"}'`,
    `    curl ${facts.url}/v1/agents`,
    `    npm run cairn -- import locomo examples/two-hikers.json --server ${facts.url}`,
    '  Ctrl-C stops it.',
    '',
  ].join('\n')
}
