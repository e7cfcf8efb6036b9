import { duration, table } from '../output.ts'
import type { ImportCounts, ImportSummary } from './locomo-import.ts'

export interface ImportedConversation extends ImportSummary {
  readonly name: string
}

/** What became of one file. */
export interface FileResult {
  readonly file: string
  /** Those that were imported completely. */
  readonly conversations: readonly ImportedConversation[]
  readonly error: { readonly code: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> } | null
}

/** The summary for people. */
export function summaryText(results: readonly FileResult[], ms: number): string {
  const rows = results.flatMap(({ conversations }) => conversations.map(row))
  const failed = results.filter(({ error }) => error !== null).length
  const head = ['conversation', 'agents', 'threads', 'messages', 'memories', 'checkpoints', 'state writes', 'time']
  const lines = [table(head, rows, 'Nothing was imported completely.'), `${results.length - failed} of ${results.length} files done in ${duration(ms)}.`]
  if (rows.length > 0) lines.push('"new" is what this run made; the rest was there already.')
  return lines.join('\n')
}

function row(conversation: ImportedConversation): string[] {
  const count = (kind: keyof ImportCounts): string => `${conversation[kind]} (${conversation.created[kind]} new)`
  return [conversation.name, count('agents'), count('threads'), count('messages'), count('memories'), count('checkpoints'), String(conversation.stateWrites), duration(conversation.ms)]
}
