import { basename } from 'node:path'
import { isCairnError } from '@cairn/core'
import type { Command } from 'commander'
import { openClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { EXIT } from '../exit-codes.ts'
import { onStopSignal } from '../graceful-stop.ts'
import { parseLocomo } from '../import/locomo-format.ts'
import { type ImportProgress, importLocomo } from '../import/locomo-import.ts'
import { readText } from '../import/read-text.ts'
import { type FileResult, type ImportedConversation, summaryText } from '../import/summary.ts'
import { isVerbose, printError, run, show } from '../output.ts'
import { StatusLine } from '../status-line.ts'
import { addLangGraphImport } from './import-langgraph.ts'
import { addMcpMemoryImport } from './import-mcp-memory.ts'

const STOP_LIMIT_MS = 30_000

/** Adds `cairn import locomo|langgraph|mcp-memory`. */
export function registerImportCommands(program: Command): void {
  const group = program.command('import').description('Import conversations, and what LangGraph and the reference MCP memory server keep')
  addLangGraphImport(group)
  addMcpMemoryImport(group)
  withClientFlags(group.command('locomo'))
    .description('Import conversations in the LoCoMo format: speakers become agents, sessions threads, turns messages and memories')
    .argument('<file...>', 'JSON files; each is imported even if another fails')
    .addHelpText('after', '\nIt may be run again, also after it was interrupted: what is there already is found and not doubled.')
    .action((files: string[], flags: ClientFlags) => run(flags, () => importFiles(files, flags)))
}

async function importFiles(files: readonly string[], flags: ClientFlags): Promise<number> {
  const startedAt = performance.now()
  const stopped = onStopSignal(STOP_LIMIT_MS, (text) => process.stderr.write(`${text}\n`))
  const client = await openClient(flags)
  const line = new StatusLine()
  const results: FileResult[] = []
  try {
    for (const file of files) {
      if (stopped.aborted) break
      const imported: ImportedConversation[] = []
      try {
        for (const conversation of parseLocomo(await readText(file), file, stemOf(file))) {
          const onProgress = progressOn(line, conversation.name)
          imported.push({ name: conversation.name, ...(await importLocomo(conversation, { target: client.importTarget, signal: stopped, onProgress })) })
        }
        results.push({ file, conversations: imported, error: null })
      } catch (error) {
        if (stopped.aborted) break
        results.push({ file, conversations: imported, error: shownError(error) })
        line.clear()
        if (flags.json !== true || isVerbose()) await printError(error)
      } finally {
        line.clear()
      }
    }
  } finally {
    line.clear()
    await client.close()
  }
  const ms = Math.round(performance.now() - startedAt)
  const failed = results.some(({ error }) => error !== null)
  show(flags, { ok: !failed && !stopped.aborted, interrupted: stopped.aborted, target: client.place, files: results, ms }, () => summaryText(results, ms))
  if (stopped.aborted) {
    process.stderr.write('Interrupted. Run the same command again: it continues where it stopped, and nothing is doubled.\n')
    return stopped.reason === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted
  }
  return failed ? EXIT.failed : EXIT.ok
}

/** A bar on a terminal; elsewhere nothing, or a line a session with --verbose. */
function progressOn(line: StatusLine, name: string): (progress: ImportProgress) => void {
  let last = ''
  return ({ done, total, label }) => {
    line.bar(done, total, `messages  ${name}  ${label}`)
    if (!line.visible && isVerbose() && label !== last) process.stderr.write(`${name}: ${done}/${total} messages, ${label}\n`)
    last = label
  }
}

function stemOf(file: string): string {
  return basename(file).replace(/\.json$/i, '')
}

function shownError(error: unknown): NonNullable<FileResult['error']> {
  return isCairnError(error)
    ? { code: error.code, message: error.message, details: error.details }
    : { code: 'UNKNOWN', message: error instanceof Error ? error.message : String(error), details: {} }
}
