import type { Command } from 'commander'
import { openClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { EXIT } from '../exit-codes.ts'
import { onStopSignal } from '../graceful-stop.ts'
import { parseMcpMemory } from '../import/mcp-memory-format.ts'
import { importMcpMemory } from '../import/mcp-memory-import.ts'
import { readText } from '../import/read-text.ts'
import { run, show } from '../output.ts'

const STOP_LIMIT_MS = 30_000
const SHOWN_PROBLEMS = 20

interface Flags extends ClientFlags {
  readonly space?: string
  readonly strict?: boolean
}

/** Adds `cairn import mcp-memory`. */
export function addMcpMemoryImport(group: Command): void {
  withClientFlags(group.command('mcp-memory'))
    .description('Import the file of the reference MCP memory server into the knowledge that the graph tools show')
    .argument('<file>', 'its memory.jsonl')
    .option('--space <name>', 'the space of knowledge (default: default, which the graph tools use)')
    .option('--strict', 'import nothing when a line is wrong')
    .addHelpText('after', '\nIt may be run again: what is there already is not doubled, and nothing is removed. Wrong lines are left out and named.')
    .action((file: string, flags: Flags) => run(flags, () => importFile(file, flags)))
}

async function importFile(file: string, flags: Flags): Promise<number> {
  const memory = parseMcpMemory(await readText(file))
  const stopped = onStopSignal(STOP_LIMIT_MS, (text) => process.stderr.write(`${text}\n`))
  const refused = flags.strict === true && memory.problems.length > 0
  let added = { entities: 0, observations: 0, relations: 0 }
  if (!refused) {
    const client = await openClient(flags)
    try {
      added = await importMcpMemory(memory, (graph) => client.knowledge.merge(flags.space, graph), stopped)
    } finally {
      await client.close()
    }
  }
  const found = { entities: memory.entities.length, observations: memory.entities.reduce((sum, { observations }) => sum + observations.length, 0), relations: memory.relations.length }
  const { problems } = memory
  show(flags, { ok: problems.length === 0 && !stopped.aborted, interrupted: stopped.aborted, file, found, added, problems }, () => {
    const lines = problems.slice(0, SHOWN_PROBLEMS).map(({ line, message }) => `${file}:${line}: left out: ${message}.`)
    if (problems.length > SHOWN_PROBLEMS) lines.push(`… and ${problems.length - SHOWN_PROBLEMS} lines more.`)
    const said = (kind: keyof typeof found): string => `${added[kind]} of ${found[kind]} ${kind}`
    lines.push(refused ? 'Nothing was imported, because of --strict.' : `Added ${said('entities')}, ${said('observations')} and ${said('relations')}; the others were there.`)
    return lines.join('\n')
  })
  if (stopped.aborted) return stopped.reason === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted
  return problems.length > 0 ? EXIT.failed : EXIT.ok
}
