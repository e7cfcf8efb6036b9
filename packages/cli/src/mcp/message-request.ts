/** The parts of a JSON-RPC message that its way over HTTP depends on. */
export interface Message {
  readonly id: string | number | undefined
  readonly method: string | undefined
  readonly params: Readonly<Record<string, unknown>>
}

/** Undefined when the text is no JSON object. */
export function readMessage(text: string): Message | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  const { id, method, params } = value
  return { id: typeof id === 'string' || typeof id === 'number' ? id : undefined, method: typeof method === 'string' ? method : undefined, params: isRecord(params) ? params : {} }
}

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion'
/** Which parameter the header Mcp-Name repeats. */
const NAMED_BY: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }

/**
 * The headers that a message must have over HTTP and has not on stdio: since the revision of 2026-07-28 they repeat the version, the method and the name in the
 * body. A message of an earlier revision gets none of them.
 */
export function messageHeaders({ id, method, params }: Message): Record<string, string> {
  const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const version = isRecord(params['_meta']) ? params['_meta'][VERSION_KEY] : undefined
  if (typeof version !== 'string' || method === undefined || id === undefined) return common
  const name = Object.hasOwn(NAMED_BY, method) ? params[NAMED_BY[method] ?? ''] : undefined
  return { ...common, 'mcp-protocol-version': headerText(version), 'mcp-method': headerText(method), ...(typeof name === 'string' ? { 'mcp-name': headerText(name) } : {}) }
}

/** As it is when a header can hold it, else as the protocol wraps it. */
function headerText(text: string): string {
  const plain = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?')
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
