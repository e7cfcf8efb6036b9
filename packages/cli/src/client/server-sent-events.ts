export interface ServerSentEvent {
  readonly id: string | undefined
  readonly event: string
  /** Parsed JSON; undefined for a place in the stream without an event. */
  readonly data: unknown
}

/** The events of a body of type text/event-stream; comments are left out. */
export async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = parseFrame(text.slice(0, end))
      text = text.slice(end + 2)
      if (event !== undefined) yield event
    }
  }
}

function parseFrame(frame: string): ServerSentEvent | undefined {
  const fields = new Map<string, string>()
  for (const line of frame.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''))
  }
  const data = fields.get('data')
  if (data === undefined) return fields.has('id') ? { id: fields.get('id'), event: '', data: undefined } : undefined
  return { id: fields.get('id'), event: fields.get('event') ?? 'message', data: JSON.parse(data) as unknown }
}
