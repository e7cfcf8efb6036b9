import '../../../../scripts/published-packages.ts'
import type { Client } from '@modelcontextprotocol/client'

// After the first import, without which a package below it is taken for one of this workspace.
const sdk = await import('@modelcontextprotocol/client')
const stdio = await import('@modelcontextprotocol/client/stdio')

/** `legacy`: what most clients speak, with `initialize`. `modern`: the revision of 2026-07-28. */
export const ERAS = ['legacy', 'modern'] as const
export type Era = (typeof ERAS)[number]

/** The official client; of the era asked for, without falling back. */
export function clientOf(era: Era): Client {
  return new sdk.Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' } })
}

export async function connectHttp(url: string, era: Era, headers: Record<string, string> = {}): Promise<Client> {
  const client = clientOf(era)
  await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  return client
}

/** With a process of its own, without settings of the developer's; what it says on stderr is left out. */
export async function connectStdio(era: Era, command: string, args: string[], { cwd, env = {} }: { readonly cwd: string; readonly env?: Record<string, string> }): Promise<{ readonly client: Client; pid(): number | null }> {
  const clean = Object.entries(process.env).filter((each): each is [string, string] => each[1] !== undefined && !/^(CAIRN_|PG|NATS_|DATABASE_URL|VITEST)/.test(each[0]))
  const transport = new stdio.StdioClientTransport({ command, args, cwd, env: { ...Object.fromEntries(clean), ...env }, stderr: 'ignore' })
  const client = clientOf(era)
  await client.connect(transport)
  return { client, pid: () => transport.pid }
}

export interface ToolResult {
  readonly isError: boolean
  readonly structured: Record<string, unknown>
  readonly text: string
  readonly meta: Record<string, unknown>
}

/** Calls a tool; the client checks the answer against the tool's output schema. */
export async function callTool(client: Client, name: string, given: Record<string, unknown> = {}): Promise<ToolResult> {
  const result = await client.callTool({ name, arguments: given })
  const [first] = result.content
  return { isError: result.isError === true, structured: (result.structuredContent ?? {}) as Record<string, unknown>, text: first?.type === 'text' ? first.text : '', meta: result._meta ?? {} }
}
