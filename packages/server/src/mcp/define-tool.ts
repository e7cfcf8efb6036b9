import { type Cairn, type CairnError, ERROR_CODES } from '@cairn/core'
import type { CallToolResult, McpServer } from '@modelcontextprotocol/server'
import type { z } from 'zod'
import { toCairnError } from '../http/problem.ts'
import { lean } from './lean-schema.ts'

/** What a tool does to the data, for clients that ask before they call. None of the tools reaches beyond Cairn. */
export const EFFECTS = {
  reads: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  adds: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  /** Adds what is not there yet: the same call again changes nothing. */
  addsOnce: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  overwrites: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  deletes: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
} as const

export interface ToolDefinition<Input extends z.ZodObject, Output extends z.ZodObject> {
  readonly name: string
  readonly title?: string
  readonly description: string
  readonly input: Input
  readonly output: Output
  readonly effect: (typeof EFFECTS)[keyof typeof EFFECTS]
  readonly run: (given: z.output<Input>, cairn: Cairn) => Promise<ToolAnswer>
  /** How an error is worded. @default its code, message and remedy */
  readonly explain?: (error: CairnError) => string
}

export interface ToolAnswer {
  readonly structured: Record<string, unknown>
  /** @default `structured` as JSON */
  readonly text?: string
}

/** Adds a tool to a server, which calls the services given. `report` gets what is the server's own fault. */
export type Tool = (server: McpServer, cairn: Cairn, report: (error: CairnError) => void) => void

/**
 * What Cairn refuses is a result with `isError` that the model can read and mend; its code, whether to try again, and the details are also in
 * `_meta['cairn/error']`. What has no code of its own is told without its text. Defined once in a process: a schema is costly until it was used.
 */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(definition: ToolDefinition<Input, Output>): Tool {
  const { name, title, description, effect, run, explain = explained } = definition
  const config = { ...(title === undefined ? {} : { title }), description, inputSchema: lean<z.ZodObject>(definition.input), outputSchema: lean<z.ZodObject>(definition.output), annotations: effect }
  return (server, cairn, report) => {
    server.registerTool(name, config, async (given): Promise<CallToolResult> => {
      try {
        const { structured, text } = await run(given as z.output<Input>, cairn)
        return { content: [{ type: 'text', text: text ?? JSON.stringify(structured) }], structuredContent: structured }
      } catch (thrown) {
        const error = toCairnError(thrown)
        if (ERROR_CODES[error.code].status >= 500) report(error)
        return { content: [{ type: 'text', text: explain(error) }], isError: true, _meta: { 'cairn/error': { code: error.code, retryable: error.retryable, details: jsonOnly(error.details) } } }
      }
    })
  }
}

function explained(error: CairnError): string {
  return `${error.code}: ${error.message}\n${ERROR_CODES[error.code].remedy}`
}

/** Details may hold what JSON cannot (a bigint). */
function jsonOnly(details: CairnError['details']): Record<string, unknown> {
  try {
    return JSON.parse(JSON.stringify(details)) as Record<string, unknown>
  } catch {
    return {}
  }
}
